-- Every published state of a tag's repository, numbered from 1 and never
-- changed once published.
create table repo_generations (
    id           bigint generated always as identity primary key,
    tag_id       bigint not null references tags,
    number       bigint not null,
    rev          bigint not null,
    state        text not null check (state in ('building', 'published', 'expired')),
    arches       text[] not null default '{}',
    packages     integer not null default 0,
    created_at   timestamptz not null default now(),
    published_at timestamptz,
    unique (tag_id, number)
);
create unique index repo_generations_rev on repo_generations (tag_id, rev) where state = 'published';

create table generation_rpms (
    generation_id bigint not null references repo_generations on delete cascade,
    rpm_id        bigint not null references rpms,
    arch          text not null,
    primary key (generation_id, arch, rpm_id)
);
