-- What of a package a generation serves where that is not the package as it was
-- imported, under its usual name: a signed copy, or one whose name another
-- package had first. All null for packages that are served as they were.
alter table generation_rpms add sha256 text, add size bigint, add href text,
    add check (num_nonnulls(sha256, size, href) in (0, 3));

-- Whether that was recorded: it was not by older versions, whose generations may
-- have served copies that were signed.
alter table repo_generations add copies_recorded boolean not null default false;

-- The event after which a tag was another than a generation shows that was made
-- of a revision of it; null while there is none.
create function event_after(tag bigint, shown bigint) returns bigint language sql stable as $$
    select r.event from tag_revs r where r.tag_id = tag and r.rev > shown and r.event is not null order by r.rev limit 1
$$;
