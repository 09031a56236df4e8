package report_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// wantAtOnce asks for statuses in one transaction.
func (s *stage) wantAtOnce(t *testing.T, statuses ...queue.Status) {
	t.Helper()
	queuetest.Tx(t, s.pool, func(tx pgx.Tx) error { return queue.WantStatuses(t.Context(), tx, s.jobs, statuses) })
}

// three are statuses of three contexts of one commit.
func (s *stage) three(state string) []queue.Status {
	return []queue.Status{s.status(0, 1, "", state, "a"), s.status(0, 1, "srpm", state, "b"), s.status(0, 1, "x86_64", state, "c")}
}

func TestReportOfACommit(t *testing.T) {
	t.Parallel()

	t.Run("sends all that is asked for in one run", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.wantAtOnce(t, s.three("pending")...)
		s.work(t)
		s.settled(t)
		s.wantPosted(t, "f37 pending a", "f37/srpm pending b", "f37/x86_64 pending c")
		if runs := queuetest.Values[int](t, s.pool, "select attempt from river_job where kind = 'report.send'"); !slices.Equal(runs, []int{1}) {
			t.Errorf("jobs ran %v times, want one that ran once", runs)
		}
	})

	t.Run("goes on after a status that is refused", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.forge = &refusingForge{Forge: s.forge, context: "distbot/f37/srpm"}
		s.wantAtOnce(t, s.three("success")...)
		s.work(t)
		s.settled(t)
		s.wantPosted(t, "f37 success a", "f37/x86_64 success c")
		got := queuetest.Values[string](t, s.pool, "select context || ' ' || last_error from reports order by context")
		if diff := cmp.Diff([]string{"distbot/f37 ", "distbot/f37/srpm never", "distbot/f37/x86_64 "}, got); diff != "" {
			t.Errorf("what is said of each (-want +got):\n%s", diff)
		}
	})

	t.Run("asks nothing more of a forge that asks for patience", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.server.Fail(forgetest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}}})
		s.wantAtOnce(t, s.three("success")...)
		s.work(t)
		queuetest.WaitRow(t, s.pool, "the report is put off",
			"select exists (select from river_job where kind = 'report.send' and state = 'scheduled' and scheduled_at > now() + interval '50 seconds')")
		if n := s.server.Requests(); n != 1 {
			t.Errorf("the forge was asked %d times, want once", n)
		}
		s.hurry(t)
		s.settled(t)
		s.wantPosted(t, "f37 success a", "f37/srpm success b", "f37/x86_64 success c")
	})

	t.Run("sends what a transaction asks for that sees the report run and ends after it", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		gate := &gatedForge{Forge: s.forge, sending: make(chan struct{}), release: make(chan struct{})}
		s.forge = gate
		s.work(t)
		s.want(t, s.status(0, 1, "", "pending", "a"))
		<-gate.sending
		queuetest.Tx(t, s.pool, func(tx pgx.Tx) error {
			if err := queue.WantStatus(t.Context(), tx, s.jobs, s.status(0, 1, "srpm", "pending", "b")); err != nil {
				return err
			}
			close(gate.release)
			queuetest.WaitRow(t, s.pool, "the report waits for the transaction",
				"select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')")
			return nil
		})
		s.settled(t)
		s.wantPosted(t, "f37 pending a", "f37/srpm pending b")
		if n := queuetest.Value[int](t, s.pool, "select count(*) from river_job where kind = 'report.send'"); n != 1 {
			t.Errorf("%d jobs, want 1: the transaction did not see the report run", n)
		}
	})

	t.Run("after a crash sends what the forge does not show, and asks it once", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.wantAtOnce(t, s.three("success")...)
		queuetest.Exec(t, s.pool, "update reports set sending_seq = seq where context <> 'distbot/f37/x86_64'")
		err := s.forge.SetStatus(t.Context(), forge.Repository{FullName: "rpms/hello"}, queuetest.Commit(0), forge.Status{
			Context: "distbot/f37", State: forge.StateSuccess, Description: "a", TargetURL: queue.BuildURL(queuetest.ExternalURL, 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		asked := &askedForge{Forge: s.forge}
		s.forge = asked
		s.work(t)
		s.settled(t)
		s.wantPosted(t, "f37 success a", "f37/srpm success b", "f37/x86_64 success c")
		if n := asked.times.Load(); n != 1 {
			t.Errorf("the forge was asked %d times what it shows, want once", n)
		}
	})

	t.Run("marks nothing where nothing is shown", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		silent := &silentForge{Forge: s.forge}
		s.forge = silent
		s.wantAtOnce(t, s.three("success")...)
		s.work(t)
		s.settled(t)
		if diff := cmp.Diff([]string{"distbot/f37", "distbot/f37/srpm", "distbot/f37/x86_64"}, silent.set); diff != "" {
			t.Errorf("statuses set (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, s.pool, "select count(*) from reports where sending_seq = 0 and sent_seq = 1 and sent_at is not null"); n != 3 {
			t.Errorf("%d statuses are sent without a mark, want 3", n)
		}
	})
}

// refusingForge never takes statuses of one context.
type refusingForge struct {
	forge.Forge
	context string
}

func (f *refusingForge) SetStatus(ctx context.Context, repo forge.Repository, commit string, status forge.Status) error {
	if status.Context == f.context {
		return errors.New("never")
	}
	return f.Forge.SetStatus(ctx, repo, commit, status)
}

// askedForge counts how often it is asked what it shows.
type askedForge struct {
	forge.Forge
	times atomic.Int64
}

func (f *askedForge) Statuses(ctx context.Context, repo forge.Repository, commit string) ([]forge.Status, error) {
	f.times.Add(1)
	return f.Forge.Statuses(ctx, repo, commit)
}

// silentForge shows no status to anybody.
type silentForge struct {
	forge.Forge
	mu  sync.Mutex
	set []string
}

func (*silentForge) KeepsStatuses() bool { return false }

func (f *silentForge) SetStatus(_ context.Context, _ forge.Repository, _ string, status forge.Status) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set = append(f.set, status.Context)
	return nil
}
