-- The whole of Koji's tag model. Rows carry the event that made them and the
-- one that revoked them; who did it is the actor of that event. Who asks for a
-- moment E wants rows with create_event <= E and no revoke_event or one after E.
create index events_at on events (at);
-- The time at which an event gets its number, not that at which its transaction
-- began to wait for others: times follow numbers.
alter table events alter at set default clock_timestamp();

create table users (
    id         bigint generated always as identity primary key,
    name       text not null unique,
    enabled    boolean not null default true,
    created_at timestamptz not null default now()
);
-- The installation itself, which tags what its targets built, and who may do
-- everything until there are others.
insert into users (name) values ('distbot'), ('admin');

create table permissions (
    id          bigint generated always as identity primary key,
    name        text not null unique,
    description text not null default ''
);
insert into permissions (name, description) values
    ('admin', 'everything, and to override locks and permissions by force'),
    ('tag', 'tags, inheritance, package lists, groups, and tagging where nothing else is required'),
    ('target', 'build targets'),
    ('repo', 'repositories'),
    ('host', 'build hosts');

create table user_perms (
    id           bigint generated always as identity primary key,
    user_id      bigint not null references users,
    perm_id      bigint not null references permissions,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index user_perms_once on user_perms (user_id, perm_id) where revoke_event is null;
with install as (insert into events (actor, what) values ('distbot', 'install') returning id)
insert into user_perms (user_id, perm_id, create_event)
select u.id, p.id, i.id from users u, permissions p, install i where u.name = 'admin' and p.name = 'admin';

-- Only the SHA-256 of a token is kept: tokens are random, so it can't be guessed.
create table api_tokens (
    id         bigint generated always as identity primary key,
    user_id    bigint not null references users,
    name       text not null,
    digest     bytea not null unique,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create unique index api_tokens_name on api_tokens (user_id, name) where revoked_at is null;

-- A tag's own settings. arches: null inherits, '' is none.
create table tag_config (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    arches       text,
    perm_id      bigint references permissions,
    locked       boolean not null default false,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_config_once on tag_config (tag_id) where revoke_event is null;

-- value is JSON as it was written; null blocks what would be inherited.
create table tag_extra (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    key          text not null,
    value        text,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_extra_once on tag_extra (tag_id, key) where revoke_event is null;

insert into tag_config (tag_id, arches, create_event, revoke_event)
select id, array_to_string(arches, ' '), create_event, revoke_event from tags;
insert into tag_extra (tag_id, key, value, create_event, revoke_event)
select t.id, e.key, e.value::text, t.create_event, t.revoke_event from tags t, jsonb_each(t.extra) e;

-- A name belongs to one tag for good: who makes a tag again finds its history.
drop index tags_name;
create unique index tags_name on tags (name);
-- Raised with every change of a tag's settings, groups, external repositories or
-- inheritance, so that what is made of them can be remembered.
alter table tags add config_rev bigint not null default 0;
comment on column tags.arches is 'what tag_config and inheritance make of it now, kept by package tags for all others';
comment on column tags.extra is 'what tag_extra and inheritance make of it now, kept by package tags for all others';
comment on column tags.revoke_event is 'not null while there is no such tag';

alter table tag_inheritance
    add maxdepth integer,
    add intransitive boolean not null default false,
    add noconfig boolean not null default false,
    add pkg_filter text not null default '';
create index tag_inheritance_history on tag_inheritance (tag_id, create_event);

create table tag_packages (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    package_id   bigint not null references packages,
    blocked      boolean not null default false,
    extra_arches text,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_packages_once on tag_packages (tag_id, package_id) where revoke_event is null;
create index tag_packages_history on tag_packages (tag_id, create_event);
create index tag_packages_package on tag_packages (package_id, create_event);
create index tag_packages_revoked on tag_packages (tag_id, revoke_event) where revoke_event is not null;

create table tag_package_owners (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    package_id   bigint not null references packages,
    owner_id     bigint not null references users,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_package_owners_once on tag_package_owners (tag_id, package_id) where revoke_event is null;
create index tag_package_owners_history on tag_package_owners (tag_id, create_event);
create index tag_package_owners_package on tag_package_owners (package_id, create_event);

-- The package of a build is repeated beside its tagging: which build of each
-- package was tagged last is the commonest question, and must not read builds.
alter table tag_builds add package_id bigint references packages;
update tag_builds tb set package_id = b.package_id from builds b where b.id = tb.build_id;
alter table tag_builds alter package_id set not null;
create index tag_builds_newest on tag_builds (tag_id, package_id, create_event desc, build_id desc) where revoke_event is null;
create index tag_builds_history on tag_builds (tag_id, create_event);
create index tag_builds_package on tag_builds (package_id, create_event);
create index tag_builds_revoked on tag_builds (tag_id, revoke_event) where revoke_event is not null;

-- What is tagged stays listed.
insert into tag_packages (tag_id, package_id, create_event)
select tag_id, package_id, min(create_event) from tag_builds where revoke_event is null group by tag_id, package_id;
insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
select tag_id, package_id, (select id from users where name = 'distbot'), create_event from tag_packages;

create table groups (
    id   bigint generated always as identity primary key,
    name text not null unique
);
create table group_config (
    id           bigint generated always as identity primary key,
    group_id     bigint not null references groups,
    tag_id       bigint not null references tags,
    blocked      boolean not null default false,
    exported     boolean,
    display_name text,
    is_default   boolean,
    uservisible  boolean,
    description  text,
    langonly     text,
    biarchonly   boolean,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index group_config_once on group_config (tag_id, group_id) where revoke_event is null;
create table group_package_listing (
    id           bigint generated always as identity primary key,
    group_id     bigint not null references groups,
    tag_id       bigint not null references tags,
    package      text not null,
    blocked      boolean not null default false,
    type         text,
    basearchonly boolean,
    requires     text,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index group_package_listing_once on group_package_listing (tag_id, group_id, package) where revoke_event is null;
create table group_req_listing (
    id           bigint generated always as identity primary key,
    group_id     bigint not null references groups,
    tag_id       bigint not null references tags,
    req_id       bigint not null references groups,
    blocked      boolean not null default false,
    type         text,
    is_metapkg   boolean not null default false,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index group_req_listing_once on group_req_listing (tag_id, group_id, req_id) where revoke_event is null;

insert into groups (name) select distinct group_name from tag_group_packages;
insert into group_config (group_id, tag_id, exported, display_name, uservisible, biarchonly, create_event)
select g.id, p.tag_id, true, g.name, true, false, min(p.create_event)
from tag_group_packages p join groups g on g.name = p.group_name where p.revoke_event is null group by g.id, g.name, p.tag_id;
insert into group_package_listing (group_id, tag_id, package, type, create_event, revoke_event)
select g.id, p.tag_id, p.package, 'mandatory', p.create_event, p.revoke_event
from tag_group_packages p join groups g on g.name = p.group_name;
drop table tag_group_packages;

create index build_targets_tags on build_targets (build_tag, dest_tag) where revoke_event is null;

-- An NVR of a deleted build is never used again (Koji's rule).
drop index builds_nvr;
create unique index builds_nvr on builds (nvr)
    where nvr is not null and not scratch and state in ('BUILDING', 'COMPLETE', 'DELETED');
-- Who names a build means one of any state.
create index builds_any_nvr on builds (nvr) where not scratch;
-- What is tagged is complete but for rare exceptions, which this finds.
create index builds_not_complete on builds (id) where state <> 'COMPLETE';

-- The distribution file that was applied last. A server that starts with the
-- same one leaves alone what was changed by commands since.
create table distro_applied (
    one        boolean primary key default true check (one),
    digest     text not null,
    applied_at timestamptz not null default now()
);

-- The last builds of a target.
create index builds_target on builds (target, id desc);
