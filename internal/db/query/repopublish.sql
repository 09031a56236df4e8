-- name: TagForPublish :one
select id, name, arches, want_rev, built_rev, (revoke_event is not null)::boolean as removed from tags where id = @id;

-- name: RaiseRev :one
-- Wants a tag's repository made anew though nothing changed.
with raised as (update tags set want_rev = want_rev + 1 where tags.id = @id and revoke_event is null returning id, want_rev),
     noted as (insert into tag_revs (tag_id, rev) select id, want_rev from raised)
select want_rev from raised;

-- name: EventOfRev :one
-- The newest event that a revision of a tag has seen; null where none is known.
select max(event)::bigint as event from tag_revs where tag_id = @tag_id and rev <= @rev having max(event) is not null;

-- name: LiveTag :one
select id, name, arches, want_rev, built_rev from tags where name = @name and revoke_event is null;

-- name: Hold :one
-- What a tag's repository is to stay.
select h.generation_id, h.made_id, h.actor, h.reason, h.at, g.number, g.directory from repo_holds h join repo_generations g on g.id = h.generation_id
where h.tag_id = @tag_id;

-- name: SetHold :exec
insert into repo_holds (tag_id, generation_id, actor, reason) values (@tag_id, @generation_id, @actor, @reason)
on conflict (tag_id) do update set generation_id = excluded.generation_id, made_id = null, actor = excluded.actor, reason = excluded.reason, at = now();

-- name: HoldMade :exec
update repo_holds set made_id = @made_id where tag_id = @tag_id and generation_id = @generation_id and made_id is null;

-- name: ReleaseHold :execrows
delete from repo_holds where tag_id = @tag_id;

-- name: Generation :one
select * from repo_generations where tag_id = @tag_id and number = @number;

-- name: GenerationByID :one
select * from repo_generations where id = @id;

-- name: Generations :many
-- The generations of a tag, newest first, with the event at which each ceased to
-- be what the tag says, and how often it changed before it was made.
select g.*, coalesce(event_after(g.tag_id, g.rev), 0)::bigint as until_event,
       (h.generation_id is not null)::boolean as held
from repo_generations g left join repo_holds h on h.tag_id = g.tag_id and h.made_id = g.id
where g.tag_id = @tag_id and g.published_at is not null order by g.number desc limit @max;

-- name: GenerationEvents :many
-- What led from one revision of a tag to another, the newest first, and how many
-- events did; max null for all of them.
select r.rev, r.event, e.at, e.actor, e.what, (count(*) over ())::bigint as total from tag_revs r join events e on e.id = r.event
where r.tag_id = @tag_id and r.rev > @after and r.rev <= @upto order by r.rev desc limit sqlc.narg(max)::bigint;

-- name: GenerationDifference :many
-- The packages of two generations that have a name and an architecture of which
-- the two do not hold the same, for the same architecture of the repository: other
-- packages, or other copies of them where the copies of both are recorded. max is
-- of how many names and architectures, null for all; total is how many there are.
with older as (
    select gr.arch, gr.rpm_id, case when (select bool_and(copies_recorded) from repo_generations where id in (@older, @newer)) then gr.sha256 end as sha256
    from generation_rpms gr where gr.generation_id = @older
), newer as (
    select gr.arch, gr.rpm_id, case when (select bool_and(copies_recorded) from repo_generations where id in (@older, @newer)) then gr.sha256 end as sha256
    from generation_rpms gr where gr.generation_id = @newer
), changed as (
    (select * from older except select * from newer) union all (select * from newer except select * from older)
), keys as (
    select c.arch as repo_arch, r.name, r.arch, count(*) over () as total from changed c join rpms r on r.id = c.rpm_id
    group by c.arch, r.name, r.arch order by c.arch, r.name, r.arch limit sqlc.narg(max)::bigint
)
select k.total::bigint as total, (g.generation_id = @newer)::boolean as is_newer, k.repo_arch, r.name, r.arch, r.epoch, r.version, r.release, r.build_id
from keys k
join rpms r on r.name = k.name and r.arch = k.arch
join generation_rpms g on g.rpm_id = r.id and g.arch = k.repo_arch and g.generation_id in (@older, @newer)
order by k.repo_arch, r.name, r.arch, r.id, is_newer;

-- name: RPMsOfGeneration :many
select r.id, r.build_id, r.name, r.epoch, r.version, r.release, r.arch, r.source, r.sha256, r.size, r.build_time, r.modularity_label, g.arch as repo_arch
from generation_rpms g join rpms r on r.id = g.rpm_id where g.generation_id = @generation_id order by g.arch, r.name, r.arch, r.id;

-- name: FragmentsOf :many
select sha256, "primary", filelists, other from rpm_fragments where sha256 = any (@sha256s::text[]) and format = @format;

-- name: PutFragments :exec
insert into rpm_fragments (sha256, format, "primary", filelists, other)
select unnest(@sha256s::text[]), @format::int, unnest(@primaries::bytea[]), unnest(@filelists::bytea[]), unnest(@others::bytea[])
on conflict (sha256) do update set format = excluded.format, "primary" = excluded."primary", filelists = excluded.filelists, other = excluded.other
where rpm_fragments.format <> excluded.format;

-- name: SetBuiltRev :exec
-- Records what the new generation has seen, and locks the tag.
update tags set built_rev = greatest(built_rev, @built_rev) where id = @id;

-- name: SetHeldRev :exec
-- Records that somebody went back to what a tag was at a revision.
update tags set built_rev = @built_rev where id = @id;

-- name: InsertGeneration :one
-- Its number follows all that the tag has had, all that tags of its name have
-- had, and what lies in its directory.
insert into repo_generations (tag_id, directory, number, rev, state, event, rollback_of, actor, reason)
values (@tag_id, @directory, 1 + greatest(@lies_there::bigint,
            (select max(number) from repo_generations where tag_id = @tag_id), (select max(number) from repo_generations where directory = @directory)),
        @rev, 'building', sqlc.narg(event), sqlc.narg(rollback_of), @actor, @reason)
returning id, number;

-- name: PublishGeneration :execrows
-- The tag is locked. Nothing is published that is older than what was.
update repo_generations g set state = 'published', arches = @arches, packages = @packages, bytes = @bytes, closure = sqlc.narg(closure), copies_recorded = true,
       published_at = now()
where g.id = @id and g.state = 'building'
  and not exists (select from repo_generations n where n.tag_id = g.tag_id and n.published_at is not null and n.id > g.id);

-- name: NewestPublished :one
-- The newest generation of a tag that was ever published; 0 for none.
select coalesce(max(id), 0)::bigint from repo_generations where tag_id = @tag_id and published_at is not null and id <> @other;

-- name: HeldRPMs :many
-- What the newest generation of a tag holds. Of what is served as it was imported
-- under its usual name, sha256 and href are empty and size is 0.
select rpm_id, arch, coalesce(sha256, '')::text as sha256, coalesce(size, 0)::bigint as size, coalesce(href, '')::text as href
from repo_rpms where tag_id = @tag_id and until is null;

-- name: EndRPMs :exec
-- Records that a generation does not have what the one before had.
update repo_rpms r set until = @generation_id::bigint
from (select unnest(@rpm_ids::bigint[]) as rpm_id, unnest(@arches::text[]) as arch) x
where r.tag_id = @tag_id and r.until is null and r.rpm_id = x.rpm_id and r.arch = x.arch;

-- name: BeginRPMs :exec
-- Records what a generation has that the one before had not.
insert into repo_rpms (tag_id, since, rpm_id, arch, sha256, size, href)
select @tag_id, @generation_id, x.rpm_id, x.arch, nullif(x.sha256, ''), nullif(x.size, 0), nullif(x.href, '')
from (select unnest(@rpm_ids::bigint[]) as rpm_id, unnest(@arches::text[]) as arch,
             unnest(@sha256s::text[]) as sha256, unnest(@sizes::bigint[]) as size, unnest(@hrefs::text[]) as href) x;

-- name: AbandonedGenerations :many
-- Generations whose making was interrupted, and whether the one that came after
-- them is so old that nobody reads them any more, should they have been seen.
select g.id, g.directory, g.number, exists (
    select 1 from repo_generations n where n.tag_id = g.tag_id and n.state = 'published' and n.number > g.number
    and n.published_at < now() - make_interval(secs => @keep_seconds::float8)) as unread
from repo_generations g where g.tag_id = @tag_id and g.state = 'building' order by g.number;

-- name: KeptGenerations :many
-- The numbers whose trees must stay in a directory, whichever tags they are of.
select number from repo_generations where directory = @directory and state in ('building', 'published') order by number;

-- name: ExpireOfRemovedTags :execrows
-- Gives up the generations of tags that were removed long enough ago.
update repo_generations g set state = 'expired' from tags t join events e on e.id = t.revoke_event
where t.id = g.tag_id and g.state in ('building', 'published') and e.at < now() - make_interval(secs => @keep_seconds::float8);

-- name: GenerationIsRecorded :one
select exists (select 1 from repo_generations where directory = @directory and number = @number);

-- name: LiveTags :many
select id, name from tags where revoke_event is null order by id;

-- name: PublishedTags :many
-- The tags whose newest generation is all that is wanted of them.
select t.id, t.name from tags t left join repo_holds h on h.tag_id = t.id
where t.revoke_event is null and case when h.tag_id is null then t.built_rev >= t.want_rev else h.made_id is not null end
  and exists (select from repo_generations g where g.tag_id = t.id and g.directory = t.name and g.state = 'published')
order by t.id;

-- name: MakeHeldAgain :execrows
update repo_holds set made_id = null where tag_id = @tag_id;

-- name: ExpirableGenerations :many
-- Published generations that are not among the newest kept ones and were
-- replaced long enough ago, and that nobody holds the tag at. Numbers have gaps:
-- they are counted, not compared. The tag is locked.
select g.id, g.number from repo_generations g
where g.tag_id = @tag_id and g.state = 'published'
  and g.number not in (select m.number from repo_generations m where m.tag_id = @tag_id and m.state = 'published'
                       order by m.number desc limit @keep::bigint)
  and exists (select 1 from repo_generations n where n.tag_id = g.tag_id and n.state = 'published' and n.number > g.number
              and n.published_at < now() - make_interval(secs => @keep_seconds::float8))
  and not exists (select from repo_holds h where g.id in (h.generation_id, h.made_id))
order by g.number;

-- name: ExpireGeneration :exec
update repo_generations set state = 'expired' where id = @id;

-- name: PublishedBuilds :many
-- Builds of the destination tag that the published revision has seen and whose
-- publication nobody has announced, but those that it leaves out. Newer builds
-- may have taken their places.
with locked as (
    select b.id from builds b
    where b.dest_tag = @tag_id and b.tagged_rev is not null and b.tagged_rev <= @rev and b.published_at is null
      and not exists (select from left_out_builds l where l.tag_id = b.dest_tag and l.build_id = b.id)
    order by b.id for no key update
)
update builds set published_at = now() from locked where builds.id = locked.id
returning builds.id, repository_id, commit_id, target, nvr, task_id, package_id,
          (select count(*) from build_warnings w where w.build_id = builds.id) as warnings;

-- name: LeaveOutBuilds :exec
-- Records which builds the newest generation of a tag leaves out, instead of
-- those that the one before did.
with gone as (
    delete from left_out_builds where tag_id = @tag_id and build_id <> all (@build_ids::bigint[])
)
insert into left_out_builds (tag_id, build_id, reason, stays)
select @tag_id, unnest(@build_ids::bigint[]), unnest(@reasons::text[]), unnest(@stays::text[])
on conflict (tag_id, build_id) do update set reason = excluded.reason, stays = excluded.stays;

-- name: LeftOutBuilds :many
-- The builds of the destination tag that its repository leaves out, and that wait
-- for it.
select b.id, b.repository_id, b.commit_id, b.target, b.nvr, l.reason, l.stays
from left_out_builds l join builds b on b.id = l.build_id
where l.tag_id = @tag_id and b.dest_tag = @tag_id and b.tagged_rev is not null and b.published_at is null order by b.id;

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
-- The RPMs of builds, in any order. There may be very many builds: hidden in a
-- query of their own the planner does not weigh each of them.
select r.id, r.build_id, r.name, r.epoch, r.version, r.release, r.arch, r.source, r.sha256, r.size, r.build_time, r.modularity_label
from rpms r where r.build_id = any ((select @build_ids::bigint[])::bigint[]);

-- name: NamesakesOf :many
-- Packages of other builds that have the name, version, release and architecture
-- of one of these.
select r.id, o.id as other from rpms r
join rpms o on o.name = r.name and o.version = r.version and o.release = r.release and o.arch = r.arch and o.id <> r.id and not o.source
join builds b on b.id = o.build_id and not b.scratch
where r.id = any (@ids::bigint[]) and not r.source order by r.id, o.id;

-- name: FirstPublished :many
-- The first generation of a directory that had each of these packages; those that
-- none had are left out.
select x.id::bigint as id, f.number::bigint as number from unnest(@ids::bigint[]) x (id) cross join lateral (
    select min(g.number) as number from repo_generations g
    where g.directory = @directory and g.published_at is not null
      and exists (select from generation_rpms gr where gr.generation_id = g.id and gr.arch = any (g.arches) and gr.rpm_id = x.id)
) f where f.number is not null order by 1;

-- name: GenerationBefore :one
-- The generation before the one that a tag shows. Where somebody went back that
-- is the newest of those that show the tag as it was before what they went back
-- to: others may be what they went back from.
with shown as (
    select g.rev, g.number, (h.generation_id is not null or g.rollback_of is not null)::boolean as went_back
    from repo_generations g left join repo_holds h on h.tag_id = g.tag_id
    where g.tag_id = @tag_id and (g.id = h.generation_id or h.generation_id is null and g.state = 'published')
    order by g.number desc limit 1
)
select g.* from repo_generations g, shown s
where g.tag_id = @tag_id and g.state = 'published' and case when s.went_back then g.rev < s.rev else g.number < s.number end
order by case when s.went_back then g.rev end desc, g.number desc limit 1;

-- name: SetLabels :exec
-- Records the labels of packages, '' for those that are not modular.
update rpms r set modularity_label = x.label
from (select unnest(@ids::bigint[]) as id, unnest(@labels::text[]) as label) x where r.id = x.id;

-- name: Trouble :one
-- Why a tag's repository is not made.
select * from repo_troubles where tag_id = @tag_id;

-- name: NoteTrouble :exec
-- The tag is locked. One that was removed is in no trouble any more.
insert into repo_troubles (tag_id, kind, reason, problems, rev)
select t.id, @kind, @reason, @problems, @rev from tags t where t.id = @tag_id and t.revoke_event is null
on conflict (tag_id) do update set kind = excluded.kind, reason = excluded.reason, problems = excluded.problems, rev = excluded.rev, at = now();

-- name: EndTrouble :execrows
delete from repo_troubles where tag_id = @tag_id;

-- name: TryPublishNow :execrows
-- Ends the wait of a tag's job for its next try.
update river_job set state = 'available', scheduled_at = now()
where kind = 'repopublish.publish' and state = 'retryable' and (args ->> 'tag_id')::bigint = @tag_id::bigint;

-- name: BuildsToPublish :many
-- The builds that were tagged and are in no published repository of the tag.
select id, nvr, repository_id, commit_id, target from builds
where dest_tag = @tag_id and tagged_rev is not null and published_at is null order by id;

-- name: TasksWaitingForTag :many
-- The tasks that begin when the repository of a tag has what they wait for.
select t.id, t.method, t.arch, t.policy, b.id as build_id, b.repository_id, b.commit_id, b.target
from tasks t join builds b on b.id = t.build_id
where t.state = 'FREE' and t.waits_tag = @tag_id order by t.id;
