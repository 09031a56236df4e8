package queue_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// outbox makes a distribution whose reports note every change of theirs, and
// break the test's rule aloud: nothing follows the final state of a build but
// a newer build, and another final state where there is no build.
func outbox(t *testing.T) (*pgxpool.Pool, *queuetest.Distribution, *queue.Client) {
	t.Helper()
	pool := dbtest.New(t)
	queuetest.Exec(t, pool, `create function guard() returns trigger language plpgsql as $$ begin
		if new.seq = old.seq then return new; end if;
		if new.build_id < old.build_id or new.build_id = old.build_id and old.state <> 'pending'
			and (old.build_id > 0 or new.state = 'pending') then
			raise exception 'build % % was overwritten by build % %', old.build_id, old.state, new.build_id, new.state;
		end if;
		if new.seq <> old.seq + 1 then raise exception 'seq went from % to %', old.seq, new.seq; end if;
		return new; end $$`)
	queuetest.Exec(t, pool, "create trigger guard before update on reports for each row execute function guard()")
	return pool, queuetest.NewDistribution(t, pool, nil, "x86_64"), queuetest.Inserter(t, pool)
}

// asked is one status that was asked for.
type asked struct {
	build int64
	state string
}

// history makes the statuses of some builds in a random order, as if no build,
// 0, asked like the others: each build asks
// for pending a few times and for one or two final states, in any order.
func history(random *rand.Rand) []asked {
	var all []asked
	finals := []string{"success", "failure", "error"}
	for build := range int64(1 + random.IntN(4)) {
		for range 1 + random.IntN(3) {
			all = append(all, asked{build, "pending"})
		}
		for range random.IntN(3) {
			all = append(all, asked{build, finals[random.IntN(len(finals))]})
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// shown is what the rule makes of a history.
func shown(all []asked) asked {
	now := all[0]
	for _, next := range all[1:] {
		if next.build > now.build || next.build == now.build && (now.state == "pending" || now.build == 0 && next.state != "pending") {
			now = next
		}
	}
	return now
}

func TestWantStatus(t *testing.T) {
	t.Parallel()

	t.Run("shows by the rule whatever the order of several builds' statuses", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		for n := range 150 {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			all := history(random)
			queuetest.Tx(t, pool, func(tx pgx.Tx) error {
				for i, a := range all {
					err := queue.WantStatus(t.Context(), tx, jobs, queue.Status{
						RepositoryID: d.Repository, Commit: queuetest.Commit(n), Context: "distbot/f37", State: a.state,
						Description: fmt.Sprint(i), BuildID: a.build,
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
			var got asked
			err := pool.QueryRow(t.Context(), "select build_id, state from reports where commit_id = $1", queuetest.Commit(n)).Scan(&got.build, &got.state)
			if err != nil {
				t.Fatal(err)
			}
			if want := shown(all); got != want {
				t.Fatalf("history %d: %v shows %v, want %v", n, all, got, want)
			}
		}
	})

	t.Run("never overwrites a final state by an older one when builds report at once", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		for n := range 40 {
			all := history(rand.New(rand.NewPCG(uint64(n), 2)))
			var group errgroup.Group
			for i, a := range all {
				group.Go(func() error {
					return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
						return queue.WantStatus(t.Context(), tx, jobs, queue.Status{
							RepositoryID: d.Repository, Commit: queuetest.Commit(n), Context: "distbot/f37", State: a.state,
							Description: fmt.Sprint(i), BuildID: a.build,
						})
					})
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatalf("history %d: %v", n, err)
			}
			newest, final := all[0].build, false
			for _, a := range all {
				newest = max(newest, a.build)
			}
			for _, a := range all {
				final = final || a.build == newest && a.state != "pending"
			}
			var build int64
			var isFinal bool
			err := pool.QueryRow(t.Context(), "select build_id, state <> 'pending' from reports where commit_id = $1", queuetest.Commit(n)).Scan(&build, &isFinal)
			if err != nil {
				t.Fatal(err)
			}
			if build != newest || isFinal != final {
				t.Errorf("history %d: %v shows build %d (final %t), want build %d (final %t)", n, all, build, isFinal, newest, final)
			}
		}
	})

	t.Run("shows the same when all are asked for at once", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		for n := range 150 {
			all := history(rand.New(rand.NewPCG(uint64(n), 3)))
			var statuses []queue.Status
			for i, a := range all {
				for _, part := range []string{"x86_64", ""} {
					statuses = append(statuses, queue.Status{
						RepositoryID: d.Repository, Commit: queuetest.Commit(n), Context: queue.ContextOf("f37", part), State: a.state,
						Description: fmt.Sprint(i), BuildID: a.build,
					})
				}
			}
			queuetest.Tx(t, pool, func(tx pgx.Tx) error { return queue.WantStatuses(t.Context(), tx, jobs, statuses) })
			want := shown(all)
			line := fmt.Sprint(want.build, " ", want.state)
			got := queuetest.Values[string](t, pool, "select build_id || ' ' || state from reports where commit_id = $1", queuetest.Commit(n))
			if diff := cmp.Diff([]string{line, line}, got); diff != "" {
				t.Fatalf("history %d: %v shows (-want +got):\n%s", n, all, diff)
			}
		}
	})

	t.Run("enqueues one report for each commit, and the jobs given", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		var statuses []queue.Status
		for n := range 3 {
			for _, part := range []string{"", "x86_64", "srpm"} {
				statuses = append(statuses, status(d, n, 1, part, "pending"))
			}
		}
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			return queue.WantStatuses(t.Context(), tx, jobs, statuses, queue.ImportArgs{BuildID: 7})
		})
		got := queuetest.Values[string](t, pool, "select kind || ' ' || coalesce(args ->> 'build_id', args ->> 'commit') from river_job order by id")
		want := []string{"builders.import 7", "report.send " + queuetest.Commit(0), "report.send " + queuetest.Commit(1), "report.send " + queuetest.Commit(2)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
		// Nothing new: no report, but the job is still wanted.
		queuetest.Exec(t, pool, "delete from river_job")
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			return queue.WantStatuses(t.Context(), tx, jobs, statuses, queue.ImportArgs{BuildID: 8})
		})
		if diff := cmp.Diff([]string{"builders.import"}, queuetest.Values[string](t, pool, "select kind from river_job")); diff != "" {
			t.Errorf("jobs after the same statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("enqueues one report however often it is asked", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		for i := range 5 {
			queuetest.Tx(t, pool, func(tx pgx.Tx) error {
				return queue.WantStatus(t.Context(), tx, jobs, queue.Status{
					RepositoryID: d.Repository, Commit: queuetest.Commit(0), Context: "distbot/f37", State: "pending",
					Description: fmt.Sprint("phase ", i), BuildID: 1,
				})
			})
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job"); n != 1 {
			t.Errorf("%d jobs, want 1", n)
		}
		if seq := queuetest.Value[int](t, pool, "select seq from reports"); seq != 5 {
			t.Errorf("the report's seq is %d, want 5", seq)
		}
	})

	t.Run("asks for nothing when the status is the same", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		for range 2 {
			queuetest.Tx(t, pool, func(tx pgx.Tx) error { return want(t.Context(), tx, jobs, d, 0, 1, "", "pending") })
		}
		if seq := queuetest.Value[int](t, pool, "select seq from reports"); seq != 1 {
			t.Errorf("the report's seq is %d, want 1", seq)
		}
	})

	t.Run("takes any bytes as description", func(t *testing.T) {
		t.Parallel()
		pool, d, jobs := outbox(t)
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			return queue.WantStatus(t.Context(), tx, jobs, queue.Status{
				RepositoryID: d.Repository, Commit: queuetest.Commit(0), Context: "distbot/f37", State: "failure",
				Description: "error:\x00\xff\x1b[31m bad\r\n\tthing ", BuildID: 1,
			})
		})
		got := queuetest.Value[string](t, pool, "select description from reports")
		if want := "error: \uFFFD [31m bad thing"; got != want {
			t.Errorf("description %q, want %q", got, want)
		}
	})
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"keeps a line", "no %prep in hello.spec:7", "no %prep in hello.spec:7"},
		{"joins lines", "a\nb\r\n\tc", "a b c"},
		{"replaces bytes that are no text", "a\xffb", "a\uFFFDb"},
		{"drops NUL, which the database can't hold", "a\x00b", "a b"},
		{"keeps other scripts", "größe 大", "größe 大"},
		{"cuts between characters", strings.Repeat("ö", 2001), strings.Repeat("ö", 2000)},
		{"keeps 2000 characters", strings.Repeat("ö", 2000), strings.Repeat("ö", 2000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, queue.OneLine(test.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzOneLine(f *testing.F) {
	f.Add("no %prep\n\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		line := queue.OneLine(text)
		if !utf8.ValidString(line) || strings.ContainsAny(line, "\x00\n\r") || utf8.RuneCountInString(line) > 2000 {
			t.Errorf("%q becomes %q", text, line)
		}
	})
}

func TestContextOf(t *testing.T) {
	t.Parallel()
	if got := queue.ContextOf("f37", ""); got != "distbot/f37" {
		t.Errorf("a build's context is %s", got)
	}
	if got := queue.ContextOf("f37", "riscv64"); got != "distbot/f37/riscv64" {
		t.Errorf("an arch's context is %s", got)
	}
}
