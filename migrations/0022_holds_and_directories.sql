-- built_rev is what the newest generation shows, lower than it was while somebody
-- went back to an older one: who waits for what that one lacks goes on waiting.
update tags t set built_rev = g.rev
from repo_holds h join repo_generations g on g.id = h.generation_id
where h.tag_id = t.id and h.made_id is not null;

update tasks t set waits_tag = g.id, waits_rev = b.need_rev
from builds b join tags g on g.id = b.build_tag
where b.id = t.build_id and t.method in ('buildSRPM', 'buildArch') and t.state = 'FREE' and t.waits_tag is null and g.built_rev < b.need_rev;

comment on column tags.built_rev is 'what the newest generation shows: of a held tag, what the generation showed that somebody went back to';

-- Whether a task whose build needs a revision of a tag must wait: until there is
-- one that shows it, and until what somebody goes back to is there.
create function repo_lacks(tag tags, need bigint) returns boolean language sql stable as $$
    select tag.built_rev < need or exists (select from repo_holds h where h.tag_id = tag.id and h.made_id is null)
$$;

-- The revision that a build needs which is asked for now: want unless the tag is
-- held, for then what it is held at is what builds are to be made with.
create function rev_to_build_with(tag bigint, want bigint) returns bigint language sql stable as $$
    select coalesce((select g.rev from repo_holds h join repo_generations g on g.id = h.generation_id where h.tag_id = tag), want)
$$;

-- Who holds a tag, since when and why, in words that follow "the repository of
-- TAG is"; null where nobody does.
create function hold_words(tag bigint) returns text language sql stable as $$
    select concat('held at generation ', g.number, ' since ', to_char(h.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), ' UTC by ', h.actor,
                  case when h.reason <> '' then concat(' (', h.reason, ')') end)
    from repo_holds h join repo_generations g on g.id = h.generation_id where h.tag_id = tag
$$;

-- The directory of a generation's tree: the name that its tag had when it was
-- made. Of one name each number is given once, whichever tags have it one after
-- the other: what was served under it is never something else.
alter table repo_generations add directory text;
update repo_generations g set directory = t.name from tags t where t.id = g.tag_id;
alter table repo_generations alter directory set not null;
create unique index repo_generations_directory on repo_generations (directory, number desc);

create function name_generation() returns trigger language plpgsql as $$
begin
    new.directory = (select name from tags where id = new.tag_id);
    return new;
end
$$;
create trigger repo_generations_name before insert on repo_generations
    for each row when (coalesce(new.directory, '') = '') execute function name_generation();

-- Removed tags are held no more, should they come again.
delete from repo_holds h using tags t where t.id = h.tag_id and t.revoke_event is not null;
