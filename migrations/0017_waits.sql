-- What a waiting task's build needs of the repository of its build tag: the tag
-- and the revision that it must have seen. Null once it has: a scheduler finds
-- the tasks that may begin without looking at those that may not.
alter table tasks add column waits_tag bigint references tags, add column waits_rev bigint;

update tasks t set waits_tag = g.id, waits_rev = b.need_rev
from builds b join tags g on g.id = b.build_tag
where b.id = t.build_id and t.method in ('buildSRPM', 'buildArch') and t.state = 'FREE' and g.built_rev < b.need_rev;

drop index tasks_waiting;
create index tasks_waiting on tasks (channel, bin, priority, id)
    where state = 'FREE' and method in ('buildSRPM', 'buildArch') and waits_tag is null;
create index tasks_waiting_for_repository on tasks (waits_tag, priority, waits_rev, id)
    where state = 'FREE' and waits_tag is not null;
