-- Tags on top of fixture.sql, events 3 to 8: f37-build inherits f37-override, f37, base and,
-- through base, core, each by another kind of link; f36 was removed.
insert into users (name) values ('pat'), ('kim');
insert into events (at, actor, what) values
    ('2026-02-10T09:00:00Z', 'pat', 'apply distro.yaml'),
    ('2026-02-12T10:00:00Z', 'kim', 'tag build base hello-1.0-1.base'),
    ('2026-02-15T10:00:00Z', 'kim', 'tag block-pkg f37-build gcc'),
    ('2026-02-20T10:00:00Z', 'pat', 'tag remove f36'),
    ('2026-02-25T10:00:00Z', 'kim', 'tag build base hello-1.1-1.base'),
    ('2026-02-28T10:00:00Z', 'kim', 'tag edit --lock base');

insert into tags (name, arches, want_rev, built_rev, create_event, revoke_event) values
    ('base', '{x86_64}', 3, 3, 3, null), ('core', '{x86_64,riscv64}', 1, 1, 3, null),
    ('f37-override', '{x86_64,riscv64}', 1, 1, 3, null), ('f36', '{x86_64}', 1, 1, 3, 6);
insert into tag_config (tag_id, arches, perm_id, locked, create_event, revoke_event)
select t.id, c.arches, (select id from permissions where name = c.perm), c.locked, c.made, c.gone
from (values ('base', 'x86_64', null, false, 3, 8), ('base', 'x86_64', 'admin', true, 8, null), ('core', 'x86_64 riscv64', null, false, 3, null),
    ('f37-override', null, null, false, 3, null), ('f36', 'x86_64', null, false, 3, 6)) as c (tag, arches, perm, locked, made, gone)
join tags t on t.name = c.tag;
insert into tag_inheritance (tag_id, parent_id, priority, maxdepth, intransitive, noconfig, pkg_filter, create_event)
select c.id, p.id, l.priority, l.maxdepth, l.intransitive, l.noconfig, l.filter, 3
from (values ('f37-build', 'f37-override', 0, null, true, false, ''), ('f37-build', 'base', 20, 1, false, true, '^(?!kernel$)'),
    ('f37-override', 'base', 5, 0, false, false, '^lib'), ('base', 'core', 10, null::integer, false, false, '')) as l (child, parent, priority, maxdepth, intransitive, noconfig, filter)
join tags c on c.name = l.child join tags p on p.name = l.parent;
insert into tag_extra (tag_id, key, value, create_event)
select t.id, x.key, x.value, 3
from (values ('f37-build', 'mock.package_manager', '"dnf"'), ('f37-build', 'rpm.macro.vendor', null), ('f37', 'rpm.macro.dist', '".fc37"'),
    ('f37', 'rpm.macro.vendor', '"Example"'), ('base', 'repo.auto', 'true')) as x (tag, key, value)
join tags t on t.name = x.tag;
insert into tag_external_repos (tag_id, name, url, priority, create_event)
select t.id, x.name, x.url, x.priority, 3
from (values ('f37-build', 'bootstrap', 'https://mirror.example/f36/$arch/', 10), ('core', 'vendor', 'https://vendor.example/$arch/', 5)) as x (tag, name, url, priority)
join tags t on t.name = x.tag;

insert into packages (name) values ('gcc'), ('kernel'), ('glibc');
insert into tag_packages (tag_id, package_id, blocked, extra_arches, create_event)
select t.id, p.id, x.blocked, x.arches, x.made
from (values ('base', 'gcc', false, null, 3), ('base', 'kernel', false, 'i686', 3), ('base', 'hello', false, null, 3),
    ('f37-build', 'gcc', true, null, 5), ('core', 'glibc', false, 'i686 armv7hl', 3)) as x (tag, package, blocked, arches, made)
join tags t on t.name = x.tag join packages p on p.name = x.package;
insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
select l.tag_id, l.package_id, (select id from users where name = 'kim'), l.create_event
from tag_packages l where not exists (select 1 from tag_package_owners o where o.tag_id = l.tag_id and o.package_id = l.package_id);
insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec,
                    need_rev, planned_nvr, epoch, version, release, nvr, state, published_at, created_at, finished_at)
select p.id, 2, 'base', 2, t.id, false, 'refs/heads/base', md5(x.version), '2026-02-11T10:00:00Z', p.name || '.spec',
       1, p.name || '-' || x.version || '-1.base', 0, x.version, '1.base', p.name || '-' || x.version || '-1.base', 'COMPLETE',
       '2026-02-11T11:00:00Z', '2026-02-11T10:00:00Z', '2026-02-11T10:30:00Z'
from (values ('hello', '1.0'), ('hello', '1.1'), ('gcc', '12.2'), ('kernel', '6.1'), ('glibc', '2.36')) as x (package, version)
join packages p on p.name = x.package, tags t where t.name = 'base' order by 1, x.version;
insert into tag_builds (tag_id, build_id, package_id, create_event)
select t.id, b.id, b.package_id, x.made
from (values ('base', 'hello-1.0-1.base', 4), ('base', 'hello-1.1-1.base', 7), ('base', 'gcc-12.2-1.base', 4), ('base', 'kernel-6.1-1.base', 4),
    ('core', 'glibc-2.36-1.base', 4)) as x (tag, nvr, made)
join tags t on t.name = x.tag join builds b on b.nvr = x.nvr;

insert into groups (name) values ('build'), ('srpm-build'), ('games');
insert into group_config (group_id, tag_id, blocked, exported, display_name, is_default, uservisible, description, create_event)
select g.id, t.id, x.blocked, true, x.title, x.is_default, x.visible, x.text, 3
from (values ('base', 'build', false, 'build', false, false, 'What every buildroot holds.'), ('base', 'srpm-build', false, 'srpm-build', false, false, null),
    ('base', 'games', false, 'Games and Fun', true, true, null), ('f37-build', 'games', true, null, null::boolean, null::boolean, null))
    as x (tag, name, blocked, title, is_default, visible, text)
join tags t on t.name = x.tag join groups g on g.name = x.name;
insert into group_package_listing (group_id, tag_id, package, blocked, type, requires, create_event)
select g.id, t.id, x.package, x.blocked, x.type, x.requires, 3
from (values ('base', 'build', 'bash', false, 'mandatory', null), ('base', 'build', 'gcc', false, 'mandatory', null), ('base', 'build', 'make', false, 'mandatory', null),
    ('f37-build', 'build', 'gcc', true, 'mandatory', null), ('f37-build', 'build', 'clang', false, 'default', null),
    ('base', 'build', 'gcc-riscv', false, 'conditional', 'glibc'), ('base', 'srpm-build', 'rpm-build', false, 'mandatory', null),
    ('base', 'games', 'nethack', false, 'optional', null)) as x (tag, name, package, blocked, type, requires)
join tags t on t.name = x.tag join groups g on g.name = x.name;
insert into group_req_listing (group_id, tag_id, req_id, create_event)
select g.id, t.id, r.id, 3 from groups g, groups r, tags t where g.name = 'srpm-build' and r.name = 'build' and t.name = 'base';

-- Of the past: a package that was listed, a build that was untagged, a target.
insert into tag_packages (tag_id, package_id, create_event, revoke_event) select t.id, p.id, 3, 6 from tags t, packages p where t.name = 'f36' and p.name = 'hello';
insert into build_targets (name, build_tag, dest_tag, branches, create_event, revoke_event)
select 'f36', b.id, d.id, '{f36}', 3, 6 from tags b, tags d where b.name = 'f37-build' and d.name = 'f36';
insert into build_targets (name, build_tag, dest_tag, branches, create_event)
select 'base', b.id, b.id, '{}', 3 from tags b where b.name = 'base';
