-- What an architecture's failure means to a build. The build waits for blocking
-- ones and fails with them; the packages of lagging ones join it when they are
-- ready; that a best-effort one failed is told, and nothing more.
alter table build_targets
    add lagging        text[] not null default '{}',
    add best_effort    text[] not null default '{}',
    add noarch_content text not null default 'warn' check (noarch_content in ('warn', 'fail'));

alter table tasks
    -- The target's, as it was when the task was made.
    add policy      text not null default 'blocking' check (policy in ('blocking', 'lagging', 'best-effort')),
    -- When the packages an arch task made became part of its build.
    add imported_at timestamptz;
update tasks t set imported_at = t.finished_at
from builds b where b.id = t.build_id and b.state in ('COMPLETE', 'DELETED') and t.method = 'buildArch' and t.state = 'CLOSED';

-- Whether noarch packages that differ in content only fail the build: the
-- target's, as it was when the arch tasks were made.
alter table builds add noarch_content text not null default 'warn' check (noarch_content in ('warn', 'fail'));

-- Architectures of the build tag that a build makes no packages for, and why.
create table build_skipped_arches (
    build_id bigint not null references builds on delete cascade,
    arch     text not null,
    reason   text not null,
    primary key (build_id, arch)
);

-- What is worth a look about a build and does not stop it.
create table build_warnings (
    id         bigint generated always as identity primary key,
    build_id   bigint not null references builds on delete cascade,
    text       text not null,
    created_at timestamptz not null default now(),
    unique (build_id, text)
);
