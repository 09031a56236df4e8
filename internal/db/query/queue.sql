-- name: InsertTask :exec
insert into tasks (parent_id, build_id, method, label, state, weight, river_job_id)
values (sqlc.narg(parent_id), @build_id, @method, @label, 'FREE', @weight, @river_job_id::bigint);

-- name: InsertArchTasks :many
-- Tasks for architectures, and for noarch where arch says so. Each weighs what
-- the package's builds took of late: Koji's 1.5 and a part for the average
-- seconds. They come before the builds that have not begun.
insert into tasks (parent_id, build_id, method, arch, root_arches, bin, label, policy, state, priority, channel, waits_tag, waits_rev, weight)
select p.id, b.id, 'buildArch', a.arch, string_to_array(a.roots, ' '),
       case when a.arch = 'noarch' then 'noarch' else a.roots end, a.label, a.policy, 'FREE', p.priority - 1, p.channel,
       case when repo_lacks(g, b.need_rev) then g.id end, case when repo_lacks(g, b.need_rev) then b.need_rev end,
       sqlc.arg(weight)::real + least(18, coalesce(took.seconds, 0) / 4800)
from tasks p join builds b on b.id = p.build_id join tags g on g.id = b.build_tag,
     (select unnest(@arches::text[]) as arch, unnest(@roots::text[]) as roots, unnest(@labels::text[]) as label,
             unnest(@policies::text[]) as policy) a
left join lateral (
    select avg(extract(epoch from recent.finished_at - recent.started_at))::real as seconds
    from (
        select t.finished_at, t.started_at
        from builds o join tasks t on t.build_id = o.id and t.method = 'buildArch' and t.arch = a.arch and t.state = 'CLOSED'
        where o.package_id = b.package_id and o.id < b.id
        order by o.id desc limit 5
    ) recent
) took on true
where p.id = @parent_id::bigint and b.id = @build_id
returning id, arch;

-- name: BeginTask :one
-- Opens an attempt that the host was given. A host that asks twice, since the
-- answer did not reach it, is answered twice.
update tasks set state = 'OPEN', phase = '', reason = '', token_digest = coalesce(sqlc.narg(token_digest), token_digest),
                 started_at = case when state = 'OPEN' then started_at else now() end
where id = @id and attempt = @attempt and host_id = @host_id and client_id = @client_id::text and state in ('ASSIGNED', 'OPEN')
returning *;

-- name: AttemptOfHost :one
-- The open attempt of a task, if it is the host's.
select * from tasks
where id = @id and attempt = @attempt and host_id = @host_id and client_id = @client_id::text and state = 'OPEN';

-- name: GetTask :one
select * from tasks where id = @id;

-- name: LockTask :one
select * from tasks where id = @id for no key update;

-- name: CompleteJob :execrows
update river_job set state = 'completed', finalized_at = now() where id = @id and state = 'running';

-- name: SetTaskPhase :execrows
update tasks set phase = @phase where id = @id and attempt = @attempt and state = 'OPEN';

-- name: FreeTask :execrows
-- Gives an attempt back: the task waits for a next one, and for the repository
-- where somebody has gone back behind what it needs.
update tasks t set state = 'FREE', reason = @reason, phase = '', host_id = null, client_id = null, river_job_id = null, token_digest = null,
                   failures = t.failures + @failures, not_before = now() + make_interval(secs => @wait_seconds::float8),
                   waits_tag = case when repo_lacks(g, b.need_rev) then g.id end, waits_rev = case when repo_lacks(g, b.need_rev) then b.need_rev end
from builds b join tags g on g.id = b.build_tag
where t.id = @id and t.attempt = @attempt and t.state in ('ASSIGNED', 'OPEN') and b.id = t.build_id;

-- name: FinishTask :execrows
-- Ends an attempt, with the parent locked first; zero rows mean that the attempt
-- was given up meanwhile.
with parent as (
    select p.id from tasks p where p.id = sqlc.narg(parent_id) for no key update
)
update tasks set state = @state, phase = @phase, reason = @reason, failure = @failure, finding = sqlc.narg(finding), finished_at = now()
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
-- The steps that a build's results still wait for.
select count(*) from tasks
where parent_id = @parent_id and state in ('FREE', 'OPEN', 'ASSIGNED')
  and method in ('buildSRPM', 'buildArch') and policy = 'blocking';

-- name: ArchTasksLeft :one
-- How many arch tasks of a build may still have results, or have.
select count(*) from tasks
where build_id = @build_id and method = 'buildArch' and state in ('FREE', 'OPEN', 'ASSIGNED', 'CLOSED');

-- name: PoliciesOfBuild :many
-- The arches of a build that it does not wait for.
select arch, policy from tasks where build_id = @build_id and method = 'buildArch' and policy <> 'blocking';

-- name: LockArchTasks :many
select * from tasks where build_id = @build_id and method = 'buildArch' order by id for no key update;

-- name: ReopenTask :execrows
-- Lets a task that ended without success be worked on again.
update tasks set state = 'FREE', phase = '', reason = '', failure = '', finding = null, finished_at = null, host_id = null, client_id = null, river_job_id = null,
                 token_digest = null, losses = 0, failures = 0, not_before = now()
where id = @id and state in ('FAILED', 'CANCELED');

-- name: RejectTask :execrows
-- Ends a task as failed whose results turned out to be unfit.
update tasks set state = 'FAILED', phase = @phase, reason = @reason, failure = @failure
where id = @id and state = 'CLOSED';

-- name: ReopenReport :many
-- Asks for a status anew after a build's final one; statuses of other builds
-- stay.
update reports set state = 'pending', finer = 'queued', description = @description, detail = null, seq = seq + 1, failures = 0, updated_at = now()
where repository_id = @repository_id and commit_id = @commit_id and context = @context and build_id = @build_id
returning repository_id, commit_id;

-- name: SkipArches :exec
insert into build_skipped_arches (build_id, arch, reason)
select @build_id, unnest(@arches::text[]), unnest(@reasons::text[]) on conflict do nothing;

-- name: SkippedArches :many
select arch, reason from build_skipped_arches where build_id = @build_id order by arch collate "C";

-- name: WarnOfBuild :exec
insert into build_warnings (build_id, text) select @build_id, unnest(@texts::text[]) on conflict do nothing;

-- name: CountWarnings :one
select count(*) from build_warnings where build_id = @build_id;

-- name: WarningsOfBuild :many
select text from build_warnings where build_id = @build_id order by id;

-- name: TasksOfBuild :many
select * from tasks where build_id = @build_id order by id;

-- name: OpenTasksOfBuild :many
select * from tasks where build_id = @build_id and state in ('FREE', 'OPEN', 'ASSIGNED') order by id for no key update;

-- name: RecordAttempt :exec
-- Keeps how an attempt ended that is the task's current one.
insert into task_attempts (task_id, attempt, client_id, host_id, started_at, outcome, finding, generation_id)
select t.id, t.attempt, coalesce(t.client_id, ''), t.host_id, coalesce(t.started_at, now()), @outcome, coalesce(sqlc.narg(finding)::jsonb, t.finding) as finding,
       t.generation_id
from tasks t where t.id = @task_id and t.attempt = @attempt
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
-- row; neither do those of quiet builds. What is said without a build, of a push that became none, is replaced by
-- what is said later. Rows are locked in the order of the arrays.
insert into reports (repository_id, commit_id, context, state, description, target_url, build_id, finer, detail)
select s.* from (
    select unnest(@repository_ids::bigint[]) as repository_id, unnest(@commit_ids::text[]) as commit_id, unnest(@contexts::text[]) as context,
           unnest(@states::text[]) as state, unnest(@descriptions::text[]) as description, unnest(@target_urls::text[]) as target_url,
           unnest(@build_ids::bigint[]) as build_id, unnest(@finer::text[]) as finer, nullif(unnest(@details::text[]), '')::jsonb as detail
) s where not exists (select 1 from builds b where b.id = s.build_id and b.quiet)
on conflict (repository_id, commit_id, context) do update
set state = excluded.state, description = excluded.description, target_url = excluded.target_url,
    build_id = excluded.build_id, finer = excluded.finer, detail = excluded.detail, seq = reports.seq + 1, failures = 0, updated_at = now()
where excluded.build_id > reports.build_id
   or (excluded.build_id = reports.build_id and (reports.state = 'pending' or excluded.build_id = 0 and excluded.state <> 'pending')
       and (reports.state, reports.description, reports.target_url, reports.finer, reports.detail)
           is distinct from (excluded.state, excluded.description, excluded.target_url, excluded.finer, excluded.detail))
returning repository_id, commit_id;

-- name: YieldReports :execrows
-- Makes the pending statuses of a build those of another one that has made the
-- same source package: whole is the context of the build itself, any other one
-- its source package's.
update reports set state = case when context = @whole then @state::text else 'success' end, finer = '', detail = null,
    description = case when context = @whole then @description::text else 'made by build ' || sqlc.arg(owner)::bigint end,
    target_url = @target_url, build_id = sqlc.arg(owner)::bigint, seq = seq + 1, failures = 0, updated_at = now()
where repository_id = @repository_id and commit_id = @commit_id and build_id = @build_id and state = 'pending';

-- name: LockReports :many
-- In one order, so that nobody who wants several waits in a circle.
select id from reports where repository_id = @repository_id and commit_id = @commit_id
order by context collate "C" for update;

-- name: PendingContexts :many
select context from reports
where repository_id = @repository_id and commit_id = @commit_id and build_id = @build_id and state = 'pending'
order by context;

-- name: LockOpenTasks :exec
-- Locks a task and what is left of its children.
select from tasks
where id = @parent_id::bigint or parent_id = @parent_id::bigint and state in ('FREE', 'OPEN', 'ASSIGNED')
order by id for no key update;

-- name: OpenSiblings :many
select * from tasks
where parent_id = @parent_id and id <> @id and state in ('FREE', 'OPEN', 'ASSIGNED')
order by id for no key update;

-- name: SetTaskRoot :execrows
-- Notes what the buildroot of an attempt is made of; no recipe leaves the one
-- there is.
update tasks set recipe = coalesce(sqlc.narg(recipe)::jsonb, recipe), generation_id = sqlc.narg(generation_id)
where id = @id and attempt = @attempt and state = 'OPEN';

-- name: WakeQueue :exec
-- Wakes those who work a queue, by River's own channel and payload. River leaves
-- its notice out when it gave one for the queue a moment ago, though that may
-- have been for another transaction and be over before this one is: the job
-- would lie there until somebody polls.
select pg_notify(concat(current_schema(), '.river_insert'), json_build_object('queue', @queue::text)::text);

-- name: TroubleOfBuild :one
-- The repository that tasks of a build wait for and that can't be made.
select g.name, x.reason from tasks t join repo_troubles x on x.tag_id = t.waits_tag join tags g on g.id = t.waits_tag
where t.build_id = @build_id and t.state = 'FREE' limit 1;
