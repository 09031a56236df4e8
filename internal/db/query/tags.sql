-- name: InsertEvent :one
insert into events (actor, what) values (@actor, @what) returning id;

-- name: TagByName :one
select * from tags where name = @name and revoke_event is null;

-- name: GetTag :one
select * from tags where id = @id;

-- name: LockTags :many
-- In the order of RaiseWantRev.
select * from tags where revoke_event is null order by id for no key update;

-- name: InsertTag :one
insert into tags (name, arches, extra, create_event) values (@name, @arches, @extra, @create_event) returning id;

-- name: UpdateTag :execrows
update tags set arches = @arches, extra = @extra, want_rev = want_rev + 1
where id = @id and (arches, extra) is distinct from (@arches::text[], @extra::jsonb);

-- name: Inheritance :many
select i.id, i.tag_id, i.parent_id, i.priority, c.name as child, p.name as parent
from tag_inheritance i join tags c on c.id = i.tag_id join tags p on p.id = i.parent_id
where i.revoke_event is null order by c.name, i.priority;

-- name: InsertInheritance :exec
insert into tag_inheritance (tag_id, parent_id, priority, create_event) values (@tag_id, @parent_id, @priority, @create_event);

-- name: RevokeInheritance :exec
update tag_inheritance set revoke_event = @revoke_event where id = @id and revoke_event is null;

-- name: ExternalReposOfTag :many
select * from tag_external_repos where tag_id = @tag_id and revoke_event is null order by priority, name;

-- name: InsertExternalRepo :exec
insert into tag_external_repos (tag_id, name, url, priority, create_event) values (@tag_id, @name, @url, @priority, @create_event);

-- name: RevokeExternalRepo :exec
update tag_external_repos set revoke_event = @revoke_event where id = @id and revoke_event is null;

-- name: GroupPackagesOfTag :many
select * from tag_group_packages where tag_id = @tag_id and revoke_event is null order by group_name, package;

-- name: InsertGroupPackage :exec
insert into tag_group_packages (tag_id, group_name, package, create_event) values (@tag_id, @group_name, @package, @create_event);

-- name: RevokeGroupPackage :exec
update tag_group_packages set revoke_event = @revoke_event where id = @id and revoke_event is null;

-- name: ListTargets :many
select t.*, b.name as build_tag_name, d.name as dest_tag_name
from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
where t.revoke_event is null order by t.name;

-- name: InsertTarget :exec
insert into build_targets (name, build_tag, dest_tag, branches, create_event)
values (@name, @build_tag, @dest_tag, @branches, @create_event);

-- name: RevokeTarget :exec
update build_targets set revoke_event = @revoke_event where id = @id and revoke_event is null;

-- name: ReplaceIgnoredBranches :exec
with gone as (delete from ignored_branches where not (glob = any (@globs::text[])))
insert into ignored_branches (glob) select unnest(@globs::text[]) on conflict do nothing;

-- name: RaiseWantRev :many
-- Marks the repositories of a tag and of all that inherit from it as out of
-- date, in one order so that two callers can't wait for each other.
with recursive affected (tag_id) as (
    select @tag_id::bigint
    union
    select i.tag_id from tag_inheritance i join affected a on i.parent_id = a.tag_id where i.revoke_event is null
), locked as (
    select t.id from tags t where t.id in (select tag_id from affected) and t.revoke_event is null
    -- Not "for update", which would wait for everybody who has just written a
    -- row that refers to the tag: two of those would wait for each other.
    order by t.id for no key update
)
update tags set want_rev = want_rev + 1 where id in (select id from locked)
returning id, want_rev;

-- name: InsertTagBuild :execrows
insert into tag_builds (tag_id, build_id, create_event) values (@tag_id, @build_id, @create_event)
on conflict do nothing;

-- name: SetTaggedRev :exec
update builds set tagged_rev = @tagged_rev where id = @id;

-- name: BuildToTag :one
select b.id, b.state, b.scratch, b.dest_tag, b.nvr, b.task_id, b.tagged_rev, b.repository_id, b.commit_id, b.target, d.name as dest_tag_name
from builds b join tags d on d.id = b.dest_tag where b.id = @id for update of b;
