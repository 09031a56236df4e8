package tags_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// apply makes the database say what the text says and returns the changes.
func apply(t *testing.T, pool *pgxpool.Pool, text string) []string {
	t.Helper()
	d, err := tags.ReadDistro(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := tags.Sync(t.Context(), pool, queuetest.Inserter(t, pool), d, "pat")
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// model is the whole tag model of now, in lines.
func model(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return queuetest.Values[string](t, pool, `
		select 'tag ' || name || ' ' || array_to_string(arches, ',') || ' ' || extra from tags where revoke_event is null
		union all select 'inherit ' || c.name || ' ' || p.name || ' ' || priority
			from tag_inheritance i join tags c on c.id = i.tag_id join tags p on p.id = i.parent_id where i.revoke_event is null
		union all select 'repo ' || t.name || ' ' || r.name || ' ' || url || ' ' || priority
			from tag_external_repos r join tags t on t.id = r.tag_id where r.revoke_event is null
		union all select 'group ' || t.name || ' ' || group_name || ' ' || package
			from tag_group_packages g join tags t on t.id = g.tag_id where g.revoke_event is null
		union all select 'target ' || t.name || ' ' || b.name || ' ' || d.name || ' ' || array_to_string(branches, ',')
			from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag where t.revoke_event is null
		union all select 'ignore ' || glob from ignored_branches
		order by 1`)
}

// stale lists the tags whose repository is to be made, and forgets them.
func stale(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	wanted := queuetest.Values[string](t, pool, "select name from tags where want_rev > built_rev order by name")
	jobs := queuetest.Values[string](t, pool, `select t.name from river_job j join tags t on t.id = (j.args->>'tag_id')::bigint
		where kind = 'repopublish.publish' order by 1`)
	if diff := cmp.Diff(wanted, jobs); diff != "" {
		t.Errorf("tags to publish (-want_rev +jobs):\n%s", diff)
	}
	queuetest.Exec(t, pool, "update tags set built_rev = want_rev")
	queuetest.Exec(t, pool, "delete from river_job")
	return strings.Join(wanted, " ")
}

func TestSync(t *testing.T) {
	t.Parallel()

	t.Run("makes an empty database say what the file says", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		changes := apply(t, pool, goodDistro)
		if diff := cmp.Diff([]string{
			"tag f37: added", "tag f37-build: added", "tag f37-extra: added",
			"tag f37-build: inherits from f37 with priority 10", "tag f37-build: inherits from f37-extra with priority 5",
			"tag f37-build: external repository fedora added",
			"tag f37: group build: bash added", "tag f37: group build: gcc added",
			"tag f37: group build: pkgconfig(zlib) added", "tag f37: group build: /usr/bin/make added",
			"target f37: f37-build → f37 added",
			"ignored branches: private/* added", "ignored branches: wip-* added",
		}, changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{
			"group f37 build /usr/bin/make", "group f37 build bash", "group f37 build gcc", "group f37 build pkgconfig(zlib)",
			"ignore private/*", "ignore wip-*",
			"inherit f37-build f37 10", "inherit f37-build f37-extra 5",
			"repo f37-build fedora https://mirror.example.org/37/$arch 10",
			`tag f37 x86_64,riscv64 {"rpm.macro.dist": ".fc37", "rpm.macro.fedora": "37"}`,
			"tag f37-build x86_64,riscv64 {}", "tag f37-extra x86_64 {}",
			"target f37 f37-build f37 f37,1.10",
		}, model(t, pool), sortLines); diff != "" {
			t.Errorf("model (-want +got):\n%s", diff)
		}
		if got := stale(t, pool); got != "f37 f37-build f37-extra" {
			t.Errorf("repositories to make: %s, want all", got)
		}
		if events := queuetest.Values[string](t, pool, "select actor || ': ' || what from events"); len(events) != 1 || events[0] != "pat: apply distro.yaml" {
			t.Errorf("events %v, want one of pat", events)
		}
	})

	t.Run("changes nothing the second time", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		stale(t, pool)
		before := model(t, pool)
		if changes := apply(t, pool, goodDistro); len(changes) != 0 {
			t.Errorf("changes %q, want none", changes)
		}
		if diff := cmp.Diff(before, model(t, pool)); diff != "" {
			t.Errorf("model (-first +second):\n%s", diff)
		}
		if got := stale(t, pool); got != "" {
			t.Errorf("repositories to make: %s, want none", got)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from events"); n != 1 {
			t.Errorf("%d events, want one", n)
		}
	})

	for _, test := range []struct {
		name     string
		old, new string
		changes  []string
		stale    string
	}{
		{
			"a package of a group makes the tag and what inherits from it anew", "bash, gcc,", "bash, clang,",
			[]string{"tag f37: group build: gcc removed", "tag f37: group build: clang added"},
			"f37 f37-build",
		},
		{
			"a macro makes the tag and what inherits from it anew", ".fc37", ".fc37.1",
			[]string{"tag f37: changed"},
			"f37 f37-build",
		},
		{
			"arches make the tag anew", "    arches: [x86_64]", "    arches: [riscv64]",
			[]string{"tag f37-extra: changed"},
			"f37-build f37-extra",
		},
		{
			"a parent's priority makes the child anew", "priority: 5", "priority: 20",
			[]string{"tag f37-build: inherits no more from f37-extra with priority 5", "tag f37-build: inherits from f37-extra with priority 20"},
			"f37-build",
		},
		{
			"parents that change places make the child anew", "[f37, {parent: f37-extra, priority: 5}]", "[{parent: f37, priority: 5}, {parent: f37-extra, priority: 10}]",
			[]string{
				"tag f37-build: inherits no more from f37-extra with priority 5", "tag f37-build: inherits no more from f37 with priority 10",
				"tag f37-build: inherits from f37 with priority 5", "tag f37-build: inherits from f37-extra with priority 10",
			},
			"f37-build",
		},
		{
			"an external repository's URL makes no repository anew", "org/37/", "org/38/",
			[]string{"tag f37-build: external repository fedora removed", "tag f37-build: external repository fedora added"},
			"",
		},
		{
			"a target's branches make no repository anew", `[f37, "1.10"]`, "[f37]",
			[]string{"target f37: f37-build → f37 removed", "target f37: f37-build → f37 added"},
			"",
		},
		{
			"a target that is gone is removed", "  f37: {build_tag: f37-build, dest_tag: f37, branches", "  f38: {build_tag: f37-build, dest_tag: f37, branches",
			[]string{"target f37: f37-build → f37 removed", "target f38: f37-build → f37 added"},
			"",
		},
		{
			"ignored branches are told", "private/*, wip-*", "wip-*, tmp-*",
			[]string{"ignored branches: tmp-* added", "ignored branches: private/* removed"},
			"",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			apply(t, pool, goodDistro)
			stale(t, pool)
			if diff := cmp.Diff(test.changes, apply(t, pool, edit(t, test.old, test.new))); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if got := stale(t, pool); got != test.stale {
				t.Errorf("repositories to make: %q, want %q", got, test.stale)
			}
			if again := apply(t, pool, edit(t, test.old, test.new)); len(again) != 0 {
				t.Errorf("applied again: changes %q, want none", again)
			}
			// And back, as if nothing had happened.
			apply(t, pool, goodDistro)
			other := dbtest.New(t)
			apply(t, other, goodDistro)
			if diff := cmp.Diff(model(t, other), model(t, pool)); diff != "" {
				t.Errorf("model after the change back (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("keeps what was as history", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		apply(t, pool, edit(t, "bash, gcc,", "bash, clang,"))
		revoked := queuetest.Values[string](t, pool, `select package || ' ' || (revoke_event > create_event) from tag_group_packages where revoke_event is not null`)
		if diff := cmp.Diff([]string{"gcc true"}, revoked); diff != "" {
			t.Errorf("revoked rows (-want +got):\n%s", diff)
		}
	})

	t.Run("leaves tags alone that the file does not name", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		other := queuetest.Tag(t, pool, "f12", "i686")
		before := queuetest.Value[string](t, pool, "select tags::text from tags where id = $1", other)
		apply(t, pool, edit(t, ".fc37", ".fc37.1"))
		if diff := cmp.Diff(before, queuetest.Value[string](t, pool, "select tags::text from tags where id = $1", other)); diff != "" {
			t.Errorf("f12 (-before +after):\n%s", diff)
		}
	})

	t.Run("changes nothing when a step fails", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		stale(t, pool)
		before := model(t, pool)
		queuetest.Exec(t, pool, "alter table build_targets add constraint refuse check (name <> 'f38')")
		d, err := tags.ReadDistro(strings.NewReader(edit(t, "  f37: {build_tag", "  f38: {build_tag")))
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := tags.Sync(t.Context(), pool, queuetest.Inserter(t, pool), d, "pat"); err == nil || changes != nil {
			t.Errorf("got %v and %v, want an error alone", changes, err)
		}
		if diff := cmp.Diff(before, model(t, pool)); diff != "" {
			t.Errorf("model (-before +after):\n%s", diff)
		}
	})

	t.Run("of two files at once leaves one of the two", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		var models [][]string
		texts := []string{goodDistro, edit(t, "priority: 5", "priority: 20")}
		for _, text := range texts {
			apply(t, pool, text)
			models = append(models, model(t, pool))
		}
		jobs := queuetest.Inserter(t, pool)
		for range 5 {
			var group errgroup.Group
			for n := range 4 {
				group.Go(func() error {
					d, err := tags.ReadDistro(strings.NewReader(texts[n%2]))
					if err != nil {
						return err
					}
					_, err = tags.Sync(t.Context(), pool, jobs, d, "pat")
					return err
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			if got := model(t, pool); cmp.Diff(models[0], got) != "" && cmp.Diff(models[1], got) != "" {
				t.Fatalf("the model is neither of the two:\n%s", strings.Join(got, "\n"))
			}
		}
	})
}
