package generations_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/generations"
)

// buildsSQL makes five builds of a tag: hello 1, hello 2 with its noarch package,
// kept 1, odd 1 and odd 2, which are there together.
const buildsSQL = `
insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev)
	select (select max(id) from packages), (select max(id) from repositories), 'f37', $1, $1, false, '', '', now(), '', 1 from generate_series(1, 5)`

func TestDiff(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	var tag int64
	if err := pool.QueryRow(t.Context(), "insert into tags (name, arches, create_event) select 'f37', '{x86_64,riscv64}', max(id) from events returning id").Scan(&tag); err != nil {
		t.Fatal(err)
	}
	exec("insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('git', '1', 'rpms/hello', '-')")
	exec("insert into packages (name) values ('hello')")
	exec(buildsSQL, tag)
	exec(`insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path) values
		(1, 'hello', 0, '1', '1', 'x86_64', false, 'a', 10, 0, '-'), (1, 'hello', 0, '1', '1', 'riscv64', false, 'b', 10, 0, '-'),
		(2, 'hello', 1, '2', '1', 'x86_64', false, 'c', 20, 0, '-'), (2, 'hello-doc', 0, '2', '1', 'noarch', false, 'd', 5, 0, '-'),
		(3, 'kept', 0, '1', '1', 'x86_64', false, 'e', 7, 0, '-'), (4, 'odd', 0, '1', '1', 'x86_64', false, 'f', 7, 0, '-'), (5, 'odd', 0, '2', '1', 'x86_64', false, 'g', 7, 0, '-')`)
	// Generation 3 was never published, 4 goes back to 1.
	exec(`insert into repo_generations (tag_id, number, rev, state, arches, published_at, rollback_of) values
		($1, 1, 2, 'expired', '{x86_64,riscv64}', now(), null), ($1, 2, 4, 'published', '{x86_64,riscv64}', now(), null),
		($1, 3, 5, 'expired', '{}', null, null), ($1, 4, 2, 'published', '{x86_64,riscv64}', now(), 1)`, tag)
	exec(`insert into repo_rpms (tag_id, rpm_id, arch, since, until) select $1, rpm_id, arch, since, until from (values
		(1, 'x86_64', 1, 2), (1, 'x86_64', 4, null), (2, 'riscv64', 1, null), (5, 'x86_64', 1, null), (6, 'x86_64', 1, null),
		(3, 'x86_64', 2, 4), (4, 'x86_64', 2, 4), (4, 'riscv64', 2, 4), (7, 'x86_64', 2, 4)) v (rpm_id, arch, since, until)`, tag)
	exec(`with e as (insert into events (actor, what) values ('pat', 'tag hello-2'), ('kim', 'tag odd-2') returning id)
		insert into tag_revs (tag_id, rev, event) select $1, 2 + row_number() over (order by id), id from e`, tag)

	t.Run("tells what came, went and was replaced, and nothing of the rest", func(t *testing.T) {
		t.Parallel()
		d, err := generations.Diff(t.Context(), pool, "f37", 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		want := []generations.ArchDifference{
			{Arch: "riscv64", Packages: []generations.PackageChange{{Name: "hello-doc", Arch: "noarch", To: "2-1", ToBuild: 2}}},
			{Arch: "x86_64", Packages: []generations.PackageChange{
				{Name: "hello", Arch: "x86_64", From: "1-1", To: "1:2-1", FromBuild: 1, ToBuild: 2},
				{Name: "hello-doc", Arch: "noarch", To: "2-1", ToBuild: 2},
				{Name: "odd", Arch: "x86_64", From: "1-1", To: "1-1,2-1", FromBuild: 4, ToBuild: 5},
			}},
		}
		if diff := cmp.Diff(want, d.Arch); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var events []string
		for _, e := range d.Events {
			events = append(events, e.Actor+": "+e.What)
		}
		if diff := cmp.Diff([]string{"pat: tag hello-2", "kim: tag odd-2"}, events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
	t.Run("reads a part, and tells how much more there is", func(t *testing.T) {
		t.Parallel()
		d, more, err := generations.DiffPart(t.Context(), pool, "f37", 1, 2, 2, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := []generations.ArchDifference{
			{Arch: "riscv64", Packages: []generations.PackageChange{{Name: "hello-doc", Arch: "noarch", To: "2-1", ToBuild: 2}}},
			{Arch: "x86_64", Packages: []generations.PackageChange{{Name: "hello", Arch: "x86_64", From: "1-1", To: "1:2-1", FromBuild: 1, ToBuild: 2}}},
		}
		if diff := cmp.Diff(want, d.Arch); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(d.Events) != 1 || d.Events[0].Actor != "kim" {
			t.Errorf("events %+v, want the newest", d.Events)
		}
		if diff := cmp.Diff(generations.More{Packages: 2, Events: 1}, more); diff != "" {
			t.Errorf("more (-want +got):\n%s", diff)
		}
	})
	t.Run("backwards has no events", func(t *testing.T) {
		t.Parallel()
		d, err := generations.Diff(t.Context(), pool, "f37", 2, 4)
		if err != nil || len(d.Events) != 0 || len(d.Arch) != 2 {
			t.Errorf("got %+v, %v", d, err)
		}
	})
	t.Run("finds nothing between those that are alike", func(t *testing.T) {
		t.Parallel()
		if d, err := generations.Diff(t.Context(), pool, "f37", 1, 4); err != nil || len(d.Arch) != 0 {
			t.Errorf("got %+v, %v", d, err)
		}
	})
	t.Run("refuses what never was", func(t *testing.T) {
		t.Parallel()
		for number, want := range map[int64]string{3: "was never published", 99: "has no generation 99"} {
			_, err := generations.Diff(t.Context(), pool, "f37", 1, number)
			var missing *generations.MissingError
			if !errors.As(err, &missing) || !strings.Contains(err.Error(), want) {
				t.Errorf("generation %d: %v", number, err)
			}
		}
		if _, err := generations.Diff(t.Context(), pool, "nosuch", 1, 2); !errors.Is(err, generations.ErrNoTag) {
			t.Errorf("got %v, want ErrNoTag", err)
		}
	})
}
