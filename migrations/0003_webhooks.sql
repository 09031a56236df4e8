-- Every authenticated delivery, with its exact body. A row and the River job
-- that plans it are written in one transaction.
create table deliveries (
    id           bigint generated always as identity primary key,
    forge        text not null,
    delivery_id  text not null,
    event        text not null,
    repository   text not null default '',
    ref          text not null default '',
    -- effect names what the delivery does: two hooks of one push arrive with
    -- different ids and the same effect. Null where doing it twice is meant.
    effect       text,
    state        text not null
                 check (state in ('received', 'planned', 'ignored', 'duplicate', 'failed')),
    reason       text not null default '',
    headers      jsonb not null,
    body         bytea not null,
    duplicate_of bigint references deliveries,
    received_at  timestamptz not null default now(),
    finished_at  timestamptz,
    unique (forge, delivery_id)
);
create unique index deliveries_effect on deliveries (forge, effect)
    where effect is not null and state in ('received', 'planned', 'ignored');
create index deliveries_received on deliveries (received_at desc);
