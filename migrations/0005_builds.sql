create table packages (
    id   bigint generated always as identity primary key,
    name text not null unique
);

-- Repositories of dist-git, as their forges name them.
create table repositories (
    id             bigint generated always as identity primary key,
    forge          text not null,
    forge_repo_id  text not null,
    full_name      text not null,
    clone_url      text not null,
    default_branch text not null default '',
    unique (forge, forge_repo_id)
);

create table builds (
    id            bigint generated always as identity primary key,
    package_id    bigint not null references packages,
    repository_id bigint not null references repositories,
    target        text not null,
    build_tag     bigint not null references tags,
    dest_tag      bigint not null references tags,
    scratch       boolean not null,
    ref           text not null,
    commit_id     text not null,
    committed_at  timestamptz not null,
    pull_number   bigint,
    spec          text not null,
    -- The revision of the build tag's repository that the buildroots must have
    -- seen at least: what was tagged before the build began.
    need_rev      bigint not null,
    -- What the static reader made of the spec: a guess until the SRPM's
    -- header is read.
    planned_nvr   text not null default '',
    epoch         integer not null default 0,
    version       text not null default '',
    release       text not null default '',
    nvr           text,
    state         text not null default 'BUILDING'
                  check (state in ('BUILDING', 'COMPLETE', 'DELETED', 'FAILED', 'CANCELED')),
    reason        text not null default '',
    phase         text not null default '',
    task_id       bigint references tasks,
    retry_of      bigint references builds,
    -- The revision of the destination tag that holds the build.
    tagged_rev    bigint,
    published_at  timestamptz,
    created_at    timestamptz not null default now(),
    finished_at   timestamptz
);
-- An NVR is built once. Scratch builds are exempt, failed ones may be tried
-- again (Koji's rule).
create unique index builds_nvr on builds (nvr)
    where nvr is not null and not scratch and state in ('BUILDING', 'COMPLETE');
create index builds_package on builds (package_id, id desc);
create index builds_commit on builds (repository_id, commit_id);
create index builds_state on builds (state) where state = 'BUILDING';
create index builds_dest_unpublished on builds (dest_tag) where tagged_rev is not null and published_at is null;

alter table tasks add foreign key (build_id) references builds;

-- What was decided about a pushed commit, once per (repository, ref, commit,
-- target): planning the same push again finds its row and does nothing.
create table planned_pushes (
    id            bigint generated always as identity primary key,
    repository_id bigint not null references repositories,
    ref           text not null,
    commit_id     text not null,
    target        text not null default '',
    delivery_id   bigint references deliveries,
    build_id      bigint references builds,
    outcome       text not null check (outcome in ('build', 'none', 'refused')),
    reason        text not null default '',
    planned_at    timestamptz not null default now(),
    unique (repository_id, ref, commit_id, target)
);

-- The packages a buildroot held when the build ran.
create table buildroots (
    id         bigint generated always as identity primary key,
    task_id    bigint not null references tasks,
    attempt    integer not null,
    tag        text not null,
    arch       text not null,
    repo_key   text not null,
    driver     text not null,
    created_at timestamptz not null default now(),
    unique (task_id, attempt)
);
create table buildroot_rpms (
    buildroot_id bigint not null references buildroots on delete cascade,
    nevra        text not null,
    digest       text not null,
    primary key (buildroot_id, nevra)
);

-- Verified results of one attempt of a task, in the store but not yet part of
-- the distribution.
create table task_artifacts (
    task_id bigint not null references tasks on delete cascade,
    attempt integer not null,
    name    text not null,
    kind    text not null check (kind in ('srpm', 'rpm', 'log')),
    sha256  text not null,
    size    bigint not null,
    arch    text not null default '',
    epoch   integer not null default 0,
    rpm_name text not null default '',
    version text not null default '',
    release text not null default '',
    build_time bigint not null default 0,
    primary key (task_id, attempt, name)
);

create table rpms (
    id           bigint generated always as identity primary key,
    build_id     bigint not null references builds,
    buildroot_id bigint references buildroots,
    name         text not null,
    epoch        integer not null,
    version      text not null,
    release      text not null,
    arch         text not null,
    source       boolean not null,
    sha256       text not null,
    size         bigint not null,
    build_time   bigint not null,
    path         text not null,
    unique (build_id, name, version, release, arch, source)
);
create index rpms_sha256 on rpms (sha256);
create index rpms_nvra on rpms (name, version, release, arch);

create table tag_builds (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    build_id     bigint not null references builds,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_builds_once on tag_builds (tag_id, build_id) where revoke_event is null;
create index tag_builds_build on tag_builds (build_id);
