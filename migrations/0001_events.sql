-- Every change of the tag model carries the event that made it and, once it
-- is undone, the event that revoked it (Koji's create_event/revoke_event), so
-- that any moment of the past can be asked for.
create table events (
    id    bigint generated always as identity primary key,
    at    timestamptz not null default now(),
    actor text not null,
    what  text not null
);
