-- Module documents of tags, each byte for byte as it was given. kind and name
-- say which document it is: a stream's name is N:S:V:C:A, that of defaults the
-- module, that of translations N:S, that of obsoletes N:S[:C]@MODIFIED. arch is
-- a stream document's architecture, '' where it has none or is no stream's.
create table tag_modules (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    kind         text not null check (kind in ('stream', 'defaults', 'obsoletes', 'translations')),
    name         text not null,
    arch         text not null default '',
    sha256       text not null,
    text         bytea not null,
    create_event bigint not null references events,
    revoke_event bigint references events
);
create unique index tag_modules_once on tag_modules (tag_id, kind, name) where revoke_event is null;
create index tag_modules_history on tag_modules (tag_id, create_event);

-- The ModularityLabel of the header, '' for packages that are not modular; null
-- as long as nobody has looked.
alter table rpms add column modularity_label text;

-- What the closure check found; null where none was asked for.
alter table repo_generations add column closure jsonb check (octet_length(closure::text) <= 1048576);

-- Why the repository that a tag wants is not made: the newest reason, since when
-- there was one. A refusal stays until the tag changes or somebody asks again,
-- what is failing is tried again. Gone with the next success.
create table repo_troubles (
    tag_id   bigint primary key references tags,
    kind     text not null check (kind in ('refused', 'failing')),
    reason   text not null,
    problems jsonb not null default '[]' check (octet_length(problems::text) <= 1048576),
    -- The revision that was not made.
    rev      bigint not null,
    since    timestamptz not null default now(),
    at       timestamptz not null default now()
);
