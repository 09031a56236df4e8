package queue_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// atOnce calls n functions at the same time, and wants one of them to begin a
// build and all others to be refused because of it.
func atOnce(t *testing.T, n int, begin func(i int) (int64, error)) (begun int64) {
	t.Helper()
	builds, errs := make([]int64, n), make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			builds[i], errs[i] = begin(i)
		})
	}
	close(start)
	group.Wait()
	named := map[int64]bool{}
	for i, err := range errs {
		var standing *queue.StandingBuildError
		switch {
		case err == nil && begun == 0:
			begun = builds[i]
		case err == nil:
			t.Errorf("builds %d and %d have begun, want one", begun, builds[i])
		case errors.As(err, &standing):
			named[standing.BuildID] = true
		default:
			t.Errorf("refused with %v, want *StandingBuildError", err)
		}
	}
	if diff := cmp.Diff(map[int64]bool{begun: true}, named); diff != "" {
		t.Errorf("the builds that refusals name (-want +got):\n%s", diff)
	}
	return begun
}

func TestACommitHasOneBuildForATarget(t *testing.T) {
	t.Parallel()

	t.Run("of many that are begun at once", func(t *testing.T) {
		t.Parallel()
		pool, d, _ := setup(t)
		jobs := queuetest.Inserter(t, pool)
		begun := atOnce(t, 12, func(int) (id int64, err error) {
			err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				id, err = queue.StartBuild(t.Context(), tx, jobs, queuetest.ExternalURL, d.NewBuild(7))
				return err
			})
			return id, err
		})
		builds := queuetest.Values[int64](t, pool, "select id from builds where commit_id = $1", queuetest.Commit(7))
		if diff := cmp.Diff([]int64{begun}, builds); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from tasks where build_id <> all ($1::bigint[])", []int64{1, begun}); n != 0 {
			t.Errorf("the refused left %d tasks", n)
		}
	})

	t.Run("of many retries of several builds at once", func(t *testing.T) {
		t.Parallel()
		pool, d, first := setup(t)
		jobs := queuetest.Inserter(t, pool)
		var over []int64
		for n := range 3 {
			build := first
			if n > 0 {
				build = d.Start(t, d.NewBuild(0))
			}
			if err := queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, build, "why"); err != nil {
				t.Fatal(err)
			}
			over = append(over, build)
		}
		// The last one can be gone on with, too.
		queuetest.Exec(t, pool, "update builds set nvr = 'hello-1-1' where id = $1", over[2])
		queuetest.Exec(t, pool, "update tasks set state = 'CLOSED', attempt = 1 where build_id = $1 and method = 'buildSRPM'", over[2])
		queuetest.Exec(t, pool, `insert into tasks (parent_id, build_id, method, arch, root_arch, label, state, attempt)
			select task_id, id, 'buildArch', 'x86_64', 'x86_64', 'l', 'CANCELED', 1 from builds where id = $1`, over[2])
		begun := atOnce(t, 12, func(i int) (id int64, err error) {
			if i%4 == 3 {
				id, _, err = queue.ResumeBuild(t.Context(), pool, jobs, queuetest.ExternalURL, over[2])
				var taken *queue.NotResumableError
				if errors.As(err, &taken) {
					// The index of NVRs says it before the statuses do.
					nvr := "hello-1-1"
					owner, err := db.New(pool).BuildByNVR(t.Context(), &nvr)
					if err != nil {
						return 0, err
					}
					return 0, &queue.StandingBuildError{BuildID: owner.ID}
				}
				return id, err
			}
			return queue.RetryBuild(t.Context(), pool, jobs, queuetest.ExternalURL, over[i%4])
		})
		running := queuetest.Values[int64](t, pool, "select id from builds where state = 'BUILDING'")
		if diff := cmp.Diff([]int64{begun}, running); diff != "" {
			t.Errorf("running builds (-want +got):\n%s", diff)
		}
	})

	t.Run("also when it is complete, and its statuses stay", func(t *testing.T) {
		t.Parallel()
		pool, d, failed := setup(t)
		jobs := queuetest.Inserter(t, pool)
		if err := queue.CancelBuild(t.Context(), pool, jobs, queuetest.ExternalURL, failed, "why"); err != nil {
			t.Fatal(err)
		}
		complete, err := queue.RetryBuild(t.Context(), pool, jobs, queuetest.ExternalURL, failed)
		if err != nil {
			t.Fatal(err)
		}
		queuetest.Exec(t, pool, "update builds set state = 'COMPLETE', nvr = 'hello-1-1' where id = $1", complete)
		queuetest.Tx(t, pool, func(tx pgx.Tx) error { return want(t.Context(), tx, jobs, d, 0, complete, "", "success") })
		_, err = queue.RetryBuild(t.Context(), pool, jobs, queuetest.ExternalURL, failed)
		var standing *queue.StandingBuildError
		if !errors.As(err, &standing) {
			t.Fatalf("got error %v, want *StandingBuildError", err)
		}
		if got, want := standing.Reason(), fmt.Sprintf("this commit was built for f37 already, as build %d (hello-1-1)", complete); got != want {
			t.Errorf("refused with %q, want %q", got, want)
		}
		if diff := cmp.Diff("f37 success\nf37/srpm pending", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("beside scratch builds and those for other targets", func(t *testing.T) {
		t.Parallel()
		_, d, _ := setup(t)
		scratch, other := d.NewBuild(0), d.NewBuild(0)
		scratch.Scratch, other.Target = true, "f38"
		for _, build := range []queue.NewBuild{scratch, other, scratch} {
			d.Start(t, build) // it fails the test when it is refused
		}
		later := d.NewBuild(9)
		later.Scratch = true
		d.Start(t, later)
		d.Start(t, d.NewBuild(9))
	})
}

// twins begins two builds of hello's nth commit, as could be done before the
// second was refused.
func twins(t *testing.T, d *queuetest.Distribution, n int) (older, newer int64) {
	t.Helper()
	build := d.NewBuild(n)
	build.Scratch = true
	older, newer = d.Start(t, build), d.Start(t, build)
	queuetest.Exec(t, d.Pool, "update builds set scratch = false where id = any ($1::bigint[])", []int64{older, newer})
	return older, newer
}

// TestYield ends one of two builds of a commit for the NVR that the other one
// has, while that one's success is told.
func TestYield(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	jobs := queuetest.Inserter(t, pool)
	d := queuetest.NewDistribution(t, pool, jobs, "x86_64")
	succeed := func(n int, owner int64) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			q := db.New(tx)
			if _, err := q.FinishBuild(t.Context(), db.FinishBuildParams{ID: owner, State: queue.BuildComplete}); err != nil {
				return err
			}
			build, err := q.GetBuild(t.Context(), owner)
			if err != nil {
				return err
			}
			if err := q.CloseTasks(t.Context(), []int64{*build.TaskID}); err != nil {
				return err
			}
			return want(t.Context(), tx, jobs, d, n, owner, "", "success")
		})
	}
	lose := func(loser, owner int64) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := db.New(tx).LockBuild(t.Context(), loser); err != nil {
				return err
			}
			if yielded, err := queue.Yield(t.Context(), tx, jobs, queuetest.ExternalURL, loser, owner); err != nil || !yielded {
				return fmt.Errorf("yielded: %t, %w", yielded, err)
			}
			return queue.EndBuild(t.Context(), tx, jobs, queuetest.ExternalURL, loser, queue.BuildEnd{State: queue.BuildFailed, Reason: "it is being built already"})
		})
	}
	orders := map[string]func(succeed, lose func() error) error{
		"before the other is complete": func(succeed, lose func() error) error { return errors.Join(lose(), succeed()) },
		"after the other is complete":  func(succeed, lose func() error) error { return errors.Join(succeed(), lose()) },
		"while the other completes": func(succeed, lose func() error) error {
			var group errgroup.Group
			group.Go(succeed)
			group.Go(lose)
			return group.Wait()
		},
	}
	n := 0
	for name, order := range orders {
		for _, newerLoses := range []bool{true, false} {
			first := n
			n += 20
			t.Run(fmt.Sprintf("%s, newer loses: %t", name, newerLoses), func(t *testing.T) {
				for i := first; i < first+20; i++ {
					loser, owner := twins(t, d, i)
					if newerLoses {
						loser, owner = owner, loser
					}
					queuetest.Exec(t, pool, "update builds set nvr = $2 where id = $1", owner, fmt.Sprintf("hello-%d-1", i))
					if err := order(func() error { return succeed(i, owner) }, func() error { return lose(loser, owner) }); err != nil {
						t.Fatal(err)
					}
					got := queuetest.Values[string](t, pool, `select context || ' ' || state || ' ' || build_id from reports
						where commit_id = $1 and context = 'distbot/f37'`, queuetest.Commit(i))
					if diff := cmp.Diff([]string{fmt.Sprintf("distbot/f37 success %d", owner)}, got); diff != "" {
						t.Fatalf("status (-want +got):\n%s", diff)
					}
					if row, err := db.New(pool).GetBuild(t.Context(), loser); err != nil || row.State != queue.BuildFailed || row.Reason == "" {
						t.Fatalf("the build that lost is %s (%s), %v", row.State, row.Reason, err)
					}
				}
			})
		}
	}

	t.Run("leaves builds of different commits their own statuses", func(t *testing.T) {
		one, other := d.Start(t, d.NewBuild(n)), d.Start(t, d.NewBuild(n+1))
		queuetest.Exec(t, pool, "update builds set nvr = 'hello-own-1' where id = $1", one)
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			yielded, err := queue.Yield(t.Context(), tx, jobs, queuetest.ExternalURL, other, one)
			if yielded {
				t.Error("it has yielded")
			}
			return err
		})
		if ids := queuetest.Values[int64](t, pool, "select distinct build_id from reports where commit_id = $1", queuetest.Commit(n+1)); !cmp.Equal(ids, []int64{other}) {
			t.Errorf("the statuses are of builds %v, want %d", ids, other)
		}
	})
}
