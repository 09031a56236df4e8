package repopublish

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// publisherEnv makes the test binary a publisher: its value is a
// publisherProcess as JSON.
const publisherEnv = "DISTBOT_REPOPUBLISH_TEST_PUBLISHER"

// publisherProcess is what another process needs to publish.
type publisherProcess struct {
	URL, StoreDir, ReposDir, CacheDir string
	// MaxFile bounds the files it may write, in bytes; 0 means no bound.
	MaxFile uint64
}

// TestMain lets the test binary be run as another process that publishes, so
// that it can really be killed and really run out of room.
func TestMain(m *testing.M) {
	spec, ok := os.LookupEnv(publisherEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if err := publish(context.Background(), spec); err != nil {
		fmt.Fprintln(os.Stderr, "publisher:", err)
		os.Exit(1)
	}
}

func publish(ctx context.Context, spec string) error {
	var p publisherProcess
	if err := json.Unmarshal([]byte(spec), &p); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, p.URL)
	if err != nil {
		return err
	}
	process, err := queue.ThisProcess()
	if err != nil {
		return err
	}
	lease := &queue.Lease{Pool: pool, ClientID: queue.NewClientID(process), Process: process, Logger: slog.Default()}
	if _, _, err := lease.Hold(ctx); err != nil {
		return err
	}
	artifacts, err := store.Open(p.StoreDir)
	if err != nil {
		return err
	}
	if p.MaxFile > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: p.MaxFile, Max: p.MaxFile}); err != nil {
			return err
		}
	}
	workers := river.NewWorkers()
	publisher := &Publisher{
		Pool: pool, Store: artifacts, ReposDir: p.ReposDir, CacheDir: p.CacheDir, ExternalURL: queuetest.ExternalURL, Keep: 3, KeepFor: 0,
		Logger: slog.New(slog.DiscardHandler),
	}
	river.AddWorker(workers, &Worker{Publisher: publisher})
	client, err := queue.NewClient(pool, queue.Config{
		ID: lease.ClientID, Workers: workers, Queues: map[string]int{queue.QueuePublish: 4}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	publisher.Jobs = client
	if err := client.Start(ctx); err != nil {
		return err
	}
	select {} // until it is killed
}

// elsewhere starts another process that publishes; the returned function kills
// it, which the end of the test does too.
func (s *stage) elsewhere(t *testing.T, maxFile uint64) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(publisherProcess{
		URL: s.Pool.Config().ConnString(), StoreDir: filepath.Join(filepath.Dir(s.ReposDir), "store"), ReposDir: s.ReposDir, CacheDir: s.CacheDir, MaxFile: maxFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), publisherEnv+"="+string(spec))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	return kill
}

// reap gives the jobs of killed processes away.
func (s *stage) reap(t *testing.T) {
	t.Helper()
	process, err := queue.ThisProcess()
	if err != nil {
		t.Fatal(err)
	}
	reaper := &queue.Reaper{Pool: s.Pool, Inserter: s.Jobs, Process: process, Logger: slog.New(slog.DiscardHandler)}
	if _, err := reaper.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestKilledPublisher(t *testing.T) {
	t.Parallel()

	t.Run("leaves whole generations only and is followed by the next one", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		random := rand.New(rand.NewPCG(1, 2))
		const kills = 4
		n := 0
		for range kills {
			kill := s.elsewhere(t, 0)
			before := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations")
			goal := before + 2 + random.IntN(6)
			queuetest.Wait(t, "generations are being made", func() (bool, string) {
				if n < 200 && random.IntN(4) == 0 {
					s.tag(t, s.dist.DestTag, s.complete(t, n, "hello", fmt.Sprint(n+1), "hello.x86_64"))
					n++
				}
				made := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations")
				return made >= goal, fmt.Sprintf("%d generations", made)
			})
			kill()
			for _, tag := range []string{"f37", "f37-build"} {
				dir, err := s.latestOf(tag)
				if err != nil {
					if queuetest.Value[bool](t, s.Pool, "select built_rev > 1 from tags where name = $1", tag) {
						t.Fatalf("%s was published and has no newest generation: %v", tag, err)
					}
					continue
				}
				if _, _, err := readRepo(filepath.Join(dir, "x86_64")); err != nil {
					t.Fatalf("after a kill the newest generation %s of %s is not whole: %v", filepath.Base(dir), tag, err)
				}
			}
			s.reap(t)
		}
		s.KeepFor = 0
		s.regenerate(t, s.dist.DestTag)
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", fmt.Sprintf("hello-%d-1.x86_64", n))
		for _, tag := range []string{"f37", "f37-build"} {
			s.wantTreesAsRecorded(t, tag)
		}
		if left := queuetest.Value[int](t, s.Pool, "select count(*) from builds where published_at is null"); left != 0 {
			t.Errorf("%d of %d builds were never announced", left, n)
		}
		interrupted := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations where state = 'expired' and published_at is null")
		t.Logf("%d builds, %d generations, %d of them interrupted by %d kills", n, queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations"), interrupted, kills)
	})

	t.Run("that has no room for a file leaves the newest generation as it is", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		kill := s.elsewhere(t, 0)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.settled(t)
		kill()
		s.reap(t)
		kill = s.elsewhere(t, 200)
		s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "2", "hello.x86_64"))
		queuetest.WaitRow(t, s.Pool, "publishing fails", `select count(*) = 2 from river_job where kind = 'repopublish.publish'
			and state <> 'running' and errors[1]->>'error' like '%file too large%'`)
		kill()
		s.reap(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		s.wantNoLeftovers(t)
		if got := s.dist.Statuses(t, 1); !strings.HasPrefix(got, "f37 pending") {
			t.Errorf("the build's status is %q, want it pending", got)
		}
		// With room again it goes on by itself.
		s.hurry(t)
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64")
	})
}
