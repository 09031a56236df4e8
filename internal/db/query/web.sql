-- name: ListBuilds :many
select b.id, b.nvr, b.planned_nvr, b.state, b.reason, b.phase, b.target, b.scratch, b.commit_id, b.ref, b.pull_number,
       b.created_at, b.finished_at, b.published_at, p.name as package, r.full_name, r.forge, dt.name as dest_tag_name
from builds b
join packages p on p.id = b.package_id
join repositories r on r.id = b.repository_id
join tags dt on dt.id = b.dest_tag
where (sqlc.narg(package)::text is null or p.name = sqlc.narg(package))
  and (sqlc.narg(state)::text is null or b.state = sqlc.narg(state))
  and (sqlc.narg(target)::text is null or b.target = sqlc.narg(target))
  and (sqlc.narg(before_id)::bigint is null or b.id < sqlc.narg(before_id))
order by b.id desc limit @max_rows;

-- name: CountBuildsByState :many
select state, count(*) from builds group by state order by state;

-- name: GenerationRPMs :many
select r.*, g.arch as repo_arch, b.nvr from generation_rpms g join rpms r on r.id = g.rpm_id join builds b on b.id = r.build_id
where g.generation_id = @generation_id order by r.name, r.arch, r.id;

-- name: ReposOverview :many
-- The repositories of all tags, or of one, with who holds them and why they
-- can't be made.
select t.id, t.name, t.arches, t.want_rev, t.built_rev,
       coalesce(g.number, 0)::bigint as generation, coalesce(g.packages, 0)::int as packages, g.published_at,
       coalesce(hg.number, 0)::bigint as held_generation, coalesce(h.actor, '')::text as held_by, coalesce(h.reason, '')::text as held_why, h.at as held_at,
       coalesce(x.kind, '')::text as trouble_kind, coalesce(x.reason, '')::text as trouble_reason, x.problems as trouble_problems,
       x.since as trouble_since, x.at as trouble_at, coalesce(x.rev, 0)::bigint as trouble_rev
from tags t left join lateral (
    select * from repo_generations where tag_id = t.id and state = 'published' order by number desc limit 1) g on true
left join repo_holds h on h.tag_id = t.id
left join repo_generations hg on hg.id = h.generation_id
left join repo_troubles x on x.tag_id = t.id
where t.revoke_event is null and (sqlc.narg(name)::text is null or t.name = sqlc.narg(name)) order by t.name;

-- name: BuildsOfDelivery :many
select b.id, b.nvr, b.planned_nvr, b.state, b.target, b.scratch from planned_pushes pp join builds b on b.id = pp.build_id
where pp.delivery_id = @delivery_id order by b.id;

-- name: TagBuildsOf :many
select t.name, tb.create_event, e.at from tag_builds tb join tags t on t.id = tb.tag_id join events e on e.id = tb.create_event
where tb.build_id = @build_id and tb.revoke_event is null order by t.name;

-- name: ListTasks :many
select t.*, b.nvr, b.planned_nvr from tasks t join builds b on b.id = t.build_id
where (sqlc.narg(state)::text is null or t.state = sqlc.narg(state))
order by t.id desc limit @max_rows;

-- name: BuildSummaries :many
-- One line per build, newest first.
select b.id, b.nvr, b.planned_nvr, b.state, b.reason, b.phase, b.target, b.scratch, b.ref, b.commit_id, b.pull_number,
       b.created_at, b.finished_at, b.published_at, p.name as package, r.forge, r.forge_repo_id, r.full_name, r.clone_url,
       dt.name as dest_tag_name
from builds b
join packages p on p.id = b.package_id
join repositories r on r.id = b.repository_id
join tags dt on dt.id = b.dest_tag
where (sqlc.narg(package)::text is null or p.name = sqlc.narg(package))
  and (sqlc.narg(state)::text is null or b.state = sqlc.narg(state))
  and (sqlc.narg(target)::text is null or b.target = sqlc.narg(target))
  and (sqlc.narg(before_id)::bigint is null or b.id < sqlc.narg(before_id))
order by b.id desc limit @max_rows;

-- name: PartsOfBuilds :many
-- The tasks whose states a line about a build shows.
select build_id, id, method, arch, state from tasks
where build_id = any (@build_ids::bigint[]) and method in ('buildSRPM', 'buildArch')
order by build_id, method desc, arch, id;

-- name: TargetNames :many
select name from build_targets where revoke_event is null order by name;

-- name: AttemptsOfBuild :many
select a.* from task_attempts a join tasks t on t.id = a.task_id
where t.build_id = @build_id order by a.task_id, a.attempt;

-- name: BuildrootsOfBuild :many
-- The newest buildroot of each task, with how many packages it held.
select distinct on (br.task_id) br.*, (select count(*) from buildroot_rpms where buildroot_id = br.id) as packages
from buildroots br join tasks t on t.id = br.task_id
where t.build_id = @build_id order by br.task_id, br.attempt desc;

-- name: RetriesOfBuild :many
select id from builds where retry_of = @build_id order by id;

-- name: DeliveriesOfBuild :many
select d.id, d.forge, d.event from planned_pushes pp join deliveries d on d.id = pp.delivery_id
where pp.build_id = @build_id order by d.id;

-- name: BuildFingerprint :one
-- A value that differs whenever anything that a build's page shows differs,
-- and whether nothing of it can change any more.
select md5(concat_ws('|', b.state, b.nvr, b.reason, b.phase, b.published_at, b.tagged_rev,
           (select string_agg(concat_ws(',', t.id, t.state, t.attempt, t.phase, t.reason, t.waits_tag), ';' order by t.id)
            from tasks t where t.build_id = b.id),
           (select string_agg(concat_ws(',', r.id, r.seq, r.sent_seq, r.failures, r.build_id), ';' order by r.id)
            from reports r where r.repository_id = b.repository_id and r.commit_id = b.commit_id),
           (select string_agg(concat_ws(',', tb.id, tb.revoke_event), ';' order by tb.id)
            from tag_builds tb where tb.build_id = b.id)))::text as fingerprint,
       (b.state <> 'BUILDING' and (b.state <> 'COMPLETE' or b.scratch or b.published_at is not null)
        and not exists (select 1 from tasks t where t.build_id = b.id and t.state in ('FREE', 'OPEN', 'ASSIGNED'))
        and not exists (select 1 from reports r where r.repository_id = b.repository_id and r.commit_id = b.commit_id
                        and r.build_id = b.id and r.sent_seq < r.seq))::boolean as settled
from builds b where b.id = @id;

-- name: PackagesOverview :many
-- Packages that were ever built, by name, with the newest build of each.
with newest as (select package_id, max(id) as id, count(*) as builds from builds group by package_id)
select p.name, n.builds, b.id as build_id, b.nvr, b.planned_nvr, b.state, b.scratch, b.target, b.created_at
from newest n join builds b on b.id = n.id join packages p on p.id = n.package_id
where (sqlc.narg(after)::text is null or p.name > sqlc.narg(after))
order by p.name limit @max_rows;

-- name: PackageByName :one
select id, name from packages where name = @name;

-- name: GenerationsOfTag :many
-- The generations of a tag, newest first, those that were never published left
-- out unless they are being made. before_* is of the one that each replaced.
-- event is 0 where none is known, until_event is that of the change after which
-- the tag was another: 0 while none is. rollback_of is 0 for one of what the tag
-- said. changes and actors are of the events that it was the first to show.
select g.id, g.directory, g.number, g.rev, g.state, g.arches, g.packages, g.bytes, g.created_at, g.published_at, g.actor, g.reason, g.closure,
       coalesce(g.event, 0)::bigint as event,
       coalesce(event_after(g.tag_id, g.rev), 0)::bigint as until_event,
       coalesce(back.number, 0)::bigint as rollback_of,
       coalesce(p.number, 0)::bigint as before_number, coalesce(p.packages, 0)::int as before_packages, coalesce(p.bytes, 0)::bigint as before_bytes,
       seen.changes::bigint as changes, seen.actors::text[] as actors
from repo_generations g
left join repo_generations back on back.id = g.rollback_of
left join lateral (
    select o.number, o.rev, o.packages, o.bytes from repo_generations o
    where o.tag_id = g.tag_id and o.number < g.number and o.published_at is not null order by o.number desc limit 1
) p on true
cross join lateral (
    select count(*) as changes, coalesce((array_agg(distinct e.actor order by e.actor))[1:6], '{}') as actors
    from tag_revs r join events e on e.id = r.event
    where r.tag_id = g.tag_id and r.rev > coalesce(p.rev, 0) and r.rev <= g.rev
) seen
where g.tag_id = @tag_id and (g.published_at is not null or g.state = 'building')
  and (sqlc.narg(number)::bigint is null or g.number = sqlc.narg(number))
  and (sqlc.narg(before)::bigint is null or g.number < sqlc.narg(before))
order by g.number desc limit @max_rows;

-- name: PackagesOfGeneration :many
-- The packages of a generation, each once with the architectures whose
-- repositories hold it, and how many there are; size and sha256 are of what is
-- served, which may be a signed copy.
select r.id, r.name, r.epoch, r.version, r.release, r.arch, coalesce(max(g.size), r.size)::bigint as size, coalesce(max(g.sha256), r.sha256)::text as sha256, r.build_id, b.nvr, array_agg(g.arch order by g.arch)::text[] as repos,
       (count(*) over ())::bigint as total
from generation_rpms g join rpms r on r.id = g.rpm_id join builds b on b.id = r.build_id
where g.generation_id = @generation_id
  and (sqlc.narg(name)::text is null or position(lower(sqlc.narg(name)) in lower(r.name || '-' || r.version || '-' || r.release || '.' || r.arch)) > 0)
  and (sqlc.narg(arch)::text is null or g.arch = sqlc.narg(arch))
group by r.id, b.id order by r.name, r.arch, r.id
limit @max_rows offset @start;

-- name: DeliveryHead :one
-- A delivery with at most so many bytes of its body.
select id, forge, delivery_id, event, repository, ref, state, reason, headers, duplicate_of, received_at, finished_at,
       length(body)::bigint as size, substring(body for sqlc.arg(max_bytes)::int)::bytea as head
from deliveries where id = @id;

-- name: PlansOfDelivery :many
-- What was decided about the commits of a delivery.
select pp.ref, pp.commit_id, pp.target, pp.outcome, pp.reason, pp.build_id, b.nvr, b.planned_nvr, b.state as build_state,
       coalesce(b.scratch, false)::boolean as scratch
from planned_pushes pp left join builds b on b.id = pp.build_id
where pp.delivery_id = @delivery_id order by pp.id;

-- name: CountTasksByState :many
select state, count(*) from tasks group by state order by state;

-- name: CountDeliveriesByState :many
select state, count(*) from deliveries group by state order by state;

-- name: CountWaiting :one
-- What the outbox and the publisher are behind with.
select (select count(*) from reports where sent_seq < seq)::bigint as unsent_reports,
       (select count(*) from tags where want_rev > built_rev and revoke_event is null
           and not exists (select from repo_holds h where h.tag_id = tags.id))::bigint as stale_tags,
       (select count(*) from repo_troubles x join tags t on t.id = x.tag_id where t.revoke_event is null)::bigint as troubled_tags,
       (select count(*) from leases)::bigint as processes;

-- name: TagFigures :many
-- How much is in tags themselves, and how far their repositories are: trouble is
-- refused or failing where they can't be made, else empty. event is
-- the moment that is counted, null for now: each has a branch of its own, for
-- the partial indexes fit now only.
select t.id, t.want_rev, t.built_rev, exists (select 1 from repo_holds h where h.tag_id = t.id) as held,
       coalesce((select x.kind from repo_troubles x where x.tag_id = t.id), '')::text as trouble,
       (select count(*) from tag_packages l where l.tag_id = t.id and (sqlc.narg(event)::bigint is null and l.revoke_event is null
           or l.create_event <= sqlc.narg(event) and (l.revoke_event is null or l.revoke_event > sqlc.narg(event))))::bigint as packages,
       (select count(*) from tag_builds tb where tb.tag_id = t.id and (sqlc.narg(event)::bigint is null and tb.revoke_event is null
           or tb.create_event <= sqlc.narg(event) and (tb.revoke_event is null or tb.revoke_event > sqlc.narg(event))))::bigint as builds
from tags t where t.id = any (@ids::bigint[]);

-- name: ParentsOfTags :many
select i.tag_id, p.name, i.priority from tag_inheritance i join tags p on p.id = i.parent_id
where i.tag_id = any (@ids::bigint[]) and (sqlc.narg(event)::bigint is null and i.revoke_event is null
    or i.create_event <= sqlc.narg(event) and (i.revoke_event is null or i.revoke_event > sqlc.narg(event)))
order by i.tag_id, i.priority, p.name;

-- name: EndOfTag :one
-- When a tag was removed last, and the event before, which still saw it.
select c.revoke_event::bigint as event, e.at, e.actor, coalesce((select max(id) from events where id < c.revoke_event), 0)::bigint as before
from tags t join tag_config c on c.tag_id = t.id join events e on e.id = c.revoke_event
where t.name = @name and t.revoke_event is not null order by c.revoke_event desc limit 1;

-- name: TargetsOverview :many
-- Targets by name, those of one tag if it is given, with the newest build of each.
select t.id, t.name, t.branches, t.lagging, t.best_effort, t.noarch_content, t.repo_lag_seconds, t.build_tag, bt.name as build_tag_name, t.dest_tag, dt.name as dest_tag_name,
       b.id as build_id, b.nvr, b.planned_nvr, b.state, b.created_at
from build_targets t join tags bt on bt.id = t.build_tag join tags dt on dt.id = t.dest_tag
left join builds b on b.id = (select id from builds where target = t.name order by id desc limit 1)
where (sqlc.narg(event)::bigint is null and t.revoke_event is null
       or t.create_event <= sqlc.narg(event) and (t.revoke_event is null or t.revoke_event > sqlc.narg(event)))
  and (sqlc.narg(tag_id)::bigint is null or t.build_tag = sqlc.narg(tag_id) or t.dest_tag = sqlc.narg(tag_id))
  and (sqlc.narg(after)::text is null or t.name > sqlc.narg(after))
order by t.name limit @max_rows;

-- name: TagsOfPackage :many
-- The tags that list a package or have builds of it, with the one tagged last.
select t.name, l.blocked, u.name as owner, b.id as build_id, b.nvr, e.at as tagged_at
from tags t
left join tag_packages l on l.tag_id = t.id and l.package_id = @package_id and l.revoke_event is null
left join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id and o.revoke_event is null
left join users u on u.id = o.owner_id
left join tag_builds tb on tb.id = (
    select id from tag_builds where tag_id = t.id and package_id = @package_id and revoke_event is null
    order by create_event desc, build_id desc limit 1)
left join builds b on b.id = tb.build_id
left join events e on e.id = tb.create_event
where t.revoke_event is null and (l.id is not null or tb.id is not null)
order by t.name limit @max_rows;

-- name: WaitingByBin :many
-- How many tasks wait in each queue of channel and architecture, and how many of
-- them could begin if a host had room.
select t.channel, t.bin, count(*) as waiting, min(t.created_at)::timestamptz as oldest,
       count(*) filter (where t.waits_tag is null and t.not_before <= now()) as ready
from tasks t
where t.state = 'FREE' and t.method in ('buildSRPM', 'buildArch')
group by t.channel, t.bin order by t.channel, t.bin;

-- name: WaitingTasks :many
-- The tasks that wait for a host, in the order in which they will get one, with
-- who holds the repository of their build tag, or why it can't be made.
select t.id, t.build_id, t.method, t.arch, t.channel, t.bin, t.root_arches, t.priority, t.weight, t.attempt, t.reason, t.created_at,
       b.nvr, b.planned_nvr, b.scratch, b.target, g.name as build_tag_name,
       (t.waits_tag is not null)::bool as waits_for_repo, (t.not_before > now())::bool as waits_for_time, t.not_before,
       coalesce(hold_words(g.id), '')::text as held,
       coalesce(x.reason, '')::text as trouble_reason, x.since as trouble_since
from tasks t join builds b on b.id = t.build_id join tags g on g.id = b.build_tag
left join repo_troubles x on x.tag_id = g.id
where t.state = 'FREE' and t.method in ('buildSRPM', 'buildArch')
  and (sqlc.narg(channel)::text is null or t.channel = sqlc.narg(channel))
  and (sqlc.narg(bin)::text is null or t.bin = sqlc.narg(bin))
  and (t.priority, t.id) > (sqlc.arg(after_priority)::int, sqlc.arg(after_id)::bigint)
order by t.priority, t.id limit @max_rows;
