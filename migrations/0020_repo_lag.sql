-- How long after its build tag changed a target's builds may still begin with
-- the repository from before. 0: never, a build begins with a repository that
-- shows all that was tagged when it was asked for.
alter table build_targets add repo_lag_seconds bigint not null default 0 check (repo_lag_seconds between 0 and 604800);

-- The generation of the build tag that the buildroot of an attempt is made of;
-- null where it is made of none: before the attempt begins, where the tag has no
-- repository for the architecture, for what is made again as it was recorded.
alter table tasks add generation_id bigint references repo_generations;
alter table task_attempts add generation_id bigint references repo_generations;
alter table buildroots add generation_id bigint references repo_generations;

-- What older versions recorded of buildroots names the directory of the
-- generation.
update buildroots r set generation_id = g.id
from tasks t join builds b on b.id = t.build_id join repo_generations g on g.tag_id = b.build_tag
where t.id = r.task_id and r.recipe -> 'repos' -> 0 ->> 'name' = r.tag
  and substring(r.recipe -> 'repos' -> 0 ->> 'url' from '^file://.*/([0-9]+)/[^/]+$') = g.number::text;

-- What the packages of a generation have together, those of every architecture
-- counted.
alter table repo_generations add bytes bigint not null default 0;
update repo_generations g set bytes = coalesce(
    (select sum(r.size) from generation_rpms gr join rpms r on r.id = gr.rpm_id where gr.generation_id = g.id), 0);
