-- An installation at noon of 2026-03-01: build 1 is done and published, 2
-- failed, 3 runs, 4 is a scratch build of a pull request that was canceled, 5
-- is complete and about to be published.
insert into events (at, actor, what) values ('2026-02-01T00:00:00Z', 'pat', 'apply distro.yaml');
insert into tags (name, arches, want_rev, built_rev, create_event) values
    ('f37', '{x86_64,riscv64}', 8, 8, 1), ('f37-build', '{x86_64,riscv64}', 9, 8, 1), ('f38', '{riscv64}', 1, 0, 1);
insert into tag_config (tag_id, arches, create_event) select id, array_to_string(arches, ' '), 1 from tags;
insert into tag_inheritance (tag_id, parent_id, priority, create_event) values (2, 1, 10, 1);
insert into build_targets (name, build_tag, dest_tag, branches, create_event) values ('f37', 2, 1, '{f37}', 1);
insert into packages (name) values ('libhello'), ('hello'), ('hello-data');
insert into repositories (forge, forge_repo_id, full_name, clone_url, default_branch) values
    ('gitea', '17', 'rpms/libhello', 'https://git.example/rpms/libhello.git', 'f37'),
    ('gitea', '18', 'rpms/hello', 'https://git.example/rpms/hello.git', 'f37'),
    ('local', 'rpms/hello-data', 'rpms/hello-data', '/srv/git/rpms/hello-data.git', 'f37');

insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, pull_number, spec,
                    need_rev, planned_nvr, epoch, version, release, nvr, state, reason, phase, tagged_rev, published_at, created_at, finished_at, retry_of) values
    (1, 1, 'f37', 2, 1, false, 'refs/heads/f37', 'c0ffee1111111111111111111111111111111111', '2026-03-01T10:59:00Z', null, 'libhello.spec',
     1, 'libhello-1.2-1.fc37', 0, '1.2', '1.fc37', 'libhello-1.2-1.fc37', 'COMPLETE', '', '', 8, '2026-03-01T11:02:10Z', '2026-03-01T11:00:00Z', '2026-03-01T11:02:05Z', null),
    (2, 2, 'f37', 2, 1, false, 'refs/heads/f37', 'bad0000222222222222222222222222222222222', '2026-03-01T11:29:00Z', null, 'hello.spec',
     1, 'hello-2.0-1.fc37', 0, '2.0', '1.fc37', 'hello-2.0-1.fc37', 'FAILED', 'riscv64: nothing provides pkgconfig(hello) >= 1.3 needed by hello-2.0-1.fc37.src', 'buildroot', null, null, '2026-03-01T11:30:00Z', '2026-03-01T11:30:42Z', null),
    (2, 2, 'f37', 2, 1, false, 'refs/heads/f37', 'ace0000333333333333333333333333333333333', '2026-03-01T11:55:00Z', null, 'hello.spec',
     1, 'hello-2.0-2.fc37', 0, '2.0', '2.fc37', 'hello-2.0-2.fc37', 'BUILDING', '', '', null, null, '2026-03-01T11:56:30Z', null, 2),
    (3, 3, 'f37', 2, 1, true, 'refs/pull/12/head', 'deadbea444444444444444444444444444444444', '2026-03-01T09:00:00Z', 12, 'hello-data.spec',
     1, 'hello-data-5-1.fc37', 0, '', '', null, 'CANCELED', 'canceled by push 1f2e3d4', '', null, null, '2026-03-01T09:00:00Z', '2026-03-01T09:00:07Z', null),
    (3, 3, 'f37', 2, 1, false, 'refs/heads/f37', 'feed000555555555555555555555555555555555', '2026-03-01T11:58:00Z', null, 'hello-data.spec',
     1, 'hello-data-5-2.fc37', 0, '5', '2.fc37', 'hello-data-5-2.fc37', 'COMPLETE', '', '', 9, null, '2026-03-01T11:58:30Z', '2026-03-01T11:59:40Z', null);

insert into tasks (parent_id, build_id, method, arch, root_arch, label, state, attempt, client_id, weight, phase, reason, failure, created_at, started_at, finished_at) values
    (null, 1, 'build', '', '', 'libhello-1.2-1.fc37', 'CLOSED', 1, null, 0, '', '', '', '2026-03-01T11:00:00Z', '2026-03-01T11:00:00Z', '2026-03-01T11:02:10Z'),
    (1, 1, 'buildSRPM', '', '', 'libhello.spec', 'CLOSED', 1, 'hub-100-aa', 1, 'verify', '', '', '2026-03-01T11:00:00Z', '2026-03-01T11:00:01Z', '2026-03-01T11:00:09Z'),
    (1, 1, 'buildArch', 'x86_64', 'x86_64', 'libhello-1.2-1.fc37', 'CLOSED', 1, 'hub-100-aa', 1.5, 'verify', '', '', '2026-03-01T11:00:09Z', '2026-03-01T11:00:10Z', '2026-03-01T11:00:58Z'),
    (1, 1, 'buildArch', 'riscv64', 'riscv64', 'libhello-1.2-1.fc37', 'CLOSED', 2, 'vf2-7-bb', 1.5, 'verify', '', '', '2026-03-01T11:00:09Z', '2026-03-01T11:01:00Z', '2026-03-01T11:02:00Z'),
    (1, 1, 'tagBuild', '', '', 'libhello-1.2-1.fc37', 'CLOSED', 1, 'hub-100-aa', 0.1, '', '', '', '2026-03-01T11:02:05Z', '2026-03-01T11:02:05Z', '2026-03-01T11:02:06Z'),

    (null, 2, 'build', '', '', 'hello-2.0-1.fc37', 'FAILED', 1, null, 0, '', 'riscv64: nothing provides pkgconfig(hello) >= 1.3', '', '2026-03-01T11:30:00Z', '2026-03-01T11:30:00Z', '2026-03-01T11:30:42Z'),
    (6, 2, 'buildSRPM', '', '', 'hello.spec', 'CLOSED', 1, 'hub-100-aa', 1, '', '', '', '2026-03-01T11:30:00Z', '2026-03-01T11:30:01Z', '2026-03-01T11:30:09Z'),
    (6, 2, 'buildArch', 'x86_64', 'x86_64', 'hello-2.0-1.fc37', 'CANCELED', 1, 'hub-100-aa', 1.5, 'build', 'canceled: riscv64 failed', '', '2026-03-01T11:30:09Z', '2026-03-01T11:30:10Z', '2026-03-01T11:30:42Z'),
    (6, 2, 'buildArch', 'riscv64', 'riscv64', 'hello-2.0-1.fc37', 'FAILED', 1, 'vf2-7-bb', 1.5, 'buildroot', 'nothing provides pkgconfig(hello) >= 1.3 needed by hello-2.0-1.fc37.src', 'package', '2026-03-01T11:30:09Z', '2026-03-01T11:30:10Z', '2026-03-01T11:30:42Z'),

    (null, 3, 'build', '', '', 'hello-2.0-2.fc37', 'OPEN', 1, null, 0, '', '', '', '2026-03-01T11:56:30Z', '2026-03-01T11:56:30Z', null),
    (10, 3, 'buildSRPM', '', '', 'hello.spec', 'CLOSED', 1, 'hub-100-aa', 1, 'verify', '', '', '2026-03-01T11:56:30Z', '2026-03-01T11:56:31Z', '2026-03-01T11:56:39Z'),
    (10, 3, 'buildArch', 'x86_64', 'x86_64', 'hello-2.0-2.fc37', 'OPEN', 1, 'hub-100-aa', 1.5, 'check', '', '', '2026-03-01T11:56:39Z', '2026-03-01T11:56:40Z', null),
    (10, 3, 'buildArch', 'riscv64', 'riscv64', 'hello-2.0-2.fc37', 'FREE', 2, null, 1.5, '', 'starts again: the process that worked on it died', '', '2026-03-01T11:56:39Z', null, null),

    (null, 4, 'build', '', '', 'hello-data-5-1.fc37', 'CANCELED', 1, null, 0, '', 'canceled by push 1f2e3d4', '', '2026-03-01T09:00:00Z', '2026-03-01T09:00:00Z', '2026-03-01T09:00:07Z'),
    (14, 4, 'buildSRPM', '', '', 'hello-data.spec', 'CANCELED', 1, 'hub-100-aa', 1, 'sources', 'canceled by push 1f2e3d4', '', '2026-03-01T09:00:00Z', '2026-03-01T09:00:01Z', '2026-03-01T09:00:07Z'),

    (null, 5, 'build', '', '', 'hello-data-5-2.fc37', 'OPEN', 1, null, 0, '', '', '', '2026-03-01T11:58:30Z', '2026-03-01T11:58:30Z', null),
    (16, 5, 'buildSRPM', '', '', 'hello-data.spec', 'CLOSED', 1, 'hub-100-aa', 1, '', '', '', '2026-03-01T11:58:30Z', '2026-03-01T11:58:31Z', '2026-03-01T11:58:39Z'),
    (16, 5, 'buildArch', 'noarch', 'x86_64', 'hello-data-5-2.fc37', 'CLOSED', 1, 'hub-100-aa', 1.5, '', '', '', '2026-03-01T11:58:39Z', '2026-03-01T11:58:40Z', '2026-03-01T11:59:40Z');
update builds set task_id = (select id from tasks t where t.build_id = builds.id and t.method = 'build');
insert into task_attempts (task_id, attempt, client_id, started_at, ended_at, outcome) values
    (4, 1, 'vf2-6-cc', '2026-03-01T11:00:10Z', '2026-03-01T11:00:40Z', 'buildroot: mirror.example: connection reset by peer'),
    (13, 1, 'vf2-7-bb', '2026-03-01T11:56:40Z', '2026-03-01T11:58:00Z', 'lost: the process that worked on it died');

insert into buildroots (task_id, attempt, tag, arch, repo_key, driver, created_at) values
    (3, 1, 'f37-build', 'x86_64', 'f37-build@7', 'rootfs', '2026-03-01T11:00:12Z'),
    (4, 2, 'f37-build', 'riscv64', 'f37-build@7', 'rootfs', '2026-03-01T11:01:02Z');
insert into buildroot_rpms (buildroot_id, nevra, digest)
select 1, 'lib' || n || '-0:1.' || n || '-1.fc37.x86_64', md5(n::text) || md5((n + 1)::text) from generate_series(1, 42) n;
insert into buildroot_rpms (buildroot_id, nevra, digest) values (2, 'gcc-0:12.2.1-4.fc37.riscv64', repeat('ab', 32));

insert into rpms (build_id, buildroot_id, name, epoch, version, release, arch, source, sha256, size, build_time, path) values
    (1, null, 'libhello', 0, '1.2', '1.fc37', 'x86_64', true, repeat('a1', 32), 11264, 0, 'packages/libhello/1.2/1.fc37/src/libhello-1.2-1.fc37.src.rpm'),
    (1, 1, 'libhello', 0, '1.2', '1.fc37', 'x86_64', false, repeat('b2', 32), 20971520, 0, 'packages/libhello/1.2/1.fc37/x86_64/libhello-1.2-1.fc37.x86_64.rpm'),
    (1, 1, 'libhello-devel', 0, '1.2', '1.fc37', 'x86_64', false, repeat('c3', 32), 9000, 0, 'packages/libhello/1.2/1.fc37/x86_64/libhello-devel-1.2-1.fc37.x86_64.rpm'),
    (1, 2, 'libhello', 0, '1.2', '1.fc37', 'riscv64', false, repeat('d4', 32), 19000000, 0, 'packages/libhello/1.2/1.fc37/riscv64/libhello-1.2-1.fc37.riscv64.rpm'),
    (1, 2, 'libhello-devel', 0, '1.2', '1.fc37', 'riscv64', false, repeat('e5', 32), 9000, 0, 'packages/libhello/1.2/1.fc37/riscv64/libhello-devel-1.2-1.fc37.riscv64.rpm');
insert into tag_builds (tag_id, build_id, package_id, create_event) select 1, id, package_id, 1 from builds where id in (1, 5);
insert into tag_packages (tag_id, package_id, create_event) select 1, id, 1 from packages;
insert into tag_package_owners (tag_id, package_id, owner_id, create_event) select 1, p.id, u.id, 1 from packages p, users u where u.name = 'distbot';

insert into repo_generations (tag_id, number, rev, state, arches, packages, created_at, published_at) values
    (1, 1, 7, 'expired', '{x86_64,riscv64}', 2, '2026-02-20T08:00:00Z', '2026-02-20T08:00:01Z'),
    (1, 2, 8, 'published', '{x86_64,riscv64}', 4, '2026-03-01T11:02:08Z', '2026-03-01T11:02:10Z'),
    (2, 1, 8, 'published', '{x86_64,riscv64}', 4, '2026-03-01T11:02:08Z', '2026-03-01T11:02:11Z'),
    (2, 2, 9, 'building', '{}', 0, '2026-03-01T11:59:59Z', null);

insert into reports (repository_id, commit_id, context, state, description, target_url, build_id, seq, sending_seq, sent_seq, failures, last_error, sent_at) values
    (1, 'c0ffee1111111111111111111111111111111111', 'distbot/f37', 'success', 'libhello-1.2-1.fc37 is in the repository of f37', 'https://distbot.example/builds/1', 1, 3, 3, 3, 0, '', '2026-03-01T11:02:11Z'),
    (1, 'c0ffee1111111111111111111111111111111111', 'distbot/f37/srpm', 'success', 'libhello-1.2-1.fc37.src.rpm', 'https://distbot.example/builds/1', 1, 2, 2, 2, 0, '', '2026-03-01T11:00:10Z'),
    (1, 'c0ffee1111111111111111111111111111111111', 'distbot/f37/riscv64', 'success', '2 packages', 'https://distbot.example/builds/1', 1, 2, 2, 2, 0, '', '2026-03-01T11:02:01Z'),
    (1, 'c0ffee1111111111111111111111111111111111', 'distbot/f37/x86_64', 'success', '2 packages', 'https://distbot.example/builds/1', 1, 2, 2, 2, 0, '', '2026-03-01T11:00:59Z'),
    (1, 'c0ffee1111111111111111111111111111111111', 'distbot/f38', 'success', 'of another target', 'https://distbot.example/builds/1', 1, 1, 1, 1, 0, '', '2026-03-01T11:00:59Z'),
    (2, 'bad0000222222222222222222222222222222222', 'distbot/f37', 'failure', 'riscv64: nothing provides pkgconfig(hello) >= 1.3', 'https://distbot.example/builds/2', 2, 2, 2, 2, 3, 'gitea: 403 Forbidden: token has no write:repository', null),
    (2, 'ace0000333333333333333333333333333333333', 'distbot/f37', 'pending', 'build 3 is queued', 'https://distbot.example/builds/3', 3, 1, 1, 1, 0, '', '2026-03-01T11:56:31Z'),
    (2, 'ace0000333333333333333333333333333333333', 'distbot/f37/srpm', 'success', 'hello-2.0-2.fc37.src.rpm', 'https://distbot.example/builds/3', 3, 2, 2, 1, 4, 'gitea: 502 Bad Gateway', null),
    (2, 'ace0000333333333333333333333333333333333', 'distbot/f37/x86_64', 'pending', 'building', 'https://distbot.example/builds/3', 3, 1, 0, 0, 0, '', null);

insert into deliveries (forge, delivery_id, event, repository, ref, effect, state, reason, headers, body, duplicate_of, received_at, finished_at) values
    ('gitea', '0b7e1f6c-0001', 'push', 'rpms/libhello', 'refs/heads/f37', 'push 17 f37 0 c0ffee', 'planned', '', '{"Content-Type": "application/json", "X-Gitea-Event": "push", "X-Gitea-Delivery": "0b7e1f6c-0001"}',
     '{"ref":"refs/heads/f37","after":"c0ffee1111111111111111111111111111111111","repository":{"id":17,"full_name":"rpms/libhello"}}', null, '2026-03-01T10:59:59.5Z', '2026-03-01T11:00:00Z'),
    ('gitea', '0b7e1f6c-0002', 'push', 'rpms/hello', 'refs/heads/wip', 'push 18 wip 0 1', 'ignored', 'no target builds branch wip', '{"X-Gitea-Event": "push"}', '{}', null, '2026-03-01T11:10:00Z', '2026-03-01T11:10:00Z'),
    ('gitea', '0b7e1f6c-0003', 'push', 'rpms/libhello', 'refs/heads/f37', 'push 17 f37 0 c0ffee', 'duplicate', 'the same push as delivery 1', '{"X-Gitea-Event": "push"}', '{}', 1, '2026-03-01T11:10:30Z', '2026-03-01T11:10:30Z'),
    ('gitea', '0b7e1f6c-0004', 'pull_request', 'rpms/hello', 'refs/pull/3/head', 'pr 18 3', 'failed', 'hello.spec: line 12: unclosed %if', '{"X-Gitea-Event": "pull_request"}', 'no json', null, '2026-03-01T11:20:00Z', '2026-03-01T11:20:01Z'),
    ('local', 'a1-0', 'push', 'rpms/hello-data', 'refs/heads/f37', 'push hd f37', 'received', '', '{"X-Distbot-Event": "push"}', '{"repository":"rpms/hello-data"}', null, '2026-03-01T11:59:58Z', null);
insert into planned_pushes (repository_id, ref, commit_id, target, delivery_id, build_id, outcome, reason) values
    (1, 'refs/heads/f37', 'c0ffee1111111111111111111111111111111111', 'f37', 1, 1, 'build', ''),
    (1, 'refs/heads/f37', 'c0ffee1111111111111111111111111111111111', 'f38', 1, null, 'refused', 'libhello-1.2-1.fc38 was built already, as build 77'),
    (2, 'refs/heads/wip', '1111111111111111111111111111111111111111', '', 2, null, 'none', 'no target builds branch wip');

insert into leases (client_id, host, boot_id, pid_namespace, pid, pid_start, roles, arches, started_at, seen_at) values
    ('hub-100-aa', 'hub', 'boot-1', 'pid:[1]', 100, 1, '{hub,builder}', '{x86_64}', '2026-03-01T08:00:00Z', now() + interval '1 hour'),
    ('vf2-7-bb', 'vf2', 'boot-2', 'pid:[2]', 7, 1, '{builder}', '{riscv64}', '2026-03-01T08:00:00Z', now() - interval '1 hour');

insert into build_skipped_arches (build_id, arch, reason) values (1, 's390x', 'ExcludeArch s390x');
insert into build_warnings (build_id, text) values (1, 'libhello-doc.noarch has other content on riscv64 than on x86_64, whose copy is published: content of /usr/share/doc/libhello/api');
update tasks set policy = 'lagging' where build_id = 1 and arch = 'riscv64';

insert into hosts (name, remote, arches, emulated, channels, capacity, capacity_set, driver, version, client_id, seen_at, unready, enabled, comment,
                   load_average, memory_free, disk_free) values
    ('hub', false, '{x86_64}', '{}', '{default}', 2, null, 'rootfs', '1.0', 'hub-100-aa', now() + interval '1 hour', '', true, '', 1.25, 3221225472, 64424509440),
    ('vf2', true, '{riscv64}', '{}', '{default,boards}', 4, 1, 'mock', '1.0', 'vf2-7-bb', now() - interval '1 hour', '', true, '', 0, 0, 0),
    ('full', true, '{x86_64,riscv64}', '{riscv64}', '{default}', 8, null, 'rootfs', '1.0', 'full-1', now() + interval '1 hour', '1.0 GiB of disk are free, min_disk is 8.0 GiB: /var/lib/distbot', true, '', 0.5, 1073741824, 1073741824),
    ('mended', true, '{x86_64}', '{}', '{default}', 8, null, 'rootfs', '1.0', 'mended-1', now() + interval '1 hour', '', false, 'its memory is exchanged', 0, 0, 0),
    ('new', true, '{}', '{}', '{default}', 2, null, '', '', null, null, '', true, '', 0, 0, 0);
update tasks set host_id = (select id from hosts where name = 'hub'), assigned_at = created_at where client_id = 'hub-100-aa';
update tasks set host_id = (select id from hosts where name = 'vf2'), assigned_at = created_at where client_id = 'vf2-7-bb';
update tasks set finding = '{"phase": "buildroot", "kind": "missing-requires", "reason": "nothing provides pkgconfig(hello) >= 1.3",
    "log_file": "root.log", "line": 12, "excerpt": ["No matching package to install: ''pkgconfig(hello) >= 1.3''", "Not all dependencies satisfied"],
    "object": "pkgconfig(hello) >= 1.3", "spec_line": 9,
    "missing": [{"text": "pkgconfig(hello) >= 1.3", "nearest": ["pkgconfig(hello) 1.2 is there (libhello-devel-1.2-1.fc37.riscv64), >= 1.3 is needed"]},
                {"text": "libnowhere.so.1()(64bit)", "needed_by": "broken-1-1.noarch"}],
    "unpackaged": ["/usr/bin/hello"]}' where id = 9;
update task_attempts set host_id = (select id from hosts where name = 'vf2') where task_id = 4;
