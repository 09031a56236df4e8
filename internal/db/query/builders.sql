-- name: GetBuild :one
select b.*, p.name as package, r.forge, r.forge_repo_id, r.full_name, r.clone_url,
       bt.name as build_tag_name, bt.arches as build_tag_arches, bt.extra as build_tag_extra, bt.built_rev as build_tag_built_rev,
       bt.config_rev as build_tag_config_rev, dt.name as dest_tag_name
from builds b
join packages p on p.id = b.package_id
join repositories r on r.id = b.repository_id
join tags bt on bt.id = b.build_tag
join tags dt on dt.id = b.dest_tag
where b.id = @id;

-- name: BuildOfTask :one
-- GetBuild of a task's build.
select b.*, p.name as package, r.forge, r.forge_repo_id, r.full_name, r.clone_url,
       bt.name as build_tag_name, bt.arches as build_tag_arches, bt.extra as build_tag_extra, bt.built_rev as build_tag_built_rev,
       bt.config_rev as build_tag_config_rev, dt.name as dest_tag_name
from builds b
join packages p on p.id = b.package_id
join repositories r on r.id = b.repository_id
join tags bt on bt.id = b.build_tag
join tags dt on dt.id = b.dest_tag
where b.id = (select t.build_id from tasks t where t.id = @task_id);

-- name: LockBuild :one
select id, state, task_id, scratch, nvr from builds where id = @id for no key update;

-- name: ClaimNVR :execrows
-- Names the build; fails on the unique index when the NVR is taken.
update builds set nvr = @nvr, epoch = @epoch, version = @version, release = @release
where id = @id and state = 'BUILDING';

-- name: BuildByNVR :one
select id, state, scratch from builds
where nvr = @nvr and not scratch and state in ('BUILDING', 'COMPLETE', 'DELETED');

-- name: FinishBuild :execrows
update builds set state = @state, reason = @reason, phase = @phase, finished_at = now()
where id = @id and state = 'BUILDING';


-- name: LatestGeneration :one
select * from repo_generations where tag_id = @tag_id and state = 'published' order by number desc limit 1;

-- name: BuildrootOfTask :one
select * from buildroots where task_id = @task_id order by attempt desc limit 1;

-- name: GenerationsOfBuild :many
-- The generations of its build tag that the buildroots of a build were made of,
-- by task: the current attempt's, or that of the task whose results it has. event
-- is 0 where none is known, until_event is that of the change after which the tag
-- was another: 0 while none is, or where somebody went back to what the
-- generation holds.
select t.id as task_id, g.id, g.number, g.state, tag.name as tag, g.published_at, coalesce(g.event, 0)::bigint as event,
       coalesce(case when g.rollback_of is null then event_after(g.tag_id, g.rev) end, 0)::bigint as until_event,
       coalesce(back.number, 0)::bigint as rollback_of, g.actor, g.reason
from tasks t join tasks o on o.id = coalesce(t.copy_of, t.id)
join repo_generations g on g.id = o.generation_id join tags tag on tag.id = g.tag_id
left join repo_generations back on back.id = g.rollback_of
where t.build_id = @build_id order by t.id;

-- name: BuildrootRPMs :many
select nevra, digest from buildroot_rpms where buildroot_id = @buildroot_id order by nevra;

-- name: RecordResults :exec
-- Records the packages an attempt made and the buildroot it made them in.
with root as (
    insert into buildroots (task_id, attempt, tag, arch, repo_key, driver, recipe, generation_id)
    values (@task_id, @attempt, @tag, @root_arch, @repo_key, @driver, @recipe,
            (select generation_id from tasks where id = @task_id and attempt = @attempt))
    returning id
), installed as (
    insert into buildroot_rpms (buildroot_id, nevra, digest, repo, sha256)
    select root.id, i.nevra, i.digest, i.repo, i.sha256
    from root, (select unnest(@nevras::text[]) as nevra, unnest(@digests::text[]) as digest,
                       unnest(@repos::text[]) as repo, unnest(@repo_sha256s::text[]) as sha256) i
    on conflict do nothing
)
insert into task_artifacts (task_id, attempt, name, kind, sha256, size, arch, epoch, rpm_name, version, release, build_time)
select @task_id, @attempt, unnest(@names::text[]), unnest(@kinds::text[]), unnest(@sha256s::text[]), unnest(@sizes::bigint[]),
       unnest(@arches::text[]), unnest(@epochs::int[]), unnest(@rpm_names::text[]), unnest(@versions::text[]),
       unnest(@releases::text[]), unnest(@build_times::bigint[]);

-- name: ArtifactsOfBuild :many
select a.*, t.method, t.arch as task_arch, t.policy, t.imported_at, coalesce(r.id, 0)::bigint as buildroot_id
from task_artifacts a join tasks t on t.id = a.task_id and t.attempt = a.attempt
left join tasks o on o.id = coalesce(t.copy_of, t.id)
left join buildroots r on r.task_id = o.id and r.attempt = o.attempt
where t.build_id = @build_id and t.state = 'CLOSED' order by t.id, a.name;

-- name: SRPMOfBuild :one
select a.* from task_artifacts a join tasks t on t.id = a.task_id and t.attempt = a.attempt
where t.build_id = @build_id and t.method = 'buildSRPM' and t.state = 'CLOSED' and a.kind = 'srpm';

-- name: InsertRPMs :exec
-- Buildroot 0 is none.
insert into rpms (build_id, buildroot_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
select @build_id, nullif(unnest(@buildroot_ids::bigint[]), 0), unnest(@names::text[]), unnest(@epochs::int[]), unnest(@versions::text[]),
       unnest(@releases::text[]), unnest(@arches::text[]), unnest(@sources::boolean[]), unnest(@sha256s::text[]),
       unnest(@sizes::bigint[]), unnest(@build_times::bigint[]), unnest(@paths::text[])
on conflict (build_id, name, version, release, arch, source) do nothing;

-- name: PolicyOfTarget :one
-- What a target says of architectures now; the target may be gone.
select lagging, best_effort, noarch_content from build_targets where name = @name and revoke_event is null;

-- name: SetNoarchContent :exec
update builds set noarch_content = @noarch_content where id = @id;

-- name: MarkImported :exec
update tasks set imported_at = now() where id = any (@ids::bigint[]);

-- name: LockRPMNames :exec
-- Held until the end of the transaction from before TakenRPM is asked: of two
-- imports at once neither would see the other's packages.
select pg_advisory_xact_lock(7234017283807667301);

-- name: TakenRPM :one
-- A package of a build that another build of the distribution has too.
select o.name, o.epoch, o.version, o.release, o.arch, o.build_id, b.nvr
from rpms r
join rpms o on o.name = r.name and o.version = r.version and o.release = r.release and o.arch = r.arch and o.build_id <> r.build_id
join builds b on b.id = o.build_id and b.state = 'COMPLETE' and not b.scratch
where r.build_id = @build_id
order by o.id limit 1;

-- name: RPMsOfBuild :many
select * from rpms where build_id = @build_id order by source desc, arch, name;

-- name: RetryableBuild :one
-- What another build like this one begins with; priority and channel are those
-- of its root task.
select b.id, b.package_id, b.repository_id, b.target, b.build_tag, b.dest_tag, b.scratch, b.ref, b.commit_id, b.committed_at, b.pull_number,
       b.spec, b.planned_nvr, b.state, b.arch_override, b.quiet, root.priority, root.channel
from builds b join tasks root on root.id = b.task_id
where b.id = @id for no key update of b;

-- name: NewestBuildByNVR :one
-- A scratch build only where there is no other.
select id from builds where nvr = @nvr order by scratch, id desc limit 1;

-- name: BegunAttempt :one
-- Whose attempt of a task has begun, and how the one before it ended.
select h.name as host, coalesce((
    select a.outcome from task_attempts a where a.task_id = t.id and a.attempt < t.attempt order by a.attempt desc limit 1), '')::text as before
from tasks t join hosts h on h.id = t.host_id where t.id = @id;
