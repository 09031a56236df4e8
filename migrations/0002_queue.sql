-- The task tree and who works on it. A task is one step of a build; River
-- rows come and go, tasks stay.
create table tasks (
    id            bigint generated always as identity primary key,
    parent_id     bigint references tasks,
    build_id      bigint not null,
    method        text not null check (method in ('build', 'buildSRPM', 'buildArch', 'tagBuild', 'newRepo')),
    arch          text not null default '',
    -- The architecture of the buildroot, which a noarch task must name too.
    root_arch     text not null default '',
    label         text not null,
    state         text not null default 'FREE'
                  check (state in ('FREE', 'OPEN', 'CLOSED', 'CANCELED', 'ASSIGNED', 'FAILED')),
    -- attempt counts how often work on the task began. Every write of a result
    -- names the attempt it belongs to, so that a worker that was given up can
    -- never overwrite its successor.
    attempt       integer not null default 0,
    river_job_id  bigint,
    client_id     text,
    weight        real not null default 1,
    phase         text not null default '',
    reason        text not null default '',
    failure       text not null default '' check (failure in ('', 'package', 'infrastructure')),
    created_at    timestamptz not null default now(),
    started_at    timestamptz,
    finished_at   timestamptz
);
create index tasks_parent on tasks (parent_id);
create index tasks_build on tasks (build_id);
create unique index tasks_one_per_arch on tasks (build_id, method, arch);

-- How earlier attempts of a task ended.
create table task_attempts (
    task_id     bigint not null references tasks on delete cascade,
    attempt     integer not null,
    client_id   text not null,
    started_at  timestamptz not null,
    ended_at    timestamptz not null default now(),
    outcome     text not null,
    primary key (task_id, attempt)
);

-- One row per running process: the lease on everything it works on. A process
-- that has not renewed its lease is dead, and so is one whose pid is gone from
-- the same kernel and pid namespace.
create table leases (
    client_id     text primary key,
    host          text not null,
    boot_id       text not null,
    pid_namespace text not null,
    pid           integer not null,
    pid_start     bigint not null,
    roles         text[] not null,
    arches        text[] not null,
    started_at    timestamptz not null default now(),
    seen_at       timestamptz not null default now()
);
