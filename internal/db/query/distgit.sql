-- name: FinishDelivery :execrows
update deliveries set state = @state, reason = @reason, finished_at = now()
where id = @id and state = 'received';

-- name: UpsertRepository :one
insert into repositories (forge, forge_repo_id, full_name, clone_url, default_branch)
values (@forge, @forge_repo_id, @full_name, @clone_url, @default_branch)
on conflict (forge, forge_repo_id) do update
set full_name = excluded.full_name, clone_url = excluded.clone_url,
    default_branch = case when excluded.default_branch = '' then repositories.default_branch else excluded.default_branch end
returning *;

-- name: GetRepository :one
select * from repositories where id = @id;

-- name: ListRepositories :many
select * from repositories order by forge, full_name;

-- name: TargetsForBranch :many
select t.id, t.name, t.build_tag, t.dest_tag, b.name as build_tag_name, d.name as dest_tag_name, b.extra as build_tag_extra
from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
where t.revoke_event is null and @branch::text = any (t.branches)
order by t.name;

-- name: KnownBranches :many
select distinct unnest(branches)::text as branch from build_targets where revoke_event is null order by 1;

-- name: IgnoredBranchGlobs :many
select glob from ignored_branches order by glob;

-- name: InsertPlannedPush :one
-- Returns no row when the same commit was planned for the target before.
insert into planned_pushes (repository_id, ref, commit_id, target, delivery_id, outcome, reason)
values (@repository_id, @ref, @commit_id, @target, sqlc.narg(delivery_id), @outcome, @reason)
on conflict (repository_id, ref, commit_id, target) do nothing
returning id;

-- name: JudgePushAgain :one
-- Replaces a refusal by another verdict. Returns no row when the same was
-- refused for the same reason, or when the push was not refused.
update planned_pushes set outcome = @outcome, reason = @reason, delivery_id = coalesce(sqlc.narg(delivery_id), delivery_id), planned_at = now()
where repository_id = @repository_id and ref = @ref and commit_id = @commit_id and target = @target
  and outcome = 'refused' and (outcome, reason) is distinct from (@outcome, @reason)
returning id;

-- name: PlannedPush :one
select * from planned_pushes
where repository_id = @repository_id and ref = @ref and commit_id = @commit_id and target = @target;

-- name: SetPlannedPushBuild :exec
update planned_pushes set build_id = @build_id, delivery_id = coalesce(sqlc.narg(delivery_id), delivery_id) where id = @id;

-- name: PlannedNewerHead :one
-- Whether a later delivery brought another head of the same pull request.
select exists (select 1 from planned_pushes
               where repository_id = @repository_id and ref = @ref and target = @target
               and commit_id <> @commit_id and delivery_id > @delivery_id::bigint);

-- name: HasPlannedPush :one
select exists (select 1 from planned_pushes
               where repository_id = @repository_id and ref = @ref and commit_id = @commit_id);

-- name: UpsertPackage :one
insert into packages (name) values (@name)
on conflict (name) do update set name = excluded.name
returning id;

-- name: InsertBuild :one
-- Begins a build with its root task, which is open as long as its children
-- work and weighs nothing, and the task of its source package. Build and root
-- task name each other.
with root as (
    select nextval(pg_get_serial_sequence('tasks', 'id')) as id
), build as (
    insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at,
                        pull_number, spec, need_rev, planned_nvr, retry_of, arch_override, quiet, task_id)
    select @package_id, @repository_id, @target, g.id, @dest_tag, @scratch, @ref, @commit_id, @committed_at,
           sqlc.narg(pull_number), @spec,
           -- With a lag what was tagged less than it ago need not be seen.
           rev_to_build_with(g.id, least(g.want_rev, greatest(1, coalesce((select min(r.rev) - 1 from tag_revs r where r.tag_id = g.id
               and r.at > clock_timestamp() - make_interval(secs => (select bt.repo_lag_seconds from build_targets bt
                   where bt.name = @target and bt.revoke_event is null and bt.repo_lag_seconds > 0))), g.want_rev)))),
           @planned_nvr, sqlc.narg(retry_of), @arch_override, @quiet, root.id
    from root, tags g where g.id = @build_tag
    returning id, task_id, planned_nvr, spec, build_tag, need_rev
), root_task as (
    insert into tasks (id, build_id, method, label, state, weight, attempt, started_at, priority, channel) overriding system value
    select task_id, id, 'build', planned_nvr, 'OPEN', 0, 1, now(), sqlc.arg(priority)::int, sqlc.arg(channel)::text from build
)
insert into tasks (parent_id, build_id, method, label, state, weight, priority, channel, root_arches, waits_tag, waits_rev)
select b.task_id, b.id, 'buildSRPM', b.spec, 'FREE', @srpm_weight, sqlc.arg(priority)::int - 1, sqlc.arg(channel)::text, g.arches,
       case when repo_lacks(g, b.need_rev) then g.id end, case when repo_lacks(g, b.need_rev) then b.need_rev end
from build b join tags g on g.id = b.build_tag
returning build_id, id as srpm_task;

-- name: OlderPullRequestBuilds :many
-- Builds of the same pull request and target that a newer head makes moot.
select id from builds
where repository_id = @repository_id and pull_number = @pull_number and target = @target
  and scratch and commit_id <> @commit_id
  and (state = 'BUILDING'
       or state = 'COMPLETE' and exists (select 1 from tasks t where t.build_id = builds.id and t.method = 'buildArch' and t.state in ('FREE', 'OPEN', 'ASSIGNED')))
order by id;

-- name: LockPullRequestBuilds :many
-- All that a newer head may end, in one order and before anything else of them.
select id from builds
where repository_id = @repository_id and pull_number = @pull_number and scratch
  and (state = 'BUILDING'
       or state = 'COMPLETE' and exists (select 1 from tasks t where t.build_id = builds.id and t.method = 'buildArch' and t.state in ('FREE', 'OPEN', 'ASSIGNED')))
order by id for no key update;

-- name: PlannedBranches :many
-- The branches of a repository that something was planned for.
select distinct ref from planned_pushes where repository_id = @repository_id and ref like 'refs/heads/%' order by ref;
