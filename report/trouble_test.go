package report_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// putOff waits until the one report was put off once more, and compares for how long.
func (s *stage) putOff(t *testing.T, want time.Duration) {
	t.Helper()
	queuetest.WaitRow(t, s.pool, "the report is put off",
		"select exists (select from river_job where kind = 'report.send' and state in ('available', 'scheduled') and scheduled_at > now() + interval '1 second')")
	left := queuetest.Value[float64](t, s.pool, "select extract(epoch from scheduled_at - now())::float8 from river_job where kind = 'report.send' and state <> 'completed'")
	if got := time.Duration(left * float64(time.Second)); got > want || got < want-15*time.Second {
		t.Errorf("the report is put off for %s, want %s", got, want)
	}
}

// hurry lets the report that was put off run now.
func (s *stage) hurry(t *testing.T) {
	t.Helper()
	queuetest.Exec(t, s.pool, "update river_job set state = 'available', scheduled_at = now() where kind = 'report.send' and state in ('available', 'scheduled')")
}

func TestReportToAForgeInTrouble(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, test := range []struct {
		name   string
		faults []forgetest.Fault
		delays []time.Duration
	}{
		{"answers 500", []forgetest.Fault{{Status: 500}}, []time.Duration{2 * time.Second}},
		{"drops the connection", []forgetest.Fault{{Drop: true}}, []time.Duration{2 * time.Second}},
		{"says when it has time again", []forgetest.Fault{{Status: 429, Header: header("Retry-After", "60")}}, []time.Duration{time.Minute}},
		{
			"is out of budget for this repository",
			[]forgetest.Fault{{Status: 403, Header: header("X-Ratelimit-Remaining", "0", "X-Ratelimit-Reset", fmt.Sprint(time.Now().Unix()+1800))}},
			[]time.Duration{30 * time.Minute},
		},
		{"asks for an hour", []forgetest.Fault{{Status: 503, Header: header("Retry-After", "3600")}}, []time.Duration{time.Hour}},
		{
			"fails again and again, ever less often",
			[]forgetest.Fault{{Status: 502}, {Status: 502}, {Status: 502}, {Status: 502}},
			[]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second},
		},
	} {
		t.Run("is delayed while it "+test.name+", and then sent", func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.server.Fail(test.faults...)
			s.work(t)
			s.want(t, s.status(0, 1, "", "success", "done"))
			for i, delay := range test.delays {
				queuetest.WaitRow(t, s.pool, "the failure is noted", "select failures = $1 and last_error <> '' from reports", i+1)
				s.putOff(t, delay)
				s.hurry(t)
			}
			s.settled(t)
			s.wantPosted(t, "f37 success done")
			if left := queuetest.Value[string](t, s.pool, "select failures || last_error from reports"); left != "0" {
				t.Errorf("the report still says %q", left)
			}
		})
	}

	t.Run("does not keep builds from starting", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.server.Close()
		s.work(t)
		for n := range 5 {
			s.dist.Start(t, s.dist.NewBuild(n))
		}
		if n := queuetest.Value[int](t, s.pool, "select count(*) from tasks where method = 'buildSRPM' and state = 'FREE'"); n != 5 {
			t.Errorf("%d source packages can be made, want 5", n)
		}
		queuetest.WaitRow(t, s.pool, "all reports have failed once", "select count(*) = 10 from reports where failures > 0 and sent_seq = 0")
	})

	t.Run("that knows no such commit is given up with the reason", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.server.Fail(forgetest.Fault{Status: 404, Body: `{"message":"not found"}`})
		s.work(t)
		s.want(t, s.status(0, 1, "", "success", "done"))
		s.settled(t)
		s.wantPosted(t)
		if reason := queuetest.Value[string](t, s.pool, "select last_error from reports"); !strings.Contains(reason, "not found") {
			t.Errorf("the report's last error is %q, want it to say not found", reason)
		}
		// A job that runs once more neither sends it nor forgets the reason.
		queuetest.Tx(t, s.pool, func(tx pgx.Tx) error {
			_, err := queue.Insert(t.Context(), tx, s.jobs, queue.ReportArgs{RepositoryID: s.dist.Repository, Commit: queuetest.Commit(0)})
			return err
		})
		s.settled(t)
		s.wantPosted(t)
		if reason := queuetest.Value[string](t, s.pool, "select last_error from reports"); !strings.Contains(reason, "not found") {
			t.Errorf("the report's last error is %q after another run", reason)
		}
		// What is asked for next gets its own chance.
		s.want(t, s.status(0, 2, "", "pending", "a newer build"))
		s.settled(t)
		s.wantPosted(t, "f37 pending a newer build")
	})

	t.Run("is given up after a day of trying", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.want(t, s.status(0, 1, "", "success", "done"))
		queuetest.Exec(t, s.pool, "update reports set failures = 150")
		s.server.Fail(forgetest.Fault{Status: 502})
		s.work(t)
		s.settled(t)
		s.wantPosted(t)
	})

	t.Run("that is not configured any more is given up with the reason", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		queuetest.Exec(t, s.pool, "update repositories set forge = 'gone'")
		s.work(t)
		s.want(t, s.status(0, 1, "", "success", "done"))
		s.settled(t)
		if reason := queuetest.Value[string](t, s.pool, "select last_error from reports"); !strings.Contains(reason, "not configured") {
			t.Errorf("the report's last error is %q", reason)
		}
	})

	t.Run("does not keep the other reports waiting", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.forge = &deafForge{Forge: s.forge, context: "distbot/f37/x86_64"}
		s.work(t)
		s.want(t, s.status(0, 1, "x86_64", "pending", "a"), s.status(0, 1, "riscv64", "pending", "b"), s.status(0, 1, "", "pending", "c"))
		queuetest.Wait(t, "the others are sent", func() (bool, string) {
			got := s.posted(0)
			slices.Sort(got)
			return slices.Equal(got, []string{"f37 pending c", "f37/riscv64 pending b"}), fmt.Sprint(got)
		})
	})
}

// deafForge does not take statuses of one context.
type deafForge struct {
	forge.Forge
	context string
}

func (d *deafForge) SetStatus(ctx context.Context, repo forge.Repository, commit string, status forge.Status) error {
	if status.Context == d.context {
		return &forge.RetryError{Err: errors.New("not today")}
	}
	return d.Forge.SetStatus(ctx, repo, commit, status)
}
