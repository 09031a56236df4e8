-- name: InsertEvent :one
insert into events (actor, what) values (@actor, @what) returning id;


-- name: ExternalReposOfTag :many
select * from tag_external_repos where tag_id = @tag_id and revoke_event is null order by priority, name;

-- name: InsertExternalRepo :exec
insert into tag_external_repos (tag_id, name, url, priority, create_event) values (@tag_id, @name, @url, @priority, @create_event);

-- name: RevokeExternalRepo :exec
update tag_external_repos set revoke_event = @revoke_event where id = @id and revoke_event is null;



-- name: InsertTarget :exec
insert into build_targets (name, build_tag, dest_tag, branches, lagging, best_effort, noarch_content, repo_lag_seconds, create_event)
values (@name, @build_tag, @dest_tag, @branches, @lagging, @best_effort, @noarch_content, @repo_lag_seconds, @create_event);

-- name: RevokeTarget :execrows
update build_targets set revoke_event = @revoke_event where name = @name and revoke_event is null;

-- name: ReplaceIgnoredBranches :exec
with gone as (delete from ignored_branches where not (glob = any (@globs::text[])))
insert into ignored_branches (glob) select unnest(@globs::text[]) on conflict do nothing;



-- name: SetTaggedRev :execrows
-- Notes which revision of its destination holds a build, and which was wanted of
-- its build tag by then.
update builds set tagged_rev = @tagged_rev, build_tag_rev = (select want_rev from tags t where t.id = builds.build_tag)
where builds.id = @id and dest_tag = @dest_tag and tagged_rev is null;

-- name: BuildToTag :one
select b.id, b.state, b.scratch, b.dest_tag, b.nvr, b.task_id, b.tagged_rev, b.repository_id, b.commit_id, b.target, d.name as dest_tag_name
from builds b join tags d on d.id = b.dest_tag where b.id = @id for no key update of b;

-- name: UserWithPerms :one
-- A user with the permissions held now.
select u.id, u.name, u.enabled, array(select p.name from user_perms up join permissions p on p.id = up.perm_id
    where up.user_id = u.id and up.revoke_event is null order by p.name)::text[] as perms
from users u where u.name = @name;

-- name: PermsOfUser :many
select p.name from user_perms up join permissions p on p.id = up.perm_id
where up.user_id = @user_id and up.revoke_event is null order by p.name;

-- name: PermissionByName :one
select * from permissions where name = @name;

-- name: LockTagsByID :many
-- Locks tags in the one order in which all lock them.
select id from tags where id = any (@ids::bigint[]) order by id for no key update;

-- name: RaiseRevs :many
-- The tags are locked. settings is 1 when more than packages and builds changed.
with raised as (
    update tags set want_rev = want_rev + 1, config_rev = config_rev + @settings::int
    where id = any (@ids::bigint[]) and revoke_event is null returning id, want_rev
), noted as (
    insert into tag_revs (tag_id, rev, event) select id, want_rev, sqlc.narg(event)::bigint from raised
)
select id, want_rev from raised;

-- name: AnyTag :one
-- A tag by its name, also one that was removed.
select * from tags where name = @name;

-- name: AddTag :one
insert into tags (name, arches, create_event) values (@name, '{}', @create_event)
on conflict (name) do update set revoke_event = null where tags.revoke_event is not null
returning id;

-- name: RenameTag :exec
update tags set name = @name where id = @id;

-- name: EndTag :exec
-- A tag of its name that comes again is not held, and in no trouble yet.
with held as (delete from repo_holds where tag_id = @id),
     troubled as (delete from repo_troubles where tag_id = @id)
update tags set revoke_event = @revoke_event where id = @id;

-- name: SetEffectiveConfig :exec
update tags set arches = @arches, extra = @extra where id = @id and (arches, extra) is distinct from (@arches, @extra);

-- name: InsertTagConfig :exec
insert into tag_config (tag_id, arches, perm_id, locked, create_event) values (@tag_id, @arches, @perm_id, @locked, @create_event);

-- name: RevokeTagConfig :execrows
update tag_config set revoke_event = @revoke_event where tag_id = @tag_id and revoke_event is null;

-- name: InsertTagExtra :exec
insert into tag_extra (tag_id, key, value, create_event) values (@tag_id, @key, @value, @create_event);

-- name: RevokeTagExtra :execrows
update tag_extra set revoke_event = @revoke_event where tag_id = @tag_id and key = @key and revoke_event is null;

-- name: InsertLink :exec
insert into tag_inheritance (tag_id, parent_id, priority, maxdepth, intransitive, noconfig, pkg_filter, create_event)
values (@tag_id, @parent_id, @priority, @maxdepth, @intransitive, @noconfig, @pkg_filter, @create_event);

-- name: RevokeLink :execrows
update tag_inheritance set revoke_event = @revoke_event where tag_id = @tag_id and parent_id = @parent_id and revoke_event is null;

-- name: InsertTagPackage :exec
insert into tag_packages (tag_id, package_id, blocked, extra_arches, create_event)
values (@tag_id, @package_id, @blocked, @extra_arches, @create_event);

-- name: RevokeTagPackage :execrows
update tag_packages set revoke_event = @revoke_event where tag_id = @tag_id and package_id = @package_id and revoke_event is null;

-- name: InsertTagPackageOwner :exec
insert into tag_package_owners (tag_id, package_id, owner_id, create_event) values (@tag_id, @package_id, @owner_id, @create_event);

-- name: RevokeTagPackageOwner :exec
update tag_package_owners set revoke_event = @revoke_event where tag_id = @tag_id and package_id = @package_id and revoke_event is null;

-- name: BuildForTagging :one
-- The build of an NVR; of several the one that has the name for good.
select b.id, b.nvr, b.state, b.package_id, p.name as package from builds b join packages p on p.id = b.package_id
where b.nvr = @nvr and not b.scratch
order by (b.state in ('BUILDING', 'COMPLETE', 'DELETED')) desc, b.id desc limit 1;

-- name: LockBuildForTagging :one
-- BuildForTagging for who is about to tag it: the build of an NVR; of several the one that has the name for good.
select b.id, b.nvr, b.state, b.package_id, p.name as package from builds b join packages p on p.id = b.package_id
where b.nvr = @nvr and not b.scratch
order by (b.state in ('BUILDING', 'COMPLETE', 'DELETED')) desc, b.id desc limit 1
for no key update of b;

-- name: LockBuildsForTagging :exec
select from builds where nvr = any (@nvrs::text[]) and not scratch order by id for no key update;

-- name: LockTaggedBuilds :exec
-- Locks the builds of a package that a tag itself has.
select from builds b where b.id in (
    select tb.build_id from tag_builds tb join tags t on t.id = tb.tag_id join packages p on p.id = tb.package_id
    where t.name = @tag and t.revoke_event is null and p.name = @package and tb.revoke_event is null
)
order by b.id for no key update;

-- name: TagHasBuild :one
select exists (select 1 from tag_builds where tag_id = @tag_id and build_id = @build_id and revoke_event is null);

-- name: InsertTagging :exec
insert into tag_builds (tag_id, build_id, package_id, create_event) values (@tag_id, @build_id, @package_id, @create_event);

-- name: RevokeTagging :execrows
update tag_builds set revoke_event = @revoke_event where tag_id = @tag_id and build_id = @build_id and revoke_event is null;

-- name: GroupByName :one
select * from groups where name = @name;

-- name: AddGroup :one
insert into groups (name) values (@name) on conflict (name) do update set name = excluded.name returning id;

-- name: InsertGroupConfig :exec
insert into group_config (tag_id, group_id, blocked, exported, display_name, is_default, uservisible, description, langonly, biarchonly, create_event)
values (@tag_id, @group_id, @blocked, @exported, @display_name, @is_default, @uservisible, @description, @langonly, @biarchonly, @create_event);

-- name: RevokeGroupConfig :execrows
update group_config set revoke_event = @revoke_event where tag_id = @tag_id and group_id = @group_id and revoke_event is null;

-- name: InsertGroupPackage :exec
insert into group_package_listing (tag_id, group_id, package, blocked, type, basearchonly, requires, create_event)
values (@tag_id, @group_id, @package, @blocked, @type, @basearchonly, @requires, @create_event);

-- name: RevokeGroupPackage :execrows
update group_package_listing set revoke_event = @revoke_event
where tag_id = @tag_id and group_id = @group_id and package = @package and revoke_event is null;

-- name: InsertGroupRequire :exec
insert into group_req_listing (tag_id, group_id, req_id, blocked, type, is_metapkg, create_event)
values (@tag_id, @group_id, @req_id, @blocked, @type, @is_metapkg, @create_event);

-- name: RevokeGroupRequire :execrows
update group_req_listing set revoke_event = @revoke_event
where tag_id = @tag_id and group_id = @group_id and req_id = @req_id and revoke_event is null;

-- name: InsertTagModule :exec
insert into tag_modules (tag_id, kind, name, arch, sha256, text, create_event)
values (@tag_id, @kind, @name, @arch, @sha256, @text, @create_event);

-- name: RevokeTagModule :execrows
update tag_modules set revoke_event = @revoke_event where tag_id = @tag_id and kind = @kind and name = @name and revoke_event is null;

-- name: TargetByName :one
-- The target as it is, or as it was before it was removed.
select t.*, b.name as build_tag_name, d.name as dest_tag_name
from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
where t.name = @name order by (t.revoke_event is null) desc, t.id desc limit 1;

-- name: RenameTarget :exec
update build_targets set name = @new_name where name = @name;

-- name: GroupPackageBlocked :one
-- Whether the tag itself blocks a package in a group.
select exists (select 1 from group_package_listing
    where tag_id = @tag_id and group_id = @group_id and package = @package and blocked and revoke_event is null);

-- name: GroupRequireBlocked :one
-- Whether the tag itself blocks a requirement of a group.
select exists (select 1 from group_req_listing
    where tag_id = @tag_id and group_id = @group_id and req_id = @req_id and blocked and revoke_event is null);

-- name: SetBuildReason :exec
update builds set reason = @reason where id = @id;

-- What follows reads the whole tag model for distro.yaml, as it is (event 0) or
-- as an event left it.

-- name: DistroTags :many
select t.id, t.name, c.arches, p.name as perm, c.locked,
       (select count(*) from tag_builds b where b.tag_id = t.id and b.revoke_event is null) as builds
from tags t join tag_config c on c.tag_id = t.id left join permissions p on p.id = c.perm_id
where (@event::bigint = 0 and c.revoke_event is null)
   or (@event > 0 and c.create_event <= @event and (c.revoke_event is null or c.revoke_event > @event));

-- name: DistroExtra :many
select x.tag_id, x.key, x.value from tag_extra x
where (@event::bigint = 0 and x.revoke_event is null)
   or (@event > 0 and x.create_event <= @event and (x.revoke_event is null or x.revoke_event > @event));

-- name: DistroLinks :many
select i.tag_id, p.name as parent, i.priority, i.maxdepth, i.intransitive, i.noconfig, i.pkg_filter
from tag_inheritance i join tags p on p.id = i.parent_id
where (@event::bigint = 0 and i.revoke_event is null)
   or (@event > 0 and i.create_event <= @event and (i.revoke_event is null or i.revoke_event > @event));

-- name: DistroExternalRepos :many
select r.tag_id, r.name, r.url, r.priority from tag_external_repos r
where (@event::bigint = 0 and r.revoke_event is null)
   or (@event > 0 and r.create_event <= @event and (r.revoke_event is null or r.revoke_event > @event));

-- name: DistroGroups :many
select c.tag_id, g.name, c.blocked, c.exported, c.display_name, c.is_default, c.uservisible, c.description, c.langonly, c.biarchonly
from group_config c join groups g on g.id = c.group_id
where (@event::bigint = 0 and c.revoke_event is null)
   or (@event > 0 and c.create_event <= @event and (c.revoke_event is null or c.revoke_event > @event));

-- name: DistroGroupPackages :many
select l.tag_id, g.name, l.package, l.blocked, l.type, l.basearchonly, l.requires
from group_package_listing l join groups g on g.id = l.group_id
where (@event::bigint = 0 and l.revoke_event is null)
   or (@event > 0 and l.create_event <= @event and (l.revoke_event is null or l.revoke_event > @event));

-- name: DistroGroupRequires :many
select l.tag_id, g.name, r.name as required, l.blocked, l.type
from group_req_listing l join groups g on g.id = l.group_id join groups r on r.id = l.req_id
where (@event::bigint = 0 and l.revoke_event is null)
   or (@event > 0 and l.create_event <= @event and (l.revoke_event is null or l.revoke_event > @event));

-- name: DistroPackages :many
-- An entry without an owner is none.
select l.tag_id, p.name, u.name as owner, l.blocked, l.extra_arches
from tag_packages l
join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id
join packages p on p.id = l.package_id
join users u on u.id = o.owner_id
where (@event::bigint = 0 and l.revoke_event is null and o.revoke_event is null)
   or (@event > 0 and l.create_event <= @event and (l.revoke_event is null or l.revoke_event > @event)
       and o.create_event <= @event and (o.revoke_event is null or o.revoke_event > @event));

-- name: DistroTargets :many
select t.name, b.name as build_tag, d.name as dest_tag, t.branches, t.lagging, t.best_effort, t.noarch_content, t.repo_lag_seconds
from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
where (@event::bigint = 0 and t.revoke_event is null)
   or (@event > 0 and t.create_event <= @event and (t.revoke_event is null or t.revoke_event > @event));

-- name: TagsHoldingNow :many
select tag_id from tag_builds where build_id = @build_id and revoke_event is null order by tag_id;

-- name: PermissionNames :many
select name from permissions order by name;

-- name: DistroUsers :many
select name from users where name = any (@names::text[]);

-- name: AddOwner :exec
insert into users (name) values (@name) on conflict do nothing;

-- name: AddPackages :exec
insert into packages (name) select unnest(@names::text[]) on conflict do nothing;

-- name: RevokeTagPackages :exec
update tag_packages l set revoke_event = @revoke_event from packages p
where p.id = l.package_id and l.tag_id = @tag_id and p.name = any (@names::text[]) and l.revoke_event is null;

-- name: RevokeTagPackageOwners :exec
update tag_package_owners o set revoke_event = @revoke_event from packages p
where p.id = o.package_id and o.tag_id = @tag_id and p.name = any (@names::text[]) and o.revoke_event is null;

-- name: InsertTagPackages :exec
-- Entries are objects of name, blocked and extra_arches.
insert into tag_packages (tag_id, package_id, blocked, extra_arches, create_event)
select @tag_id, p.id, (entry ->> 'blocked')::boolean, entry ->> 'extra_arches', @create_event
from jsonb_array_elements(@entries::jsonb) as entry join packages p on p.name = entry ->> 'name';

-- name: InsertTagPackageOwners :exec
-- Entries are objects of name and owner.
insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
select @tag_id, p.id, u.id, @create_event
from jsonb_array_elements(@entries::jsonb) as entry
join packages p on p.name = entry ->> 'name' join users u on u.name = entry ->> 'owner';

-- name: AddUser :execrows
insert into users (name) values (@name) on conflict (name) do nothing;

-- name: SetUserEnabled :execrows
update users set enabled = @enabled where id = @id and enabled <> @enabled;

-- name: ListUsers :many
-- Every user with the permissions held after an event.
select u.id, u.name, u.enabled, u.created_at,
    coalesce(array_agg(p.name order by p.name) filter (where p.name is not null), '{}')::text[] as perms
from users u
left join user_perms up on up.user_id = u.id and up.create_event <= @event and (up.revoke_event is null or up.revoke_event > @event)
left join permissions p on p.id = up.perm_id
group by u.id order by u.name;

-- name: AddPermission :execrows
insert into permissions (name, description) values (@name, @description) on conflict (name) do nothing;

-- name: ListPermissions :many
-- Every permission with those who hold it after an event.
select p.id, p.name, p.description,
    coalesce(array_agg(u.name order by u.name) filter (where u.name is not null), '{}')::text[] as users
from permissions p
left join user_perms up on up.perm_id = p.id and up.create_event <= @event and (up.revoke_event is null or up.revoke_event > @event)
left join users u on u.id = up.user_id
group by p.id order by p.name;

-- name: LockPermissions :exec
-- Makes others wait who change what users may.
lock table user_perms in share row exclusive mode;

-- name: GrantPermission :execrows
insert into user_perms (user_id, perm_id, create_event) values (@user_id, @perm_id, @create_event)
on conflict (user_id, perm_id) where revoke_event is null do nothing;

-- name: RevokePermission :execrows
update user_perms set revoke_event = @revoke_event where user_id = @user_id and perm_id = @perm_id and revoke_event is null;

-- name: OtherHolders :one
-- How many enabled users beside one hold a permission.
select count(*) from user_perms up join permissions p on p.id = up.perm_id join users u on u.id = up.user_id
where p.name = @perm and up.revoke_event is null and u.enabled and u.id <> @user_id;

-- name: AddToken :many
-- Nothing is returned when the user has a token of that name. A lifetime of 0
-- has no end.
insert into api_tokens (user_id, name, digest, expires_at)
values (@user_id, @name, @digest, case when @lifetime_seconds::float8 > 0 then now() + make_interval(secs => @lifetime_seconds) end)
on conflict (user_id, name) where revoked_at is null do nothing returning expires_at;

-- name: RevokeToken :execrows
update api_tokens set revoked_at = now() where user_id = @user_id and name = @name and revoked_at is null;

-- name: ListTokens :many
select t.id, u.name as user_name, u.enabled, t.name, t.created_at, t.expires_at, t.revoked_at, (coalesce(t.expires_at <= now(), false))::boolean as expired
from api_tokens t join users u on u.id = t.user_id
where sqlc.narg(user_name)::text is null or u.name = sqlc.narg(user_name) order by u.name, t.name, t.id;

-- name: UserOfToken :one
-- The user whom a token in force stands for.
select u.name from api_tokens t join users u on u.id = t.user_id
where t.digest = @digest and t.revoked_at is null and (t.expires_at is null or t.expires_at > now()) and u.enabled;

-- name: TagsListing :many
-- The tags whose own lists had a package after an event.
select l.tag_id, l.blocked from tag_packages l
join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id
    and o.create_event <= @event and (o.revoke_event is null or o.revoke_event > @event)
where l.package_id = @package_id and l.create_event <= @event and (l.revoke_event is null or l.revoke_event > @event);

-- name: TagsHolding :many
-- The tags that a build was in after an event.
select tag_id from tag_builds
where build_id = @build_id and create_event <= @event and (revoke_event is null or revoke_event > @event);

-- name: TargetsAfter :many
-- The targets there were after an event.
select t.id, t.name, t.build_tag, b.name as build_tag_name, t.dest_tag, d.name as dest_tag_name, t.branches,
       t.lagging, t.best_effort, t.noarch_content, t.repo_lag_seconds
from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
where t.create_event <= @event and (t.revoke_event is null or t.revoke_event > @event) order by t.name;

-- name: UserByName :one
select * from users where name = @name;

-- name: LastApplied :one
select digest from distro_applied;

-- name: NoteApplied :exec
insert into distro_applied (digest) values (@digest)
on conflict (one) do update set digest = excluded.digest, applied_at = now();

-- name: EndExpiredToken :exec
-- Gives the name of a token free that expired.
update api_tokens set revoked_at = expires_at
where user_id = @user_id and name = @name and revoked_at is null and expires_at <= now();
