-- Koji's tag model, as far as a build needs it to find its buildroot and its
-- destination.
create table tags (
    id           bigint generated always as identity primary key,
    name         text not null,
    arches       text[] not null,
    -- Koji's "extra": rpm.macro.NAME sets a macro in the buildroot.
    extra        jsonb not null default '{}',
    -- want_rev is raised by every change of what the tag's repository holds;
    -- built_rev is what the published repository has seen. Comparing the two
    -- never loses a change that arrives while a repository is being made.
    want_rev     bigint not null default 1,
    built_rev    bigint not null default 0,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tags_name on tags (name) where revoke_event is null;

create table tag_inheritance (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    parent_id    bigint not null references tags,
    priority     integer not null,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_inheritance_parent on tag_inheritance (tag_id, parent_id) where revoke_event is null;
create unique index tag_inheritance_priority on tag_inheritance (tag_id, priority) where revoke_event is null;
create index tag_inheritance_children on tag_inheritance (parent_id) where revoke_event is null;

create table tag_external_repos (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    name         text not null,
    url          text not null,
    priority     integer not null,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_external_repos_name on tag_external_repos (tag_id, name) where revoke_event is null;

create table tag_group_packages (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    group_name   text not null,
    package      text not null,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_group_packages_name on tag_group_packages (tag_id, group_name, package)
    where revoke_event is null;

create table build_targets (
    id           bigint generated always as identity primary key,
    name         text not null,
    build_tag    bigint not null references tags,
    dest_tag     bigint not null references tags,
    branches     text[] not null,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index build_targets_name on build_targets (name) where revoke_event is null;

-- Branches whose pushes are nobody's business (globs).
create table ignored_branches (
    glob text primary key
);
