package report_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/forgejo"
	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/forge/github"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/report"
)

// stage is an outbox and a strict fake forge that knows hello's commits.
type stage struct {
	pool   *pgxpool.Pool
	dist   *queuetest.Distribution
	jobs   *queue.Client
	server *forgetest.Server
	forge  forge.Forge
}

func newStage(t *testing.T) *stage {
	t.Helper()
	pool := dbtest.New(t)
	s := &stage{pool: pool, jobs: queuetest.Inserter(t, pool), server: forgetest.NewForgejo(t)}
	s.dist = queuetest.NewDistribution(t, pool, s.jobs, "x86_64")
	for n := range 50 {
		s.server.AddCommit("rpms/hello", queuetest.Commit(n))
	}
	driver, err := forgejo.New(forgejo.Config{URL: s.server.URL, Token: func() (string, error) { return forgetest.WriteToken, nil }})
	if err != nil {
		t.Fatal(err)
	}
	s.forge = driver
	return s
}

// work sends reports until the test ends.
func (s *stage) work(t *testing.T) {
	t.Helper()
	queuetest.Start(t, s.pool, "reporter", func(workers *river.Workers, _ queue.Canceler) {
		river.AddWorker(workers, &report.Worker{
			Pool: s.pool, Forges: map[string]forge.Forge{"gitea": s.forge}, Logger: slog.New(slog.DiscardHandler),
		})
	}, queue.QueueReport)
}

// status is one of hello's statuses.
func (s *stage) status(n int, build int64, part, state, description string) queue.Status {
	return queue.Status{
		RepositoryID: s.dist.Repository, Commit: queuetest.Commit(n), Context: queue.ContextOf("f37", part), State: state,
		Description: description, TargetURL: queue.BuildURL(queuetest.ExternalURL, build), BuildID: build,
	}
}

// want asks for statuses, each in a transaction of its own.
func (s *stage) want(t *testing.T, statuses ...queue.Status) {
	t.Helper()
	for _, status := range statuses {
		queuetest.Tx(t, s.pool, func(tx pgx.Tx) error { return queue.WantStatus(t.Context(), tx, s.jobs, status) })
	}
}

// settled waits until everything that was asked for is sent or given up and no
// report is at work.
func (s *stage) settled(t *testing.T) {
	t.Helper()
	queuetest.WaitRow(t, s.pool, "all reports are sent", `select not exists (select from reports where sent_seq < seq)
		and not exists (select from river_job where kind = 'report.send' and state in ('available', 'running', 'scheduled', 'retryable'))`)
}

// posted is what the forge was told of hello's nth commit, as lines "CONTEXT
// STATE DESCRIPTION".
func (s *stage) posted(n int) []string {
	var lines []string
	for _, status := range s.server.Posted("rpms/hello", queuetest.Commit(n)) {
		lines = append(lines, fmt.Sprintf("%s %s %s", strings.TrimPrefix(status.Context, "distbot/"), status.State, status.Description))
	}
	return lines
}

// wantPosted compares what the forge was told of hello's first commit.
func (s *stage) wantPosted(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.posted(0)); diff != "" {
		t.Errorf("posted statuses (-want +got):\n%s", diff)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()

	t.Run("is sent once", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.work(t)
		s.want(t, s.status(0, 1, "", "pending", "building hello-1-1"))
		s.settled(t)
		s.wantPosted(t, "f37 pending building hello-1-1")
		if got := s.server.Posted("rpms/hello", queuetest.Commit(0))[0].TargetURL; got != "https://distbot.example.org/builds/1" {
			t.Errorf("it links to %s", got)
		}
		if n := s.server.Requests(); n != 1 {
			t.Errorf("the forge was asked %d times, want once", n)
		}
	})

	t.Run("reaches GitHub as well", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.server = forgetest.NewGitHub(t)
		s.server.AddCommit("rpms/hello", queuetest.Commit(0))
		driver, err := github.New(github.Config{
			URL: "https://github.com", APIURL: s.server.APIURL, Token: func() (string, error) { return forgetest.WriteToken, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		s.forge = driver
		s.work(t)
		s.want(t, s.status(0, 1, "", "success", "hello-1-1 is in the repository of f37"))
		s.settled(t)
		s.wantPosted(t, "f37 success hello-1-1 is in the repository of f37")
	})

	t.Run("sends what was asked for last, not every step before it", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.want(t, s.status(0, 1, "", "pending", "queued"), s.status(0, 1, "", "pending", "building"), s.status(0, 1, "", "success", "done"))
		s.work(t)
		s.settled(t)
		s.wantPosted(t, "f37 success done")
	})

	t.Run("sends what is asked for while it is sending", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		gate := &gatedForge{Forge: s.forge, sending: make(chan struct{}), release: make(chan struct{})}
		s.forge = gate
		s.work(t)
		s.want(t, s.status(0, 1, "", "pending", "queued"))
		<-gate.sending
		s.want(t, s.status(0, 1, "", "pending", "building"), s.status(0, 1, "", "failure", "no %prep"))
		close(gate.release)
		s.settled(t)
		s.wantPosted(t, "f37 pending queued", "f37 failure no %prep")
		// River would end jobs that are given back many at once, in any order.
		if n := queuetest.Value[int](t, s.pool, "select count(*) from river_job where kind = 'report.send' and metadata ? 'snoozes'"); n != 0 {
			t.Errorf("%d jobs were given back for what was asked for meanwhile, want none", n)
		}
	})

	t.Run("never follows a final state by an older one", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.work(t)
		s.want(t, s.status(0, 2, "", "success", "done"))
		s.settled(t)
		s.want(t, s.status(0, 2, "", "pending", "late"), s.status(0, 2, "", "failure", "later"), s.status(0, 1, "", "error", "an older build"))
		s.settled(t)
		s.want(t, s.status(0, 3, "", "pending", "a newer build"))
		s.settled(t)
		s.wantPosted(t, "f37 success done", "f37 pending a newer build")
	})

	t.Run("cuts what the forge would refuse as too long", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.work(t)
		s.want(t, s.status(0, 1, "", "failure", strings.Repeat("ö ", 500)))
		s.settled(t)
		posted := s.server.Posted("rpms/hello", queuetest.Commit(0))
		if len(posted) != 1 || utf8.RuneCountInString(posted[0].Description) > 140 || !strings.HasSuffix(posted[0].Description, "…") {
			t.Errorf("posted %+v, want one status of at most 140 characters that ends in an ellipsis", posted)
		}
	})

	t.Run("of many contexts at once ends with the newest of each", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.work(t)
		const contexts, commits = 8, 5
		var group errgroup.Group
		for n := range commits {
			for c := range contexts {
				group.Go(func() error {
					for i, state := range []string{"pending", "pending", "pending", "success"} {
						err := pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
							return queue.WantStatus(t.Context(), tx, s.jobs, s.status(n, 1, fmt.Sprint("arch", c), state, fmt.Sprint("step ", i)))
						})
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		for n := range commits {
			last := map[string]int{}
			lines := s.posted(n)
			for i, line := range lines {
				context, _, _ := strings.Cut(line, " ")
				if before, ok := last[context]; ok && lines[before] >= line {
					t.Errorf("commit %d: %q was sent after %q", n, line, lines[before])
				}
				last[context] = i
			}
			if len(last) != contexts {
				t.Errorf("commit %d: %d contexts were sent, want %d", n, len(last), contexts)
			}
			for context, i := range last {
				if want := context + " success step 3"; lines[i] != want {
					t.Errorf("commit %d ends with %q, want %q", n, lines[i], want)
				}
			}
		}
	})
}

// gatedForge holds the first status back until it may go.
type gatedForge struct {
	forge.Forge
	sending, release chan struct{}
	held             bool
}

func (g *gatedForge) SetStatus(ctx context.Context, repo forge.Repository, commit string, status forge.Status) error {
	if !g.held {
		g.held = true
		close(g.sending)
		<-g.release
	}
	return g.Forge.SetStatus(ctx, repo, commit, status)
}

func TestReportAfterACrash(t *testing.T) {
	t.Parallel()

	// crashed is an outbox as a process leaves it that died while it sent.
	crashed := func(t *testing.T) *stage {
		t.Helper()
		s := newStage(t)
		s.want(t, s.status(0, 1, "", "success", "done"))
		n, err := db.New(s.pool).MarkReportSending(t.Context(), db.MarkReportSendingParams{ID: queuetest.Value[int64](t, s.pool, "select id from reports"), Seq: 1})
		if err != nil || n != 1 {
			t.Fatalf("mark: %d rows, %v", n, err)
		}
		return s
	}

	t.Run("that happened after sending is not sent twice", func(t *testing.T) {
		t.Parallel()
		s := crashed(t)
		err := s.forge.SetStatus(t.Context(), forge.Repository{FullName: "rpms/hello"}, queuetest.Commit(0), forge.Status{
			Context: "distbot/f37", State: forge.StateSuccess, Description: "done", TargetURL: queue.BuildURL(queuetest.ExternalURL, 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.work(t)
		s.settled(t)
		s.wantPosted(t, "f37 success done")
	})

	t.Run("that happened before sending is sent", func(t *testing.T) {
		t.Parallel()
		s := crashed(t)
		s.work(t)
		s.settled(t)
		s.wantPosted(t, "f37 success done")
	})

	t.Run("asks the forge again until it says what it shows", func(t *testing.T) {
		t.Parallel()
		s := crashed(t)
		s.server.Fail(forgetest.Fault{Status: http.StatusBadGateway})
		s.work(t)
		s.putOff(t, 2*time.Second)
		s.hurry(t)
		s.settled(t)
		s.wantPosted(t, "f37 success done")
	})
}
