-- name: InsertChain :one
insert into chains (target, build_tag, dest_tag, scratch, arches, priority, wait_repo, owner)
values (@target, @build_tag, @dest_tag, @scratch, @arches, @priority, @wait_repo, @owner)
returning id;

-- name: InsertChainBuilds :exec
insert into chain_builds (chain_id, group_number, position, asked)
select @chain_id, unnest(@group_numbers::int[]), unnest(@positions::int[]), unnest(@asked::text[]);

-- name: GetChain :one
select c.*, bt.name as build_tag_name, bt.extra as build_tag_extra, dt.name as dest_tag_name
from chains c join tags bt on bt.id = c.build_tag join tags dt on dt.id = c.dest_tag
where c.id = @id;

-- name: LockChain :one
select * from chains where id = @id for update;

-- name: LockBuildsOfChain :exec
-- Locks what a chain has begun, and what is left of its tasks.
with locked as materialized (
    select b.id from builds b where b.id in (select cb.build_id from chain_builds cb where cb.chain_id = @chain_id)
    order by b.id for no key update
)
select from tasks t where t.build_id in (select id from locked) and t.state in ('FREE', 'OPEN', 'ASSIGNED')
order by t.id for no key update of t;

-- name: ChainBuilds :many
-- The builds of a chain with how far each is: in_build_repo and in_dest_repo
-- say that the published repositories hold it, or a newer one; *_kept whose the
-- repository is and who holds it, why it can't be made or why it leaves the build
-- out, empty where nothing keeps it.
select cb.group_number, cb.position, cb.asked, cb.repository_id, cb.package_id, cb.ref, cb.commit_id, cb.committed_at, cb.spec,
       cb.planned_nvr, cb.build_id, b.nvr, coalesce(b.state, '')::text as build_state, coalesce(b.reason, '')::text as build_reason,
       coalesce(root.state, '')::text as task_state,
       (b.tagged_rev is not null)::boolean as tagged,
       (coalesce(bt.built_rev >= b.build_tag_rev, false) and bl.build_id is null)::boolean as in_build_repo,
       (coalesce(dt.built_rev >= b.tagged_rev, false) and dl.build_id is null)::boolean as in_dest_repo,
       coalesce(bt.name || ' is ' || hold_words(bt.id), bt.name || ' can''t be made: ' || bx.reason, bt.name || ' leaves out ' || b.nvr || ': ' || bl.reason, '')::text as build_repo_kept,
       coalesce(dt.name || ' is ' || hold_words(dt.id), dt.name || ' can''t be made: ' || dx.reason, dt.name || ' leaves out ' || b.nvr || ': ' || dl.reason, '')::text as dest_repo_kept
from chain_builds cb
left join builds b on b.id = cb.build_id
left join tasks root on root.id = b.task_id
left join tags bt on bt.id = b.build_tag
left join tags dt on dt.id = b.dest_tag
left join repo_troubles bx on bx.tag_id = b.build_tag
left join repo_troubles dx on dx.tag_id = b.dest_tag
left join left_out_builds bl on bl.tag_id = b.build_tag and bl.build_id = b.id
left join left_out_builds dl on dl.tag_id = b.dest_tag and dl.build_id = b.id
where cb.chain_id = @chain_id
order by cb.group_number, cb.position;

-- name: ResolveChainBuild :exec
update chain_builds set repository_id = @repository_id, package_id = @package_id, ref = @ref, commit_id = @commit_id,
    committed_at = @committed_at, spec = @spec, planned_nvr = @planned_nvr
where chain_id = @chain_id and group_number = @group_number and position = @position;

-- name: SetChainBuild :exec
update chain_builds set build_id = @build_id
where chain_id = @chain_id and group_number = @group_number and position = @position;

-- name: SetChainGroup :exec
update chains set state = 'OPEN', current_group = @current_group, reason = @reason where id = @id;

-- name: SetChainReason :exec
update chains set reason = @reason where id = @id and reason <> @reason;

-- name: EndChain :execrows
update chains set state = @state, reason = @reason, finished_at = now() where id = @id and state in ('FREE', 'OPEN');

-- name: ListChains :many
select c.id, c.target, c.scratch, c.owner, c.state, c.reason, c.current_group, c.created_at, c.finished_at,
       (select max(group_number) from chain_builds where chain_id = c.id)::int as groups,
       (select string_agg(asked, ' ' order by group_number, position) from chain_builds where chain_id = c.id)::text as asked
from chains c
where (sqlc.narg(state)::text is null or c.state = sqlc.narg(state))
  and (sqlc.narg(before_id)::bigint is null or c.id < sqlc.narg(before_id))
order by c.id desc limit @max_rows;

-- name: ChainOfBuild :one
select chain_id from chain_builds where build_id = @build_id;

-- name: FollowersOfBuild :many
-- Who goes on when a build has ended or is tagged: a chain or a rebuild.
select 'chain'::text as kind, cb.chain_id as id from chain_builds cb where cb.build_id = @build_id
union all
select 'rebuild', r.id from rebuilds r where r.build_id = @build_id;

-- name: ChainsOfTag :many
-- Chains that may wait for the repository of a tag.
select id from chains where state = 'OPEN' and (build_tag = @tag_id or dest_tag = @tag_id) order by id;

-- name: Notify :exec
select pg_notify(@channel, @payload);

-- name: HubAlive :one
-- Whether a process renews its lease that works what is enqueued for hubs.
select exists (select 1 from leases where 'hub' = any (roles) and seen_at > now() - interval '20 seconds');

-- name: TargetInUse :one
select t.id, t.name, t.build_tag, t.dest_tag, b.name as build_tag_name, d.name as dest_tag_name, b.arches as build_tag_arches, t.branches
from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
where t.revoke_event is null and t.name = @name;

-- name: BranchesOfTags :many
-- The branches of targets that build with one of these tags or go there, those
-- of the earlier tags first.
select distinct on (x.position, t.name) x.position::bigint as position, t.name, t.branches
from unnest(@tags::bigint[]) with ordinality as x (tag_id, position)
join build_targets t on t.build_tag = x.tag_id or t.dest_tag = x.tag_id
where t.revoke_event is null and cardinality(t.branches) > 0
order by x.position, t.name;

-- name: RepositoriesNamed :many
-- Repositories of a full name, or of a package's name in any folder.
select * from repositories
where (sqlc.narg(forge)::text is null or forge = sqlc.narg(forge))
  and (full_name = @name or (position('/' in @name) = 0 and right(full_name, length(@name) + 1) = '/' || @name and full_name not like 'modules/%'))
order by forge, full_name;

-- name: InsertResumedBuild :one
-- Begins a build of the commit of another one with what that one has finished:
-- the source package and the architectures whose tasks are closed are copied,
-- each with the task that made it.
with root as (
    select nextval(pg_get_serial_sequence('tasks', 'id')) as id
), build as (
    insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, pull_number, spec,
                        need_rev, planned_nvr, epoch, version, release, nvr, retry_of, rebuild_of, quiet, arch_override, noarch_content, task_id)
    select o.package_id, o.repository_id, o.target, o.build_tag, o.dest_tag, o.scratch or sqlc.narg(rebuild_of)::bigint is not null, o.ref, o.commit_id,
           o.committed_at, o.pull_number, o.spec,
           case when sqlc.narg(rebuild_of)::bigint is null then (select rev_to_build_with(t.id, t.want_rev) from tags t where t.id = o.build_tag) else 0 end,
           o.planned_nvr, o.epoch, o.version, o.release, o.nvr, sqlc.narg(retry_of), sqlc.narg(rebuild_of),
           o.quiet or sqlc.narg(rebuild_of)::bigint is not null, o.arch_override, o.noarch_content, root.id
    from builds o, root where o.id = @old_build
    returning id, task_id, planned_nvr
), root_task as (
    insert into tasks (id, build_id, method, label, state, weight, attempt, started_at, priority, channel) overriding system value
    select b.task_id, b.id, 'build', b.planned_nvr, 'OPEN', 0, 1, now(), t.priority, t.channel
    from build b, builds o join tasks t on t.id = o.task_id where o.id = @old_build
    returning priority
), skipped as (
    insert into build_skipped_arches (build_id, arch, reason)
    select b.id, k.arch, k.reason from build b, build_skipped_arches k where k.build_id = @old_build
), copied as (
    insert into tasks (parent_id, build_id, method, arch, root_arch, root_arches, bin, policy, label, state, weight, attempt, reason, started_at, finished_at, copy_of)
    select b.task_id, b.id, t.method, t.arch, t.root_arch, t.root_arches, t.bin, t.policy, t.label, 'CLOSED', 0, 1, @reason, t.started_at, t.finished_at, coalesce(t.copy_of, t.id)
    from tasks t, build b
    where t.build_id = @old_build and t.state = 'CLOSED' and t.method = any (@methods::text[])
    order by t.id
    returning id, method, arch
), results as (
    insert into task_artifacts (task_id, attempt, name, kind, sha256, size, arch, epoch, rpm_name, version, release, build_time)
    select c.id, 1, a.name, a.kind, a.sha256, a.size, a.arch, a.epoch, a.rpm_name, a.version, a.release, a.build_time
    from copied c join tasks t on t.build_id = @old_build and t.method = c.method and t.arch = c.arch
    join task_artifacts a on a.task_id = t.id and a.attempt = t.attempt
)
select id as build_id, task_id from build;

-- name: InsertRebuild :one
insert into rebuilds (original_id, arches, owner) values (@original_id, @arches, @owner) returning id;

-- name: GetRebuild :one
select * from rebuilds where id = @id;

-- name: LockRebuild :one
select * from rebuilds where id = @id for update;

-- name: BeginRebuild :exec
update rebuilds set state = 'OPEN', build_id = @build_id where id = @id;

-- name: EndRebuild :execrows
update rebuilds set state = @state, verdict = @verdict, reason = @reason, result = sqlc.narg(result), finished_at = now()
where id = @id and state in ('FREE', 'OPEN');

-- name: RebuildsOfBuild :many
-- The newest first.
select * from rebuilds where original_id = @original_id order by id desc limit @max_rows;

-- name: EndedRebuilds :many
-- Which of these rebuilds need their repositories no more.
select id from rebuilds where id = any (@ids::bigint[]) and state in ('CLOSED', 'FAILED');

-- name: RebuildOfScratch :one
-- The rebuild that a build belongs to.
select id from rebuilds where build_id = @build_id;

-- name: BuildrootsForArches :many
-- The buildroots of the tasks of a build for architectures: of the task that
-- made the results, should they be copies.
select t.id as task_id, t.arch, t.root_arch, t.label, t.method, br.id as buildroot_id, br.tag, br.arch as buildroot_arch, br.driver, br.recipe,
       (select count(*) from buildroot_rpms where buildroot_id = br.id) as packages
from tasks t join tasks o on o.id = coalesce(t.copy_of, t.id)
join buildroots br on br.task_id = o.id and br.attempt = o.attempt
where t.build_id = @build_id and t.method in ('buildArch', 'buildSRPM') and t.state = 'CLOSED'
order by t.id;

-- name: BuildrootContent :many
select nevra, digest, repo, sha256 from buildroot_rpms where buildroot_id = @buildroot_id order by nevra;

-- name: OwnPackages :many
-- Packages of ours by name, tagged or not: which of them is meant, their
-- headers' digests tell.
select distinct on (r.name, r.version, r.release, r.arch, r.sha256) r.name, r.epoch, r.version, r.release, r.arch, r.sha256, r.size, r.build_time
from (select unnest(@names::text[]) as name, unnest(@versions::text[]) as version, unnest(@releases::text[]) as release, unnest(@arches::text[]) as arch) x
join rpms r on r.name = x.name and r.version = x.version and r.release = x.release and r.arch = x.arch and not r.source
order by r.name, r.version, r.release, r.arch, r.sha256, r.id;

-- name: PackagesOfTasks :many
-- The packages that the tasks of a build made, by architecture of the task.
select t.arch as task_arch, a.name, a.sha256, a.size
from tasks t join task_artifacts a on a.task_id = t.id and a.attempt = t.attempt
where t.build_id = @build_id and t.method = 'buildArch' and t.state = 'CLOSED' and a.kind = 'rpm'
order by t.id, a.name;

-- name: SideTags :many
-- Side tags, with the base each inherits from and who made it.
select t.id, t.name, coalesce(p.name, '')::text as base, u.name as owner, e.at as created_at,
       (select count(*) from tag_builds tb where tb.tag_id = t.id and tb.revoke_event is null) as builds
from tags t
join tag_extra x on x.tag_id = t.id and x.key = 'sidetag' and x.revoke_event is null and x.value = 'true'
join tag_extra o on o.tag_id = t.id and o.key = 'sidetag_user_id' and o.revoke_event is null
join users u on u.id::text = o.value
join events e on e.id = t.create_event
left join tag_inheritance i on i.tag_id = t.id and i.revoke_event is null and i.priority = 0
left join tags p on p.id = i.parent_id
where t.revoke_event is null
order by t.id;

-- name: RootOfTask :one
-- The newest buildroot of a task, or of the task whose results it has.
select br.id as buildroot_id, t.arch, t.build_id, t.method from tasks t join tasks o on o.id = coalesce(t.copy_of, t.id)
join buildroots br on br.task_id = o.id
where t.id = @task_id order by br.attempt desc limit 1;

-- name: StandingBuildOf :one
-- The build that a commit has for a target, made or in the making.
select b.id, b.nvr, b.state from builds b join repositories r on r.id = b.repository_id
where r.forge = @forge and r.forge_repo_id = @forge_repo_id and b.commit_id = @commit_id and b.target = @target
  and b.state in ('BUILDING', 'COMPLETE') and not b.scratch
order by b.state desc, b.id desc limit 1;

-- name: StandingBuild :one
-- Another build that the commit of a build has for its target; none beside a
-- scratch build.
select o.id, o.nvr, o.state, o.target
from builds b join builds o on o.repository_id = b.repository_id and o.commit_id = b.commit_id and o.target = b.target and o.id <> b.id
where b.id = @id and not b.scratch and not o.scratch and o.state in ('BUILDING', 'COMPLETE')
order by o.state desc, o.id desc limit 1;

-- name: OwnerOfBuild :one
-- Who asked for a build by hand; empty for one that a push or nobody known asked
-- for.
select coalesce(
    (select c.owner from chain_builds cb join chains c on c.id = cb.chain_id where cb.build_id = b.id limit 1),
    (select r.owner from rebuilds r where r.build_id = b.id limit 1), '')::text as owner
from builds b where b.id = @id;
