package tags_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
	changes, err := tags.Apply(t.Context(), pool, queuetest.Inserter(t, pool), d, tags.System)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// model is the whole tag model of now, in lines.
func model(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return queuetest.Values[string](t, pool, `
		select 'tag ' || name || ' ' || coalesce(c.arches, 'inherit') || ' ' || locked || ' ' || array_to_string(t.arches, ',') || ' ' || extra
			from tags t join tag_config c on c.tag_id = t.id where c.revoke_event is null and t.revoke_event is null
		union all select 'extra ' || t.name || ' ' || key || ' ' || coalesce(value, 'blocked')
			from tag_extra x join tags t on t.id = x.tag_id where x.revoke_event is null
		union all select 'inherit ' || c.name || ' ' || p.name || ' ' || concat_ws(' ', priority, maxdepth, intransitive, noconfig, pkg_filter)
			from tag_inheritance i join tags c on c.id = i.tag_id join tags p on p.id = i.parent_id where i.revoke_event is null
		union all select 'repo ' || t.name || ' ' || r.name || ' ' || url || ' ' || priority
			from tag_external_repos r join tags t on t.id = r.tag_id where r.revoke_event is null
		union all select 'group ' || t.name || ' ' || n.name || ' ' || concat_ws(' ', blocked, exported, display_name, is_default, uservisible, description, langonly, biarchonly)
			from group_config g join groups n on n.id = g.group_id join tags t on t.id = g.tag_id where g.revoke_event is null
		union all select 'in group ' || t.name || ' ' || n.name || ' ' || concat_ws(' ', package, blocked, type, basearchonly, requires)
			from group_package_listing g join groups n on n.id = g.group_id join tags t on t.id = g.tag_id where g.revoke_event is null
		union all select 'group needs ' || t.name || ' ' || n.name || ' ' || concat_ws(' ', r.name, blocked, type)
			from group_req_listing g join groups n on n.id = g.group_id join groups r on r.id = g.req_id join tags t on t.id = g.tag_id where g.revoke_event is null
		union all select 'package ' || t.name || ' ' || p.name || ' ' || concat_ws(' ', u.name, blocked, extra_arches)
			from tag_packages l join tag_package_owners o using (tag_id, package_id) join tags t on t.id = l.tag_id
			join packages p on p.id = l.package_id join users u on u.id = o.owner_id where l.revoke_event is null and o.revoke_event is null
		union all select 'target ' || t.name || ' ' || b.name || ' ' || d.name || ' ' || array_to_string(branches, ',')
			from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag where t.revoke_event is null
		union all select 'ignore ' || glob from ignored_branches
		order by 1`)
}

// sortLines compares lines without their order.
var sortLines = cmpopts.SortSlices(func(a, b string) bool { return a < b })

// admin changes tags as the user admin, who may do everything.
type admin struct{ editor *tags.Editor }

func newAdmin(tb testing.TB, pool *pgxpool.Pool) admin {
	tb.Helper()
	return admin{&tags.Editor{Pool: pool, Jobs: queuetest.Inserter(tb, pool)}}
}

func (a admin) do(tb testing.TB, do func(*tags.Edit) error) error {
	tb.Helper()
	_, err := a.editor.Do(tb.Context(), "admin", "test", do)
	return err
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

func TestApplyDistro(t *testing.T) {
	t.Parallel()

	t.Run("makes an empty database say what the file says", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		changes := apply(t, pool, goodDistro)
		if diff := cmp.Diff([]string{
			"+ user alice (owner of packages)",
			`+ tag f37: arches x86_64 riscv64, extra rpm.macro.dist = ".fc37", extra rpm.macro.fedora = "37"`,
			"+ tag f37-build: arches x86_64 riscv64", "+ tag f37-extra: arches x86_64",
			"+ link f37-build -> f37-extra (priority 5)", "+ link f37-build -> f37 (priority 10)",
			"+ external repository fedora in f37-build (https://mirror.example.org/37/$arch, priority 10)",
			"+ group build in f37: packages /usr/bin/make bash gcc pkgconfig(zlib)",
			"+ package hello in f37 (owner distbot)", "+ package zlib in f37 (owner alice)",
			"+ target f37: f37-build -> f37 (branches 1.10 f37)",
			"+ ignored branch private/*", "+ ignored branch wip-*",
		}, changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{
			"extra f37 rpm.macro.dist \".fc37\"", "extra f37 rpm.macro.fedora \"37\"",
			"group f37 build f t build t f",
			"ignore private/*", "ignore wip-*",
			"in group f37 build /usr/bin/make f mandatory", "in group f37 build bash f mandatory",
			"in group f37 build gcc f mandatory", "in group f37 build pkgconfig(zlib) f mandatory",
			"inherit f37-build f37 10 f f ", "inherit f37-build f37-extra 5 f f ",
			"package f37 hello distbot f", "package f37 zlib alice f",
			"repo f37-build fedora https://mirror.example.org/37/$arch 10",
			`tag f37 x86_64 riscv64 false x86_64,riscv64 {"rpm.macro.dist": ".fc37", "rpm.macro.fedora": "37"}`,
			`tag f37-build x86_64 riscv64 false x86_64,riscv64 {"rpm.macro.dist": ".fc37", "rpm.macro.fedora": "37"}`,
			"tag f37-extra x86_64 false x86_64 {}",
			"target f37 f37-build f37 1.10,f37",
		}, model(t, pool), sortLines); diff != "" {
			t.Errorf("model (-want +got):\n%s", diff)
		}
		if got := stale(t, pool); got != "f37 f37-build f37-extra" {
			t.Errorf("repositories to make: %s, want all", got)
		}
		if events := queuetest.Values[string](t, pool, "select actor || ': ' || what from events where what <> 'install'"); len(events) != 1 || events[0] != "distbot: apply distro.yaml" {
			t.Errorf("events %v, want one of distbot", events)
		}
	})

	t.Run("changes nothing the second time", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		stale(t, pool)
		before, events := model(t, pool), queuetest.Value[int](t, pool, "select count(*) from events")
		if changes := apply(t, pool, goodDistro); len(changes) != 0 {
			t.Errorf("changes %q, want none", changes)
		}
		if diff := cmp.Diff(before, model(t, pool)); diff != "" {
			t.Errorf("model (-first +second):\n%s", diff)
		}
		if got := stale(t, pool); got != "" {
			t.Errorf("repositories to make: %s, want none", got)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from events"); n != events {
			t.Errorf("%d events, want the %d of before", n, events)
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
			[]string{"- group build in f37: package gcc", "+ group build in f37: package clang"},
			"f37 f37-build",
		},
		{
			"a macro makes the tag and what inherits from it anew", ".fc37", ".fc37.1",
			[]string{`~ tag f37: extra rpm.macro.dist = ".fc37.1"`},
			"f37 f37-build",
		},
		{
			"a macro that is gone makes the tag anew", "      rpm.macro.fedora: 37\n", "",
			[]string{"~ tag f37: extra rpm.macro.fedora removed"},
			"f37 f37-build",
		},
		{
			"a macro that is blocked", "      rpm.macro.fedora: 37\n", "    extra_blocked: [rpm.macro.fedora]\n",
			[]string{"~ tag f37: extra rpm.macro.fedora blocked"},
			"f37 f37-build",
		},
		{
			"arches make the tag anew", "    arches: [x86_64]", "    arches: [riscv64]",
			[]string{"~ tag f37-extra: arches x86_64 -> riscv64"},
			"f37-build f37-extra",
		},
		{
			"arches that are inherited", "    external_repos: [fedora]", "    external_repos: [fedora]\n    arches: inherit",
			[]string{"~ tag f37-build: arches x86_64 riscv64 -> inherited"},
			"f37-build",
		},
		{
			"arches that are none", "    external_repos: [fedora]", "    external_repos: [fedora]\n    arches: []",
			[]string{"~ tag f37-build: arches x86_64 riscv64 -> none"},
			"f37-build",
		},
		{
			"a lock and a permission", "    external_repos: [fedora]", "    external_repos: [fedora]\n    locked: true\n    perm: repo",
			[]string{"~ tag f37-build: perm none -> repo, locked"},
			"f37-build",
		},
		{
			"a parent's priority makes the child anew", "priority: 5", "priority: 20",
			[]string{"~ link f37-build -> f37-extra: priority 5 -> 20"},
			"f37-build",
		},
		{
			"a parent's priority may be negative", "priority: 5", "priority: -5",
			[]string{"~ link f37-build -> f37-extra: priority 5 -> -5"},
			"f37-build",
		},
		{
			"all that a link can be", "priority: 5", `priority: 5, maxdepth: 0, intransitive: true, noconfig: true, pkg_filter: "^(?!kernel$)"`,
			[]string{`~ link f37-build -> f37-extra: maxdepth any -> 0, intransitive, noconfig, pkg_filter "" -> "^(?!kernel$)"`},
			"f37-build",
		},
		{
			"parents that change places make the child anew", "[f37, {parent: f37-extra, priority: 5}]", "[{parent: f37, priority: 5}, {parent: f37-extra, priority: 10}]",
			[]string{"~ link f37-build -> f37: priority 10 -> 5", "~ link f37-build -> f37-extra: priority 5 -> 10"},
			"f37-build",
		},
		{
			"a parent that is gone makes the child anew", ", {parent: f37-extra, priority: 5}", "",
			[]string{"- link f37-build -> f37-extra"},
			"f37-build",
		},
		{
			"an external repository's URL makes no repository anew", "org/37/", "org/38/",
			[]string{"~ external repository fedora in f37-build: url https://mirror.example.org/37/$arch -> https://mirror.example.org/38/$arch"},
			"",
		},
		{
			"an external repository that is gone makes no repository anew", "    external_repos: [fedora]\n", "",
			[]string{"- external repository fedora in f37-build"},
			"",
		},
		{
			"a group's description", "      build: [bash, gcc, \"pkgconfig(zlib)\", /usr/bin/make]", `      build: {display_name: Build, description: "all\nof it", default: true, uservisible: false, ` +
				`packages: [{name: bash, type: conditional, requires: rpm, basearchonly: true}, gcc, "pkgconfig(zlib)", {name: /usr/bin/make, blocked: true}], requires: [{group: core, type: optional}]}`,
			[]string{
				`~ group build in f37: display_name "build" -> "Build", description "" -> "all\nof it", default, not uservisible`,
				"~ group build in f37: package /usr/bin/make (blocked)",
				"~ group build in f37: package bash (conditional, requires none -> rpm, basearchonly)",
				"+ group build in f37: required group core (optional)",
			},
			"f37 f37-build",
		},
		{
			"a group that is blocked", "      build: [bash, gcc, \"pkgconfig(zlib)\", /usr/bin/make]", "      build: {blocked: true}",
			[]string{
				"~ group build in f37: blocked", "- group build in f37: package /usr/bin/make", "- group build in f37: package bash",
				"- group build in f37: package gcc", "- group build in f37: package pkgconfig(zlib)",
			},
			"f37 f37-build",
		},
		{
			"a group that is gone", "    groups:\n      build: [bash, gcc, \"pkgconfig(zlib)\", /usr/bin/make]\n", "",
			[]string{"- group build in f37"},
			"f37 f37-build",
		},
		{
			"a group in a child adds to the parent's", "    external_repos: [fedora]", "    external_repos: [fedora]\n    groups: {build: {inherited: true, packages: [vim]}}",
			[]string{"+ group build in f37-build: added to what is inherited, packages vim"},
			"f37-build",
		},
		{
			"a package that is listed makes the tag and what inherits from it anew", "[hello,", "[hello, bash,",
			[]string{"+ package bash in f37 (owner distbot)"},
			"f37 f37-build",
		},
		{
			"a package that is gone", "[hello,", "[",
			[]string{"- package hello in f37"},
			"f37 f37-build",
		},
		{
			"a package that is blocked and has arches of its own", "[hello,", "[{package: hello, blocked: true, extra_arches: [i686]},",
			[]string{"~ package hello in f37: blocked, extra arches i686"},
			"f37 f37-build",
		},
		{
			"a package's owner makes no repository anew", "owner: alice", "owner: bob",
			[]string{"+ user bob (owner of packages)", "~ package zlib in f37: owner alice -> bob"},
			"",
		},
		{
			"a target's branches make no repository anew", `[f37, "1.10"]`, "[f37]",
			[]string{"~ target f37: branches 1.10 f37 -> f37"},
			"",
		},
		{
			"a target may have no branches", `[f37, "1.10"]`, "[]",
			[]string{"~ target f37: branches 1.10 f37 -> none"},
			"",
		},
		{
			"a target's tags make no repository anew", "build_tag: f37-build", "build_tag: f37",
			[]string{"~ target f37: build_tag f37-build -> f37"},
			"",
		},
		{
			"a target that is gone is removed", "  f37: {build_tag: f37-build, dest_tag: f37, branches", "  f38: {build_tag: f37-build, dest_tag: f37, branches",
			[]string{"- target f37 (f37-build -> f37)", "+ target f38: f37-build -> f37 (branches 1.10 f37)"},
			"",
		},
		{
			"ignored branches are told", "private/*, wip-*", "wip-*, tmp-*",
			[]string{"+ ignored branch tmp-*", "- ignored branch private/*"},
			"",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			apply(t, pool, goodDistro)
			stale(t, pool)
			events := queuetest.Value[int](t, pool, "select count(*) from events")
			if diff := cmp.Diff(test.changes, apply(t, pool, edit(t, test.old, test.new))); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if n := queuetest.Value[int](t, pool, "select count(*) from events"); n != events+1 {
				t.Errorf("%d events, want one", n-events)
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
			if again := apply(t, pool, goodDistro); len(again) != 0 {
				t.Errorf("the first file again: changes %q, want none", again)
			}
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
		revoked := queuetest.Values[string](t, pool, `select package || ' ' || (revoke_event > create_event) from group_package_listing where revoke_event is not null`)
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
		if changes, err := tags.Apply(t.Context(), pool, queuetest.Inserter(t, pool), d, tags.System); err == nil || changes != nil {
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
					_, err = tags.Apply(t.Context(), pool, jobs, d, tags.System)
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
