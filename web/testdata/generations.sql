-- A tag with a past: f37 has generations 1 to 2 of the fixture, then 3, which
-- brings libhello 1.3 and removes its -devel, by two events, and 4, which goes
-- back to 2, and is held. f37-build waits for what is not published.
insert into events (at, actor, what) values
    ('2026-02-20T08:00:00Z', 'pat', 'tag libhello-1.1-1.fc37 into f37'), ('2026-03-01T11:02:06Z', 'distbot', 'tag libhello-1.2-1.fc37 into f37'),
    ('2026-03-01T11:20:00Z', 'kim', 'tag libhello-1.3-1.fc37 into f37'), ('2026-03-01T11:21:00Z', 'pat', 'block libhello-devel'),
    ('2026-03-01T11:50:00Z', 'kim', 'tag hello-data-5-2.fc37 into f37');
insert into tag_revs (tag_id, rev, event, at)
select 1, v.rev, e.id, e.at from (values (7, 'tag libhello-1.1-1.fc37 into f37'), (8, 'tag libhello-1.2-1.fc37 into f37'), (9, 'tag libhello-1.3-1.fc37 into f37'),
    (10, 'block libhello-devel'), (11, 'tag hello-data-5-2.fc37 into f37')) v (rev, what) join events e on e.what = v.what;
update repo_generations g set event = r.event from tag_revs r where r.tag_id = g.tag_id and r.rev = g.rev;
insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, planned_nvr, version, release, nvr, state, created_at, finished_at)
select 1, 1, 'f37', 2, 1, false, 'refs/heads/f37', 'c0ffee3333333333333333333333333333333333', '2026-03-01T11:10:00Z', 'libhello.spec', 8, 'libhello-1.3-1.fc37', '1.3', '1.fc37', 'libhello-1.3-1.fc37',
       'COMPLETE', '2026-03-01T11:10:00Z', '2026-03-01T11:19:00Z';
insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
select b.id, 'libhello', 0, '1.3', '1.fc37', a.arch, false, repeat(a.digest, 32), 21000000, 0, 'packages/libhello/1.3/1.fc37/' || a.arch || '/libhello-1.3-1.fc37.' || a.arch || '.rpm'
from builds b, (values ('x86_64', 'f6'), ('riscv64', '07')) a (arch, digest) where b.nvr = 'libhello-1.3-1.fc37';
update repo_generations set bytes = 39018000 where id = 2;
update tags set want_rev = 11, built_rev = 10 where id = 1;
insert into repo_generations (tag_id, number, rev, state, arches, packages, bytes, created_at, published_at, event, rollback_of, actor, reason)
select 1, 3, 10, 'published', '{x86_64,riscv64}'::text[], 2, 42000000, '2026-03-01T11:21:01Z'::timestamptz, '2026-03-01T11:21:02Z'::timestamptz, r.event, null::bigint, '', ''
from tag_revs r where r.tag_id = 1 and r.rev = 10
union all
select 1, 4, 8, 'published', '{x86_64,riscv64}', 4, 39018000, '2026-03-01T11:40:00Z', '2026-03-01T11:40:01Z', r.event, 2, 'pat', 'libhello 1.3 <b>eats</b> files'
from tag_revs r where r.tag_id = 1 and r.rev = 8;
insert into repo_rpms (tag_id, arch, rpm_id, since, until)
select 1, r.arch, r.id, 2, third.id from repo_generations third, rpms r where third.tag_id = 1 and third.number = 3 and r.build_id = 1 and not r.source
union all
select 1, r.arch, r.id, third.id, fourth.id from repo_generations third, repo_generations fourth, rpms r
where third.tag_id = 1 and third.number = 3 and fourth.tag_id = 1 and fourth.number = 4 and r.version = '1.3'
union all
select 1, r.arch, r.id, fourth.id, null from repo_generations fourth, rpms r where fourth.tag_id = 1 and fourth.number = 4 and r.build_id = 1 and not r.source;
insert into repo_holds (tag_id, generation_id, made_id, actor, reason, at)
select 1, 2, g.id, 'pat', 'libhello 1.3 <b>eats</b> files', '2026-03-01T11:39:59Z' from repo_generations g where g.tag_id = 1 and g.number = 4;
insert into repo_holds (tag_id, generation_id, actor, reason, at) values (2, 3, 'kim', '', '2026-03-01T11:45:00Z');
update builds set need_rev = 9 where id = 3;
update tasks set waits_tag = b.build_tag, waits_rev = b.need_rev from builds b where b.id = tasks.build_id and b.id = 3 and tasks.state = 'FREE' and tasks.method in ('buildSRPM', 'buildArch');
update tasks set generation_id = 3 where build_id = 1 and method in ('buildSRPM', 'buildArch');
update task_attempts set generation_id = 3 where task_id = 4;
update buildroots set generation_id = 3 where id in (1, 2);
