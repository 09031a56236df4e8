-- The columns of River's tables that our queries touch, for sqlc alone. River
-- makes the tables itself (see package migrations).
create type river_job_state as enum ('available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled');
create table river_job (
    id bigserial primary key,
    state river_job_state not null,
    attempt smallint not null,
    max_attempts smallint not null,
    attempted_at timestamptz,
    created_at timestamptz not null,
    finalized_at timestamptz,
    scheduled_at timestamptz not null,
    priority smallint not null,
    args jsonb not null,
    attempted_by text[],
    errors jsonb[],
    kind text not null,
    metadata jsonb not null,
    queue text not null,
    tags varchar(255)[] not null
);
create table river_leader (leader_id text not null);
