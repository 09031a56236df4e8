package migrations_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/migrations"
)

// generationsBefore are two tags with generations as they were recorded with a
// row for each package: 3 was never published, 6 is of another tag, and a package
// comes, goes, comes again and is signed.
const generationsBefore = `
insert into tags (name, arches, create_event) select v.name, '{x86_64}', max(e.id) from events e, (values ('f37'), ('f38')) v (name) group by v.name order by v.name;
insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('git', '1', 'rpms/hello', 'x');
insert into packages (name) values ('hello');
insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, nvr, state)
	values (1, 1, 'f37', 1, 1, false, '', '', now(), '', 1, 'hello-1-1', 'COMPLETE');
insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path) values
	(1, 'hello', 0, '1', '1', 'x86_64', false, 'a', 10, 0, '-'), (1, 'hello-data', 0, '1', '1', 'noarch', false, 'b', 10, 0, '-');
insert into repo_generations (tag_id, directory, number, rev, state, published_at) values
	(1, 'f37', 1, 1, 'expired', now()), (1, 'f37', 2, 2, 'published', now()), (1, 'f37', 3, 3, 'building', null),
	(1, 'f37', 4, 4, 'published', now()), (1, 'f37', 5, 5, 'published', now()), (2, 'f38', 1, 1, 'published', now());
insert into generation_rpms (generation_id, arch, rpm_id, sha256, size, href) values
	(1, 'x86_64', 1, null, null, null), (2, 'x86_64', 1, null, null, null), (5, 'x86_64', 1, null, null, null),
	(1, 'x86_64', 2, null, null, null), (2, 'x86_64', 2, 'signed', 12, 'Packages/k/h/hello.rpm'), (4, 'x86_64', 2, 'signed', 12, 'Packages/k/h/hello.rpm'),
	(5, 'x86_64', 2, 'signed', 12, 'Packages/k/h/hello.rpm'), (5, 'aarch64', 2, null, null, null), (6, 'x86_64', 1, null, null, null);
`

func TestGenerationsHoldWhatTheyHeld(t *testing.T) {
	t.Parallel()
	conn, url := emptyDatabase(t)
	upTo(t, conn, url, 25)
	lines := func(sql string) []string {
		t.Helper()
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if _, err := conn.Exec(t.Context(), generationsBefore); err != nil {
		t.Fatal(err)
	}
	const all = "select concat_ws(' ', generation_id, arch, rpm_id, sha256, size, href) from generation_rpms order by generation_id, arch, rpm_id"
	before := lines(all)
	if err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, lines(all)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	want := []string{
		"1 aarch64 2 5", "1 x86_64 1 1 until 4", "1 x86_64 1 5", "1 x86_64 2 1 until 2", "1 x86_64 2 2 signed", "2 x86_64 1 6",
	}
	if diff := cmp.Diff(want, lines("select concat_ws(' ', tag_id, arch, rpm_id, since, 'until ' || until, sha256) from repo_rpms order by tag_id, arch, rpm_id, since")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
