package tags_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// TestEditWhileATagBecomesAChild changes what f37 holds while distro.yaml makes
// f37-live inherit from it. Whoever comes first, f37-live must be made anew after
// both: a publisher that ran between the two commits would have missed the
// change.
func TestEditWhileATagBecomesAChild(t *testing.T) {
	t.Parallel()
	const gate = 4711
	for name, pausedAt := range map[string]string{
		"the file is applied first": "tag_inheritance",
		"the tag is changed first":  "river_job",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			apply(t, pool, goodDistro)
			stale(t, pool)
			child, err := tags.ReadDistro(strings.NewReader(edit(t, "  f37-extra:\n", "  f37-live:\n    inherit: [f37]\n  f37-extra:\n")))
			if err != nil {
				t.Fatal(err)
			}
			admin := newAdmin(t, pool)
			jobs := queuetest.Inserter(t, pool)

			// Whoever inserts into the table waits until the gate is open.
			queuetest.Exec(t, pool, `create function wait() returns trigger language plpgsql as $$ begin
				perform pg_advisory_xact_lock_shared(4711); return new; end $$`)
			queuetest.Exec(t, pool, "create trigger wait before insert on "+pausedAt+" for each row execute function wait()")
			keeper, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer keeper.Release()
			if _, err := keeper.Exec(t.Context(), "select pg_advisory_lock($1)", gate); err != nil {
				t.Fatal(err)
			}

			steps := []func() error{
				func() error {
					_, err := tags.Apply(t.Context(), pool, jobs, child, tags.System)
					return err
				},
				func() error {
					return admin.do(t, func(e *tags.Edit) error {
						return e.AddPackage(t.Context(), "f37", "bash", tags.PackageChange{Force: true})
					})
				},
			}
			if pausedAt == "river_job" {
				steps[0], steps[1] = steps[1], steps[0]
			}
			var group errgroup.Group
			for i, step := range steps {
				group.Go(step)
				queuetest.WaitRow(t, pool, "one more waits", `select count(*) = $1 from pg_stat_activity
					where datname = current_database() and wait_event_type = 'Lock'`, i+1)
			}
			if _, err := keeper.Exec(t.Context(), "select pg_advisory_unlock($1)", gate); err != nil {
				t.Fatal(err)
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			// Made with 1, raised by the file and, if it came later, by the change.
			want := map[string]int64{"tag_inheritance": 3, "river_job": 2}[pausedAt]
			if got := queuetest.Value[int64](t, pool, "select want_rev from tags where name = 'f37-live'"); got != want {
				t.Errorf("f37-live wants revision %d, want %d: it was published without the change", got, want)
			}
			if diff := cmp.Diff("f37 f37-build f37-live", stale(t, pool)); diff != "" {
				t.Errorf("repositories to make (-want +got):\n%s", diff)
			}
		})
	}
}
