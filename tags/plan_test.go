package tags_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// read reads a distribution file that is right.
func read(tb testing.TB, text string) *tags.Distro {
	tb.Helper()
	d, err := tags.ReadDistro(strings.NewReader(text))
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return d
}

// plan plans what the text says.
func plan(tb testing.TB, pool *pgxpool.Pool, text string, prune bool) *tags.Plan {
	tb.Helper()
	p, err := tags.NewPlan(tb.Context(), pool, read(tb, text), prune)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func lines(p *tags.Plan) []string {
	list := []string{}
	for _, step := range p.Steps {
		list = append(list, step.String())
	}
	return list
}

func TestPlan(t *testing.T) {
	t.Parallel()

	t.Run("says what apply does, and does nothing", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		before := model(t, pool)
		planned := plan(t, pool, goodDistro, false)
		if diff := cmp.Diff(before, model(t, pool)); diff != "" {
			t.Errorf("model (-before +after the plan):\n%s", diff)
		}
		if got, want := planned.Summary(), fmt.Sprintf("%d to create, 0 to change, 0 to remove", len(planned.Steps)); got != want {
			t.Errorf("summary %q, want %q", got, want)
		}
		if diff := cmp.Diff(lines(planned), apply(t, pool, goodDistro)); diff != "" {
			t.Errorf("changes (-planned +applied):\n%s", diff)
		}
		again := plan(t, pool, goodDistro, true)
		if len(again.Steps) > 0 || again.Summary() != "nothing to change" {
			t.Errorf("planned again: %q, %s", lines(again), again.Summary())
		}
	})

	t.Run("refuses a permission that is not known", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		const text = "arches: [x86_64]\ntags:\n  a: {perm: tag}\n  b:\n    perm: releng\n"
		const want = `tags: distro.yaml: line 5: tag b: there is no permission "releng": the permissions are admin, host, repo, tag, target`
		_, err := tags.NewPlan(t.Context(), pool, read(t, text), false)
		if err == nil || err.Error() != want {
			t.Errorf("plan: got error %v, want %s", err, want)
		}
		_, err = tags.Apply(t.Context(), pool, queuetest.Inserter(t, pool), read(t, text), tags.System)
		var wrong *tags.DistroError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "line 5") {
			t.Errorf("apply: got error %v, want a *tags.DistroError with the line", err)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from tags"); n != 0 {
			t.Errorf("%d tags were made", n)
		}
	})

	t.Run("removes tags that the file lacks only when it is to prune", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		text := "arches: [x86_64, riscv64]\ntags: {f37-extra: {arches: [x86_64]}}\n"
		kept := plan(t, pool, text, false)
		want := []string{"- target f37 (f37-build -> f37)", "- ignored branch private/*", "- ignored branch wip-*"}
		if diff := cmp.Diff(want, lines(kept)); diff != "" {
			t.Errorf("plan (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"not in the file and left alone (pruning removes them): f37 f37-build"}, kept.Notes); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
		jobs := queuetest.Inserter(t, pool)
		done, err := tags.ApplyPlan(t.Context(), pool, jobs, read(t, text), tags.System, true)
		if err != nil {
			t.Fatal(err)
		}
		want = []string{
			"- target f37 (f37-build -> f37)", "- tag f37", "- tag f37-build", "- ignored branch private/*", "- ignored branch wip-*",
		}
		if diff := cmp.Diff(want, lines(done)); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"tag f37-extra x86_64 false x86_64 {}"}, model(t, pool)); diff != "" {
			t.Errorf("model (-want +got):\n%s", diff)
		}
		if again := plan(t, pool, text, true); len(again.Steps)+len(again.Notes) > 0 {
			t.Errorf("planned again: %q, %q", lines(again), again.Notes)
		}
		// A tag that is made again has nothing of what it had.
		apply(t, pool, goodDistro)
		other := dbtest.New(t)
		apply(t, other, goodDistro)
		if diff := cmp.Diff(model(t, other), model(t, pool)); diff != "" {
			t.Errorf("model after the tags came back (-want +got):\n%s", diff)
		}
	})

	t.Run("says how many builds a tag has that it would remove", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		build := complete(t, pool, d, 0)
		nvr := queuetest.Value[string](t, pool, "select nvr from builds where id = $1", build)
		if err := newAdmin(t, pool).do(t, func(e *tags.Edit) error { return e.TagBuild(t.Context(), "f37", nvr, true) }); err != nil {
			t.Fatal(err)
		}
		want := []string{"- tag f37 (builds tagged into it: 1)", "- tag f37-build"}
		if diff := cmp.Diff(want, lines(plan(t, pool, "tags: {}\n", true))); diff != "" {
			t.Errorf("plan (-want +got):\n%s", diff)
		}
	})

	t.Run("leaves package lists alone that the file does not name", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		without := edit(t, "packages:\n  f37: [hello, {package: zlib, owner: alice}]\n", "")
		if changes := apply(t, pool, without); len(changes) > 0 {
			t.Errorf("changes %q, want none", changes)
		}
		none := edit(t, "[hello, {package: zlib, owner: alice}]", "[]")
		if diff := cmp.Diff([]string{"- package hello in f37", "- package zlib in f37"}, apply(t, pool, none)); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})

	t.Run("makes an entry of the tag's own although it inherits the same", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		const text = "arches: [x86_64]\ntags: {a: {}, b: {inherit: [a]}}\npackages: {a: [hello], b: [hello]}\n"
		apply(t, pool, text)
		rows := queuetest.Value[int](t, pool, "select count(*) from tag_packages where revoke_event is null")
		if changes := apply(t, pool, text); rows != 2 || len(changes) > 0 {
			t.Errorf("%d entries, want 2; applied again: %q", rows, changes)
		}
	})

	t.Run("undoes what people changed", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		before := model(t, pool)
		yes := true
		err := newAdmin(t, pool).do(t, func(e *tags.Edit) error {
			ctx := t.Context()
			return errors.Join(
				e.EditTag(ctx, "f37", tags.TagChange{Locked: &yes, BlockExtra: []string{"mock.x", "rpm.macro.dist"}}),
				e.RemoveLink(ctx, "f37-build", "f37"),
				e.AddLink(ctx, "f37", "f37-extra", tags.LinkConfig{}),
				e.BlockGroup(ctx, "f37", "build"),
				e.AddGroup(ctx, "f37-build", "core", tags.GroupChange{}),
				e.BlockPackage(ctx, "f37", "hello", false),
				e.RemovePackage(ctx, "f37", "zlib"),
				e.AddTarget(ctx, "f38", tags.TargetConfig{BuildTag: "f37", DestTag: "f37"}),
				e.RemoveTarget(ctx, "f37"),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
		changes := apply(t, pool, goodDistro)
		if diff := cmp.Diff([]string{
			`~ tag f37: not locked, extra rpm.macro.dist = ".fc37", extra mock.x removed`,
			"- link f37 -> f37-extra", "+ link f37-build -> f37 (priority 10)",
			"~ group build in f37: not blocked", "- group core in f37-build",
			"~ package hello in f37: not blocked", "+ package zlib in f37 (owner alice)",
			"- target f38 (f37 -> f37)", "+ target f37: f37-build -> f37 (branches 1.10 f37)",
		}, changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, model(t, pool)); diff != "" {
			t.Errorf("model (-before +after):\n%s", diff)
		}
	})

	t.Run("refuses an unknown and a disabled actor", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		queuetest.Exec(t, pool, "insert into users (name, enabled) values ('gone', false)")
		for _, actor := range []string{"nobody", "gone"} {
			if _, err := tags.Apply(t.Context(), pool, queuetest.Inserter(t, pool), read(t, goodDistro), actor); err == nil {
				t.Errorf("%s applied a file", actor)
			}
		}
	})

	t.Run("as part of an edit asks what the user may", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		editor := newAdmin(t, pool).editor
		_, err := editor.Do(t.Context(), tags.System, "test", func(e *tags.Edit) error {
			_, err := e.ApplyDistro(t.Context(), read(t, goodDistro), false)
			return err
		})
		var refusal *tags.RefusedError
		if !errors.As(err, &refusal) || refusal.Fault != tags.FaultNotAllowed {
			t.Errorf("got error %v, want a refusal", err)
		}
		if _, err := editor.Do(t.Context(), "admin", "test", func(e *tags.Edit) error {
			_, err := e.ApplyDistro(t.Context(), read(t, goodDistro), false)
			return err
		}); err != nil {
			t.Errorf("admin: %v", err)
		}
	})
}
