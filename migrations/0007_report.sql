-- The outbox: for each (repository, commit, context) the status that should be
-- seen at the forge. seq counts what was asked for, sent_seq what is known to
-- have arrived; sending_seq marks an attempt whose outcome is unknown until
-- one of the two catches up.
create table reports (
    id            bigint generated always as identity primary key,
    repository_id bigint not null references repositories,
    commit_id     text not null,
    context       text not null,
    state         text not null check (state in ('pending', 'success', 'failure', 'error')),
    description   text not null,
    target_url    text not null,
    -- The guard of order: a status of an older build, or anything after a
    -- build's final state, changes nothing.
    build_id      bigint not null default 0,
    seq           bigint not null default 1,
    sending_seq   bigint not null default 0,
    sent_seq      bigint not null default 0,
    failures      integer not null default 0,
    last_error    text not null default '',
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    sent_at       timestamptz,
    unique (repository_id, commit_id, context)
);
create index reports_unsent on reports (id) where sent_seq < seq;
