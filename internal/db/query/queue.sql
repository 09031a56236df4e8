-- name: InsertTask :one
insert into tasks (parent_id, build_id, method, label, state, weight)
values (sqlc.narg(parent_id), @build_id, @method, @label, 'FREE', @weight)
returning id;

-- name: InsertArchTasks :many
insert into tasks (parent_id, build_id, method, arch, root_arch, label, state, weight)
select @parent_id::bigint, @build_id, 'buildArch', unnest(@arches::text[]), unnest(@root_arches::text[]), unnest(@labels::text[]), 'FREE', @weight
returning id, arch;

-- name: ClaimTask :one
-- Starts the next attempt unless the task is over, or was given to another job:
-- a worker that slept while its job was retired must not take it back.
update tasks set state = 'OPEN', attempt = attempt + 1, client_id = @client_id, river_job_id = @river_job_id,
                 started_at = now(), phase = '', reason = ''
where id = @id and state in ('FREE', 'ASSIGNED', 'OPEN') and tasks.river_job_id = @river_job_id
returning *;

-- name: GetTask :one
select * from tasks where id = @id;

-- name: LockTask :one
select * from tasks where id = @id for update;

-- name: SetTaskJobs :exec
-- Ties tasks to the jobs that work on them.
update tasks set river_job_id = j.job_id
from (select unnest(@ids::bigint[]) as id, unnest(@job_ids::bigint[]) as job_id) j
where tasks.id = j.id;

-- name: CompleteJob :execrows
update river_job set state = 'completed', finalized_at = now() where id = @id and state = 'running';

-- name: SetTaskPhase :execrows
update tasks set phase = @phase where id = @id and attempt = @attempt and state = 'OPEN';

-- name: FreeTask :execrows
-- Gives an attempt back without an outcome: the task waits for a next one.
update tasks set state = 'FREE', reason = @reason
where id = @id and attempt = @attempt and state = 'OPEN';

-- name: FinishTask :execrows
-- Ends an attempt, with the parent locked first; zero rows mean that the attempt
-- was given up meanwhile.
with parent as (
    select p.id from tasks p where p.id = sqlc.narg(parent_id) for update
)
update tasks set state = @state, phase = @phase, reason = @reason, failure = @failure, finished_at = now()
where tasks.id = @id and tasks.attempt = @attempt and tasks.state = 'OPEN'
  and (tasks.parent_id is null or exists (select 1 from parent));

-- name: EndTask :execrows
-- Ends a task that nobody works on, whatever its attempt.
update tasks set state = @state, reason = @reason, finished_at = now()
where id = @id and state in ('FREE', 'ASSIGNED', 'OPEN');

-- name: EndTagTask :exec
-- Ends the task that tags a build.
update tasks set state = @state, reason = @reason, finished_at = now()
where build_id = @build_id and method = 'tagBuild' and state in ('FREE', 'ASSIGNED', 'OPEN');

-- name: UnfinishedChildren :one
select count(*) from tasks where parent_id = @parent_id and state in ('FREE', 'OPEN', 'ASSIGNED');

-- name: TasksOfBuild :many
select * from tasks where build_id = @build_id order by id;

-- name: OpenTasksOfBuild :many
select * from tasks where build_id = @build_id and state in ('FREE', 'OPEN', 'ASSIGNED') order by id for update;

-- name: RecordAttempt :exec
insert into task_attempts (task_id, attempt, client_id, started_at, outcome)
values (@task_id, @attempt, @client_id, @started_at, @outcome)
on conflict (task_id, attempt) do nothing;

-- name: AttemptsOfTask :many
select * from task_attempts where task_id = @task_id order by attempt;

-- name: RegisterLease :exec
insert into leases (client_id, host, boot_id, pid_namespace, pid, pid_start, roles, arches)
values (@client_id, @host, @boot_id, @pid_namespace, @pid, @pid_start, @roles, @arches);

-- name: RenewLease :execrows
update leases set seen_at = now() where client_id = @client_id;

-- name: DropLease :exec
delete from leases where client_id = @client_id;

-- name: ListLeases :many
select *, extract(epoch from now() - seen_at)::float8 as unseen_seconds from leases order by started_at;

-- name: RunningJobsOf :many
-- River rows whose newest attempt belongs to the client.
select id, kind, queue, args, metadata, priority, max_attempts
from river_job
where state = 'running' and attempted_by[array_upper(attempted_by, 1)] = @client_id::text
order by id;

-- name: OrphanedClients :many
-- Clients that hold running jobs without a lease.
select distinct attempted_by[array_upper(attempted_by, 1)]::text as client_id
from river_job
where state = 'running' and attempted_at < now() - interval '10 seconds'
  and not exists (select 1 from leases l where l.client_id = attempted_by[array_upper(attempted_by, 1)]);

-- name: RetireJob :execrows
-- Ends the row of a lost job for good, so that the worker that was given up
-- can't complete its successor (River does not fence attempts).
update river_job set state = 'discarded', finalized_at = now(),
    errors = array_append(errors, jsonb_build_object('at', now(), 'attempt', greatest(attempt, 1),
        'error', @reason::text, 'trace', ''))
where id = @id and state = 'running';

-- name: DropLeader :exec
-- Lets the living elect a new leader at once.
delete from river_leader where leader_id = @client_id;

-- name: ReapLock :one
select pg_try_advisory_xact_lock(7234017283807667300);

-- name: WantReports :many
-- Asks for statuses, no two of the same context. Those of an older build, and
-- anything but the same build's first final state, change nothing and return no
-- row. What is said without a build, of a push that became none, is replaced by
-- what is said later. Rows are locked in the order of the arrays.
insert into reports (repository_id, commit_id, context, state, description, target_url, build_id)
select unnest(@repository_ids::bigint[]), unnest(@commit_ids::text[]), unnest(@contexts::text[]), unnest(@states::text[]),
       unnest(@descriptions::text[]), unnest(@target_urls::text[]), unnest(@build_ids::bigint[])
on conflict (repository_id, commit_id, context) do update
set state = excluded.state, description = excluded.description, target_url = excluded.target_url,
    build_id = excluded.build_id, seq = reports.seq + 1, failures = 0, updated_at = now()
where excluded.build_id > reports.build_id
   or (excluded.build_id = reports.build_id and (reports.state = 'pending' or excluded.build_id = 0 and excluded.state <> 'pending')
       and (reports.state, reports.description, reports.target_url)
           is distinct from (excluded.state, excluded.description, excluded.target_url))
returning repository_id, commit_id;

-- name: LockReports :many
-- In one order, so that nobody who wants several waits in a circle.
select id from reports where repository_id = @repository_id and commit_id = @commit_id
order by context collate "C" for update;

-- name: LoseAttempt :execrows
-- Takes a task away from its worker and ties it to the job that does it again.
update tasks set state = 'FREE', river_job_id = @river_job_id, phase = '',
    reason = 'starts again: the process that worked on it died'
where id = @id and state in ('FREE', 'ASSIGNED', 'OPEN');

-- name: PendingContexts :many
select context from reports
where repository_id = @repository_id and commit_id = @commit_id and build_id = @build_id and state = 'pending'
order by context;

-- name: OpenSiblings :many
select * from tasks
where parent_id = @parent_id and id <> @id and state in ('FREE', 'OPEN', 'ASSIGNED')
order by id for update;
