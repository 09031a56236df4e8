-- Which event raised a tag's revision: the repository of revision R shows the
-- tag as it was from R's event on, until that of the next revision. Null where a
-- repository was asked for without a change.
create table tag_revs (
    tag_id bigint not null references tags,
    rev    bigint not null,
    event  bigint references events,
    at     timestamptz not null default now(),
    primary key (tag_id, rev)
);

-- The event that a generation shows the tag at: no later one that changed the
-- tag is in it. A generation that brings back the content of another one names
-- that one.
alter table repo_generations
    add column event       bigint references events,
    add column rollback_of bigint references repo_generations,
    add column actor       text not null default '',
    add column reason      text not null default '';
drop index repo_generations_rev;
create unique index repo_generations_rev on repo_generations (tag_id, rev) where state = 'published' and rollback_of is null;

-- Tags whose repository stays the one somebody went back to, until they say
-- otherwise. generation_id is what they want, made_id what was made of it.
create table repo_holds (
    tag_id        bigint primary key references tags,
    generation_id bigint not null references repo_generations,
    made_id       bigint references repo_generations,
    actor         text not null,
    reason        text not null default '',
    at            timestamptz not null default now()
);

-- The metadata of packages, each rendered once in its life. Location and time
-- in it follow from the package. format changes when the text would.
create table rpm_fragments (
    sha256    text primary key,
    format    integer not null,
    "primary" bytea not null,
    filelists bytea not null,
    other     bytea not null
);
