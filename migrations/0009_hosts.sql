-- Hosts build. A scheduler of the hub gives tasks to them, by Koji's rules:
-- channel, architecture, capacity and weight, priority, then age.

create table hosts (
    id          bigint generated always as identity primary key,
    name        text not null unique,
    -- A remote host reaches the hub over the network with credentials of its
    -- own; the others are part of a hub's process.
    remote      boolean not null default false,
    enabled     boolean not null default true,
    comment     text not null default '',
    -- What the host says of itself when it connects, and an administrator may
    -- narrow: null leaves it as the host said.
    arches      text[] not null default '{}',
    emulated    text[] not null default '{}',
    channels    text[] not null default '{default}',
    capacity    real not null default 2,
    capacity_set real,
    channels_set text[],
    driver      text not null default '',
    version     text not null default '',
    -- The process that is the host now; null when there is none. All that it
    -- works on rests on this lease.
    client_id   text,
    -- Which installation of the host's credentials that process runs in: two
    -- with the same credentials must not take the host from one another.
    instance    text not null default '',
    seen_at     timestamptz,
    -- Why the host takes no work at the moment, in its own words; empty when it
    -- does.
    unready     text not null default '',
    load_average real not null default 0,
    memory_free bigint not null default 0,
    disk_free   bigint not null default 0,
    created_at  timestamptz not null default now()
);

-- The queue of channel and architecture that a task waits in. noarch stands for
-- tasks that any of root_arches can build.
alter table tasks add column channel text not null default 'default';
alter table tasks add column bin text not null default 'noarch';
-- The architectures whose buildroots will do; root_arch is the one that was
-- chosen when the task was given to a host.
alter table tasks add column root_arches text[] not null default '{}';
-- Lower is sooner, as in Koji.
alter table tasks add column priority integer not null default 20;
alter table tasks add column not_before timestamptz not null default now();
alter table tasks add column host_id bigint references hosts;
alter table tasks add column assigned_at timestamptz;
-- How often a host died with the task, and how often it failed for reasons that
-- are not the package's.
alter table tasks add column losses integer not null default 0;
alter table tasks add column failures integer not null default 0;
-- SHA-256 of the secret that a remote host shows for the attempt.
alter table tasks add column token_digest bytea;
-- What the buildroot of the attempt is made of, until its results are there.
alter table tasks add column recipe jsonb;

update tasks t set root_arches = case when t.root_arch <> '' then array[t.root_arch] else g.arches end,
                   bin = case when t.root_arch <> '' and t.arch <> 'noarch' then t.root_arch else 'noarch' end
from builds b join tags g on g.id = b.build_tag
where b.id = t.build_id and t.method in ('buildSRPM', 'buildArch');

-- What older versions gave to processes starts again by the scheduler.
update tasks set state = 'FREE', river_job_id = null
where method in ('buildSRPM', 'buildArch') and state in ('OPEN', 'ASSIGNED');
update river_job set state = 'cancelled', finalized_at = now()
where kind in ('builders.srpm', 'builders.arch') and state in ('available', 'pending', 'retryable', 'scheduled');
update river_job set state = 'discarded', finalized_at = now()
where kind in ('builders.srpm', 'builders.arch') and state = 'running';

create index tasks_waiting on tasks (channel, bin, priority, id)
    where state = 'FREE' and method in ('buildSRPM', 'buildArch');
create index tasks_waiting_order on tasks (priority, id)
    where state = 'FREE' and method in ('buildSRPM', 'buildArch');
create index tasks_at_hosts on tasks (host_id) where state in ('ASSIGNED', 'OPEN');

alter table task_attempts add column host_id bigint references hosts;

-- A host that gave a task back, or failed at it for its own reasons, is not
-- asked again for a while.
create table task_refusals (
    task_id bigint not null references tasks on delete cascade,
    host_id bigint not null references hosts on delete cascade,
    until   timestamptz not null,
    reason  text not null,
    primary key (task_id, host_id)
);

-- Files that a remote host has sent for an attempt that has not ended.
create table task_uploads (
    task_id bigint not null references tasks on delete cascade,
    attempt integer not null,
    name    text not null,
    sha256  text not null,
    size    bigint not null,
    primary key (task_id, attempt, name)
);

-- The repositories of the hub that a remote host may read for an attempt: what
-- its buildroot is made of was decided when it began.
create table task_repos (
    task_id bigint not null references tasks on delete cascade,
    attempt integer not null,
    place   integer not null,
    dir     text not null,
    primary key (task_id, attempt, place)
);

-- Wakes the scheduler when there may be something to give to somebody. One
-- transaction wakes it once.
create function wake_scheduler() returns trigger language plpgsql as $$
begin
    perform pg_notify('distbot_schedule', '');
    return null;
end $$;
create trigger tasks_wake_insert after insert on tasks
    for each statement execute function wake_scheduler();
create trigger tasks_wake_update after update of state on tasks
    for each row when (new.method in ('buildSRPM', 'buildArch') and new.state <> old.state and new.state not in ('ASSIGNED', 'OPEN'))
    execute function wake_scheduler();
create trigger tags_wake after update of built_rev on tags
    for each row when (new.built_rev <> old.built_rev) execute function wake_scheduler();
create trigger hosts_wake after update of enabled, client_id, unready, capacity, capacity_set, channels, channels_set, arches on hosts
    for each row when ((new.enabled, new.client_id, new.unready, new.capacity, new.capacity_set, new.channels, new.channels_set, new.arches)
        is distinct from (old.enabled, old.client_id, old.unready, old.capacity, old.capacity_set, old.channels, old.channels_set, old.arches))
    execute function wake_scheduler();
