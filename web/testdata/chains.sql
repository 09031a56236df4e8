-- A chain that failed in its first group, and what came of making build 1 again.
insert into chains (target, build_tag, dest_tag, owner, state, reason, current_group, wait_repo, created_at, finished_at) values
    ('f37', 2, 1, 'pat', 'FAILED', 'build 2, hello-2.0-1.fc37, is FAILED: riscv64: no <b>provider</b>', 1, true, '2026-03-01T11:29:00Z', '2026-03-01T11:31:00Z');
insert into chain_builds (chain_id, group_number, position, asked, commit_id, planned_nvr, build_id) values
    (1, 1, 1, 'hello#f37', 'bad0000222222222222222222222222222222222', 'hello-2.0-1.fc37', 2),
    (1, 2, 1, 'hello-data', 'c0ffee0000000000000000000000000000000000', 'hello-data-5-1.fc37', null);
insert into rebuilds (original_id, owner, build_id, state, verdict, reason, result, created_at, finished_at) values
    (1, 'pat', 4, 'CLOSED', 'different', '1 of 2 packages differ',
     '{"packages": [{"arch": "x86_64", "name": "libhello-1.2-1.fc37.x86_64.rpm", "recorded": "a", "rebuilt": "b",
       "difference": {"files": [{"path": "/usr/share/<i>", "what": "content", "recorded": "1 bytes", "rebuilt": "2 bytes"}], "tags": [{"tag": "BUILDTIME", "recorded": "1", "rebuilt": "2"}]}},
      {"arch": "x86_64", "name": "libhello-devel-1.2-1.fc37.x86_64.rpm", "recorded": "c", "rebuilt": "c"}]}',
     '2026-03-01T11:40:00Z', '2026-03-01T11:41:00Z');
insert into buildroots (task_id, attempt, tag, arch, repo_key, driver) values (18, 1, 'f37-build', 'x86_64', 'f37-build@8', 'rootfs');
insert into buildroot_rpms (buildroot_id, nevra, digest) values (3, 'gcc-12.2.1-4.fc37.x86_64', 'ab'), (3, 'only-1-1.noarch', 'cd');
