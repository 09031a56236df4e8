-- Builds that were asked for by hand: a chain of groups, each of which waits for
-- the repository that holds the builds of the one before. One build is a chain
-- of one group.
create table chains (
    id            bigint generated always as identity primary key,
    target        text not null,
    build_tag     bigint not null references tags,
    dest_tag      bigint not null references tags,
    scratch       boolean not null default false,
    -- Koji's arch_override: replaces the architectures; of scratch builds only.
    arches        text[] not null default '{}',
    priority      integer not null default 20,
    -- The chain ends only when the repositories hold the builds of its last
    -- group, too.
    wait_repo     boolean not null default false,
    owner         text not null,
    -- By the names of tasks: FREE until every commit is found and judged.
    state         text not null default 'FREE' check (state in ('FREE', 'OPEN', 'CLOSED', 'CANCELED', 'FAILED')),
    reason        text not null default '',
    -- The group that is being built, counted from 1.
    current_group integer not null default 0,
    created_at    timestamptz not null default now(),
    finished_at   timestamptz
);
create index chains_at_work on chains (build_tag, dest_tag) where state = 'OPEN';

create table chain_builds (
    chain_id      bigint not null references chains on delete cascade,
    group_number  integer not null,
    position      integer not null,
    -- PACKAGE or REPOSITORY, and #REF, as it was asked for.
    asked         text not null,
    -- What the hub found: the commits of all groups are settled before anything
    -- is built.
    repository_id bigint references repositories,
    package_id    bigint references packages,
    ref           text not null default '',
    commit_id     text not null default '',
    committed_at  timestamptz,
    spec          text not null default '',
    planned_nvr   text not null default '',
    build_id      bigint references builds,
    primary key (chain_id, group_number, position)
);
create index chain_builds_build on chain_builds (build_id) where build_id is not null;

-- Koji's arch_override of a scratch build.
alter table builds add column arch_override text[] not null default '{}';
-- A quiet build tells the forge nothing: nobody who pushed waits for it.
alter table builds add column quiet boolean not null default false;
-- The revision of its build tag that was wanted when the build was tagged: if
-- the build tag inherits from the destination, the one that holds the build.
alter table builds add column build_tag_rev bigint;
-- The build that this one makes again in the same buildroots, to be compared.
alter table builds add column rebuild_of bigint references builds;

-- The task of another build whose results this task has.
alter table tasks add column copy_of bigint references tasks;

-- What a buildroot was made of besides its packages, as a recipe in JSON:
-- install, macros, and the names and URLs of repositories. Null where it was
-- not recorded.
alter table buildroots add column recipe jsonb;
-- Where a package of a buildroot came from: the repository by its name there,
-- and the SHA-256 of its file. Empty where that is not known.
alter table buildroot_rpms add column repo text not null default '';
alter table buildroot_rpms add column sha256 text not null default '';

-- Builds made again in the buildroots they were made in, and how their packages
-- compare.
create table rebuilds (
    id          bigint generated always as identity primary key,
    original_id bigint not null references builds,
    -- The architectures whose tasks are done again; of all of them if empty.
    arches      text[] not null default '{}',
    owner       text not null,
    build_id    bigint references builds,
    state       text not null default 'FREE' check (state in ('FREE', 'OPEN', 'CLOSED', 'FAILED')),
    -- identical or different once it is CLOSED.
    verdict     text not null default '' check (verdict in ('', 'identical', 'different')),
    reason      text not null default '',
    -- What differs, or what could not be had, as JSON.
    result      jsonb,
    created_at  timestamptz not null default now(),
    finished_at timestamptz
);
create index rebuilds_original on rebuilds (original_id, id desc);
create index rebuilds_build on rebuilds (build_id) where build_id is not null;
