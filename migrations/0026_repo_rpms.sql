-- What the repositories of tags have held, and from which generation to which. A
-- generation differs from the one before by a few packages: with a row for each
-- package of each generation, those who wait for one waited for thousands of them.
create table repo_rpms (
    tag_id bigint not null references tags,
    arch   text not null, -- whose repository it is
    rpm_id bigint not null references rpms,
    since  bigint not null references repo_generations, -- the first that had it
    until  bigint references repo_generations,          -- the first without it; null while there is none
    -- What is served of it, where that is not the package as it was imported, under
    -- its usual name: a signed copy, or one whose name another package had first.
    sha256 text,
    size   bigint,
    href   text,
    primary key (rpm_id, tag_id, arch, since),
    check (since < until),
    check (num_nonnulls(sha256, size, href) in (0, 3))
);
create unique index repo_rpms_newest on repo_rpms (tag_id, arch, rpm_id) where until is null;
-- Recent generations are asked for: what they hold has mostly not ended.
create index repo_rpms_tag on repo_rpms (tag_id, until);

-- Runs of published generations of a tag that follow each other and have a
-- package in common: in each, the place among all of them less that among those
-- with the package is the same.
with published as (
    select id, tag_id, row_number() over (partition by tag_id order by id) as place,
           lead(id) over (partition by tag_id order by id) as next
    from repo_generations where published_at is not null
), held as (
    select p.tag_id, gr.arch, gr.rpm_id, gr.sha256, gr.size, gr.href, p.id, p.place,
           p.place - row_number() over (partition by p.tag_id, gr.arch, gr.rpm_id, gr.sha256, gr.size, gr.href order by p.place) as run
    from generation_rpms gr join published p on p.id = gr.generation_id
), runs as (
    select tag_id, arch, rpm_id, sha256, size, href, min(id) as since, max(id) as last
    from held group by tag_id, arch, rpm_id, sha256, size, href, run
)
insert into repo_rpms (tag_id, arch, rpm_id, since, until, sha256, size, href)
select r.tag_id, r.arch, r.rpm_id, r.since, p.next, r.sha256, r.size, r.href from runs r join published p on p.id = r.last;

drop table generation_rpms;

-- The packages of every generation that was published.
create view generation_rpms as
select g.id as generation_id, r.rpm_id, r.arch, r.sha256, r.size, r.href
from repo_generations g join repo_rpms r on r.tag_id = g.tag_id and r.since <= g.id and (r.until is null or r.until > g.id)
where g.published_at is not null;
