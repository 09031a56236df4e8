-- name: TagForPublish :one
select id, name, arches, want_rev, built_rev from tags where id = @id;

-- name: SetBuiltRev :one
-- Records what the new generation has seen and tells what is wanted now.
update tags set built_rev = greatest(built_rev, @built_rev) where id = @id returning want_rev, built_rev;


-- name: InsertGeneration :one
insert into repo_generations (tag_id, number, rev, state)
values (@tag_id, (select coalesce(max(number), 0) + 1 from repo_generations where tag_id = @tag_id), @rev, 'building')
returning id, number;

-- name: PublishGeneration :execrows
update repo_generations set state = 'published', arches = @arches, packages = @packages, published_at = now()
where id = @id and state = 'building';

-- name: InsertGenerationRPMs :exec
insert into generation_rpms (generation_id, rpm_id, arch)
select @generation_id, unnest(@rpm_ids::bigint[]), unnest(@arches::text[]);

-- name: AbandonedGenerations :many
-- Generations whose making was interrupted, and whether the one that came after
-- them is so old that nobody reads them any more, should they have been seen.
select g.id, g.number, exists (
    select 1 from repo_generations n where n.tag_id = g.tag_id and n.state = 'published' and n.number > g.number
    and n.published_at < now() - make_interval(secs => @keep_seconds::float8)) as unread
from repo_generations g where g.tag_id = @tag_id and g.state = 'building' order by g.number;

-- name: KeptGenerations :many
-- The numbers whose trees must stay.
select number from repo_generations where tag_id = @tag_id and state in ('building', 'published') order by number;

-- name: ExpirableGenerations :many
-- Published generations that are not among the newest kept ones and were
-- replaced long enough ago. Numbers have gaps: they are counted, not compared.
select g.id, g.number from repo_generations g
where g.tag_id = @tag_id and g.state = 'published'
  and g.number not in (select m.number from repo_generations m where m.tag_id = @tag_id and m.state = 'published'
                       order by m.number desc limit @keep::bigint)
  and exists (select 1 from repo_generations n where n.tag_id = g.tag_id and n.state = 'published' and n.number > g.number
              and n.published_at < now() - make_interval(secs => @keep_seconds::float8))
order by g.number;

-- name: ExpireGeneration :exec
update repo_generations set state = 'expired' where id = @id;

-- name: PublishedBuilds :many
-- Builds of the destination tag that the published revision has seen and whose
-- publication nobody has announced. Newer builds may have taken their places.
with locked as (
    select b.id from builds b
    where b.dest_tag = @tag_id and b.tagged_rev is not null and b.tagged_rev <= @rev and b.published_at is null
    order by b.id for no key update
)
update builds set published_at = now() from locked where builds.id = locked.id
returning builds.id, repository_id, commit_id, target, nvr, task_id, package_id,
          (select count(*) from build_warnings w where w.build_id = builds.id) as warnings;

-- name: BuildInRepository :one
-- The build of a package in the newest generation of a tag's repository.
select b.id, b.nvr from builds b join rpms r on r.build_id = b.id join generation_rpms gr on gr.rpm_id = r.id
where b.package_id = @package_id
  and gr.generation_id = (select g.id from repo_generations g where g.tag_id = @tag_id and g.state = 'published' order by g.number desc limit 1)
order by b.id desc limit 1;

-- name: CloseTasks :exec
update tasks set state = 'CLOSED', reason = '', finished_at = now()
where id = any (@ids::bigint[]) and state in ('FREE', 'ASSIGNED', 'OPEN');

-- name: RPMsOfBuilds :many
-- The RPMs of builds, those of the earlier named builds first.
select r.id, r.build_id, r.name, r.epoch, r.version, r.release, r.arch, r.source, r.sha256, r.size, r.build_time
from unnest(@build_ids::bigint[]) with ordinality as b (id, position) join rpms r on r.build_id = b.id
order by r.name, r.arch, b.position, r.id;
