-- Builds that a tag has and the newest generation of its repository lacks, since
-- a package of theirs has no signature that the tag requires: who waits for them
-- goes on waiting. The publisher of the tag replaces its rows with each generation.
create table left_out_builds (
    tag_id   bigint not null references tags on delete cascade,
    build_id bigint not null references builds on delete cascade,
    reason   text not null, -- which package lacks whose signature
    stays    text not null, -- the build that is there instead, '' for none
    primary key (tag_id, build_id)
);
create index left_out_builds_build on left_out_builds (build_id);
