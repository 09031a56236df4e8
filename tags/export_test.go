package tags_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// fullDistro says everything a file can say.
const fullDistro = `# Written by distbot tag export. What applying it would change, distbot plan tells.
arches: [x86_64, riscv64]
external_repos:
  epel: {url: 'https://mirror.example.org/epel/$arch'}
  fedora: {url: 'https://mirror.example.org/37/$arch'}
tags:
  a-parent:
    arches: []
    extra:
      mock.package_manager: dnf
      mock.yum.best: true
      noarch_arches: [x86_64, riscv64]
      number: 1.50
      odd key: "two\nlines"
      repo.opts: {src: true, debuginfo: [1, null, {x: no}]}
      rpm.macro.dist: .fc37
      rpm.macro.fedora: "37"
      rpm.macro.number: !!int 37
    extra_blocked: [mock.releasever]
  z-parent:
    arches: [x86_64]
    perm: repo
    locked: true
    groups:
      build: [/usr/bin/make, bash, pkgconfig(zlib)]
      core:
        display_name: Core
        description: What all need
        default: true
        uservisible: false
        exported: false
        langonly: de
        biarchonly: true
        packages: [{name: bash, type: conditional, requires: rpm, basearchonly: true}, {name: vim, blocked: true}]
        requires: [build, {group: games, type: optional}, {group: none, blocked: true}]
      games:
        blocked: true
  child:
    arches: inherit
    inherit:
      - z-parent
      - {parent: a-parent, priority: 15, maxdepth: 0, intransitive: true, noconfig: true, pkg_filter: '^(?!kernel$)'}
    external_repos: [fedora, {name: epel, url: 'https://mirror.example.org/epel-next/$arch', priority: 15}]
    groups:
      build:
        inherited: true
        packages: [gcc]
  other:
    external_repos: [epel]
  third:
    external_repos: [epel]
packages:
  a-parent: []
  z-parent:
    - bash
    - {package: glibc, owner: alice, extra_arches: [i686]}
    - {package: kernel, blocked: true}
    - {package: vim, extra_arches: []}
  child: []
  other: []
  third: []
targets:
  by-hand: {build_tag: child, dest_tag: z-parent, branches: []}
  f37: {build_tag: child, dest_tag: z-parent, branches: ["1.10", f37]}
ignore_branches: [private/*, wip-*]
`

// export exports the model of now.
func export(tb testing.TB, pool *pgxpool.Pool) string {
	tb.Helper()
	text, err := tags.Export(tb.Context(), tagview.Reader{Conn: pool})
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return string(text)
}

func TestExport(t *testing.T) {
	t.Parallel()

	t.Run("writes what was applied, word for word", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, fullDistro)
		if diff := cmp.Diff(fullDistro, export(t, pool)); diff != "" {
			t.Errorf("export (-want +got):\n%s", diff)
		}
		if p := plan(t, pool, fullDistro, true); len(p.Steps)+len(p.Notes) > 0 {
			t.Errorf("the plan after the export: %q, %q", lines(p), p.Notes)
		}
	})

	t.Run("of a file written by hand plans nothing", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		text := export(t, pool)
		if p := plan(t, pool, text, true); len(p.Steps)+len(p.Notes) > 0 {
			t.Errorf("the plan after the export: %q, %q\n%s", lines(p), p.Notes, text)
		}
		before := model(t, pool)
		apply(t, pool, text)
		if diff := cmp.Diff(before, model(t, pool)); diff != "" {
			t.Errorf("model (-before +after):\n%s", diff)
		}
	})

	t.Run("of an empty database can be read", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		if p := plan(t, pool, export(t, pool), true); len(p.Steps) > 0 {
			t.Errorf("the plan after the export: %q", lines(p))
		}
	})

	t.Run("as of an event brings that moment back", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		then := export(t, pool)
		event := queuetest.Value[int64](t, pool, "select max(id) from events")
		other := strings.Replace(edit(t, "bash, gcc,", "clang,"), "[hello,", "[", 1)
		apply(t, pool, other)
		text, err := tags.Export(t.Context(), tagview.Reader{Conn: pool, At: tagview.At(event)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(then, string(text)); diff != "" {
			t.Errorf("export (-then +as of then):\n%s", diff)
		}
		if diff := cmp.Diff([]string{
			"- group build in f37: package clang", "+ group build in f37: package bash", "+ group build in f37: package gcc",
			"+ package hello in f37 (owner distbot)",
		}, apply(t, pool, string(text))); diff != "" {
			t.Errorf("changes back (-want +got):\n%s", diff)
		}
	})

	t.Run("refuses what no file may say, and shows it", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		err := newAdmin(t, pool).do(t, func(e *tags.Edit) error {
			return errors.Join(
				e.AddLink(t.Context(), "f37", "f37-build", tags.LinkConfig{}),
				e.EditTag(t.Context(), "f37", tags.TagChange{Extra: rawJSON(map[string]string{"rpm.macro.a-b": "1"})}),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := tags.Export(t.Context(), tagview.Reader{Conn: pool})
		var wrong *tags.DistroError
		if !errors.As(err, &wrong) || len(wrong.Problems) != 2 || !strings.Contains(err.Error(), "in a circle") || !strings.Contains(err.Error(), `"a-b" is no name of a macro`) {
			t.Errorf("got error %v, want a *tags.DistroError with both", err)
		}
		if !strings.Contains(string(text), "rpm.macro.a-b: !!int 1") {
			t.Errorf("the text does not show it:\n%s", text)
		}
	})
}
