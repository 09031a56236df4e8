-- name: ConnectHost :one
-- Makes a process the host of this name, whoever was it before. An embedded
-- host is made when it is not there. What nobody has decided about a remote one
-- is decided by what it says now.
insert into hosts (name, remote, arches, emulated, channels, capacity, driver, version, client_id, instance, seen_at,
                   unready, load_average, memory_free, disk_free)
values (@name, @remote, @arches, @emulated, @channels, @capacity, @driver, @version, @client_id::text, @instance, now(),
        @unready, @load_average, @memory_free, @disk_free)
on conflict (name) do update
set arches = excluded.arches, emulated = excluded.emulated, channels = excluded.channels, capacity = excluded.capacity,
    driver = excluded.driver, version = excluded.version, client_id = excluded.client_id, instance = excluded.instance, seen_at = now(),
    unready = excluded.unready, load_average = excluded.load_average, memory_free = excluded.memory_free, disk_free = excluded.disk_free,
    arches_set = case when hosts.remote then coalesce(hosts.arches_set, excluded.arches) else hosts.arches_set end,
    channels_set = case when hosts.remote then coalesce(hosts.channels_set, host_channels(excluded.channels, null)) else hosts.channels_set end,
    capacity_set = case when hosts.remote then coalesce(hosts.capacity_set, excluded.capacity) else hosts.capacity_set end
where hosts.remote = excluded.remote
returning id;

-- name: HostByName :one
select * from hosts where name = @name;

-- name: HostByID :one
select * from hosts where id = @id for no key update;

-- name: LockHostByName :one
-- Alive says that a process is the host and has said so of late.
select id, remote, client_id, instance, (client_id is not null and seen_at > now() - make_interval(secs => @seconds::float8))::bool as alive
from hosts where name = @name for no key update;

-- name: ProbeHost :one
-- What a remote host would take that said this when it connected, and whether a
-- process is the host that has said so of late.
select instance, (client_id is not null and seen_at > now() - make_interval(secs => @seconds::float8))::bool as alive,
       arches_set, channels_set, host_arches(@arches::text[], arches_set)::text[] as takes_arches,
       host_channels(@channels::text[], coalesce(channels_set, host_channels(@channels::text[], null)))::text[] as takes_channels
from hosts where name = @name and remote;

-- name: BeatHost :execrows
-- Renews the lease of a host; none when another process is the host now, or it
-- was given up.
update hosts set seen_at = now(), unready = @unready, load_average = @load_average, memory_free = @memory_free, disk_free = @disk_free
where id = @id and client_id = @client_id::text;

-- name: TasksOfHost :many
-- What a host is to work on.
select id, attempt, state, extract(epoch from now() - coalesce(started_at, assigned_at, now()))::float8 as age_seconds
from tasks where host_id = @host_id and client_id = @client_id::text and state in ('ASSIGNED', 'OPEN')
order by priority, id;

-- name: SilentHosts :many
-- Hosts whose process has not renewed its lease for so long, or is among those
-- that are gone for certain.
select id, name, client_id::text as client_id from hosts
where client_id is not null and (seen_at < now() - make_interval(secs => @seconds::float8) or client_id = any(@gone::text[]))
order by id for no key update;

-- name: DisconnectHost :exec
update hosts set client_id = null, unready = '' where id = @id and client_id = @client_id::text;

-- name: LoseTasksOfHost :many
-- Takes from a host all it was given by process, and keeps that it was lost. What
-- needs more than its repository shows, see FreeTask, waits for that.
with lost as (
    select t.id, t.attempt, t.client_id, t.host_id, t.started_at, t.state, t.river_job_id, t.generation_id
    from tasks t
    where t.host_id = @host_id and t.client_id = @client_id::text and t.state in ('ASSIGNED', 'OPEN')
      and (sqlc.narg(tasks)::bigint[] is null or t.id = any(sqlc.narg(tasks)::bigint[]))
    order by t.id for no key update
), kept as (
    insert into task_attempts (task_id, attempt, client_id, host_id, started_at, outcome, generation_id)
    select id, attempt, client_id, host_id, started_at, @outcome::text, generation_id from lost where state = 'OPEN'
    on conflict (task_id, attempt) do nothing
)
update tasks t set state = 'FREE', phase = '', reason = @reason::text, host_id = null, client_id = null, river_job_id = null, token_digest = null,
                   losses = t.losses + case when lost.state = 'OPEN' then @losses::int else 0 end, not_before = now(),
                   waits_tag = case when repo_lacks(g, b.need_rev) then g.id end, waits_rev = case when repo_lacks(g, b.need_rev) then b.need_rev end
from lost, builds b join tags g on g.id = b.build_tag where t.id = lost.id and b.id = t.build_id
returning t.id, lost.attempt, lost.river_job_id;

-- name: DropJobs :exec
-- Ends River rows whose attempt is given up.
update river_job set state = 'discarded', finalized_at = now()
where id = any(@ids::bigint[]) and state in ('available', 'pending', 'retryable', 'running', 'scheduled');

-- name: ScheduleLock :exec
-- One hub at a time gives tasks to hosts.
select pg_advisory_xact_lock(7234017283807667302);

-- name: HostsToSchedule :many
-- The hosts that take work, with what they work on now.
select h.id, h.name, h.remote, h.client_id::text as client_id,
       host_arches(h.arches, h.arches_set)::text[] as arches, host_arches(h.emulated, h.arches_set)::text[] as emulated,
       host_channels(h.channels, h.channels_set)::text[] as channels, least(h.capacity, h.capacity_set)::real as capacity,
       coalesce(w.weight, 0)::real as weight, coalesce(w.tasks, 0)::int as tasks
from hosts h
left join (
    select t.host_id, sum(t.weight) as weight, count(*) as tasks
    from tasks t where t.state in ('ASSIGNED', 'OPEN') and t.host_id is not null group by t.host_id
) w on w.host_id = h.id
where h.enabled and h.client_id is not null and h.unready = '' and h.seen_at > now() - interval '20 seconds'
order by h.id;

-- name: LetTasksBegin :execrows
-- Finds so many of the tasks whose repository has what they waited for, by
-- priority. It looks at one task of each tag and priority and at those it finds,
-- however many wait, and leaves out those that somebody holds, and tags whose
-- repository is on its way back to an older one.
with recursive waited (tag, priority) as (
    (select waits_tag, priority from tasks where state = 'FREE' and waits_tag is not null order by waits_tag, priority limit 1)
    union all
    select n.waits_tag, n.priority from waited cross join lateral (
        select t.waits_tag, t.priority from tasks t
        where t.state = 'FREE' and t.waits_tag is not null and (t.waits_tag, t.priority) > (waited.tag, waited.priority)
        order by t.waits_tag, t.priority limit 1
    ) n
), found as (
    select f.id from waited join tags g on g.id = waited.tag and not exists (select from repo_holds h where h.tag_id = g.id and h.made_id is null)
    cross join lateral (
        select t.id from tasks t
        where t.state = 'FREE' and t.waits_tag = waited.tag and t.priority = waited.priority and t.waits_rev <= g.built_rev
        order by t.waits_rev, t.id limit @max_rows
    ) f
    order by waited.priority, f.id limit @max_rows
), held as (
    select t.id from tasks t where t.id in (select id from found) and t.state = 'FREE' for no key update skip locked
)
update tasks set waits_tag = null, waits_rev = null from held where tasks.id = held.id;

-- name: LetTasksWait :execrows
-- Keeps tasks that have not begun from beginning until the repository of a tag
-- is what somebody goes back to, and longer where they need more. Those that
-- somebody changes at this moment see to it when they begin.
with free as (
    select t.id, b.need_rev from tasks t join builds b on b.id = t.build_id
    where b.build_tag = @tag_id::bigint and t.state = 'FREE' and t.method in ('buildSRPM', 'buildArch') and t.waits_tag is null
    order by t.id for no key update of t skip locked
)
update tasks set waits_tag = @tag_id::bigint, waits_rev = free.need_rev from free where tasks.id = free.id;

-- name: WaitsOfTasks :many
-- The repositories that tasks wait for, with who holds them and why they can't be
-- made; empty for nobody and nothing.
select t.id, g.name as tag, coalesce(hold_words(g.id), '')::text as held, coalesce(x.reason, '')::text as trouble_reason, x.since as trouble_since
from tasks t join tags g on g.id = t.waits_tag left join repo_troubles x on x.tag_id = g.id where t.id = any (@ids::bigint[]) and t.state = 'FREE' order by t.id;

-- name: TasksToSchedule :many
-- The tasks of each channel and bin that come next and may begin, where a host
-- with room builds for one of their architectures.
select t.id, t.method, t.channel, t.bin, t.root_arches, t.weight, t.priority
from (select unnest(@channels::text[]) as channel, unnest(@bins::text[]) as bin, unnest(@max_rows::int[]) as max_rows,
             unnest(@arches::text[]) as arches) w
cross join lateral (
    select n.* from tasks n
    where n.state = 'FREE' and n.method in ('buildSRPM', 'buildArch') and n.waits_tag is null and n.channel = w.channel and n.bin = w.bin
      and n.not_before <= now()
      and (n.root_arches = '{}' or n.root_arches && string_to_array(w.arches, ' '))
    order by n.priority, n.id limit w.max_rows
) t
order by t.priority, t.id;

-- name: RefusalsOfTasks :many
select task_id, host_id from task_refusals where task_id = any(@tasks::bigint[]) and until > now();

-- name: RefuseTask :exec
insert into task_refusals (task_id, host_id, until, reason)
values (@task_id, @host_id, now() + make_interval(secs => @seconds::float8), @reason)
on conflict (task_id, host_id) do update set until = excluded.until, reason = excluded.reason;

-- name: LockFreeTasks :many
-- Those of the tasks that wait and that nobody is about to change.
select id, attempt from tasks where id = any(@ids::bigint[]) and state = 'FREE' and waits_tag is null order by id for no key update skip locked;

-- name: AssignTasks :execrows
-- Gives tasks to hosts, each with the job that rings there; 0 is none. A row is
-- written once in the transaction: PostgreSQL would check its foreign keys at
-- the second time, and wait for whoever holds the build or the parent.
update tasks t set state = 'ASSIGNED', attempt = t.attempt + 1, host_id = a.host_id, client_id = a.client_id, root_arch = a.root_arch,
                   assigned_at = now(), started_at = null, phase = '', river_job_id = nullif(a.job_id, 0), token_digest = null, generation_id = null
from (select unnest(@ids::bigint[]) as id, unnest(@host_ids::bigint[]) as host_id, unnest(@client_ids::text[]) as client_id,
             unnest(@root_arches::text[]) as root_arch, unnest(@job_ids::bigint[]) as job_id) a
where t.id = a.id and t.state = 'FREE';

-- name: EnableHost :execrows
update hosts set enabled = @enabled, comment = coalesce(sqlc.narg(comment), comment) where name = @name;

-- name: ListHosts :many
-- Every host with what it takes, and what it works on.
select h.*, host_arches(h.arches, h.arches_set)::text[] as takes_arches, host_channels(h.channels, h.channels_set)::text[] as takes_channels,
       least(h.capacity, h.capacity_set)::real as takes_capacity,
       coalesce(extract(epoch from now() - h.seen_at), 0)::float8 as unseen_seconds,
       (exists (select from host_credentials c where c.host_id = h.id)
        and not exists (select from host_credentials c where c.host_id = h.id and c.revoked_at is null))::boolean as revoked,
       coalesce(w.weight, 0)::real as weight, coalesce(w.tasks, 0)::int as tasks
from hosts h
left join (
    select t.host_id, sum(t.weight) as weight, count(*) as tasks
    from tasks t where t.state in ('ASSIGNED', 'OPEN') and t.host_id is not null group by t.host_id
) w on w.host_id = h.id
order by h.name;
