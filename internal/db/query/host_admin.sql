-- name: SetHost :execrows
-- What an administrator allows a host; null is decided by what the host says when
-- it connects next.
update hosts set
    arches_set = case when @set_arches::boolean then sqlc.narg(arches)::text[] else arches_set end,
    capacity_set = case when @set_capacity::boolean then sqlc.narg(capacity)::real else capacity_set end,
    channels_set = case when @set_channels::boolean then sqlc.narg(channels)::text[] else channels_set end
where name = @name;

-- name: TasksAtHosts :many
-- What hosts were given and work on, in the order in which they got it.
select t.id, t.host_id::bigint as host_id, t.build_id, t.method, t.arch, t.root_arch, t.attempt, t.state, t.phase, t.weight, t.assigned_at, t.started_at,
       b.nvr, b.planned_nvr, b.scratch
from tasks t join builds b on b.id = t.build_id
where t.state in ('ASSIGNED', 'OPEN') and t.host_id is not null
  and (sqlc.narg(host_id)::bigint is null or t.host_id = sqlc.narg(host_id))
order by t.host_id, t.assigned_at, t.id;

-- name: RefusalsOfHost :many
-- The tasks that a host has given back of late, and why.
select task_id, until, reason from task_refusals where host_id = @host_id and until > now() order by task_id;

-- name: HostNames :many
select id, name from hosts where id = any (@ids::bigint[]);
