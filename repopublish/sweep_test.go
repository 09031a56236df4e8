package repopublish

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestSweep(t *testing.T) {
	t.Parallel()

	// publish makes n generations of f37.
	publish := func(t *testing.T, s *stage, n int) {
		t.Helper()
		for range n {
			s.regenerate(t, s.dist.DestTag)
			s.settled(t)
		}
	}
	// wantKept waits until these are the generations of f37.
	wantKept := func(t *testing.T, s *stage, want string) {
		t.Helper()
		queuetest.Wait(t, "the generations "+want+" are kept", func() (bool, string) {
			kept := fmt.Sprint(queuetest.Values[int64](t, s.Pool, "select number from repo_generations where tag_id = $1 and state = 'published' order by 1", s.dist.DestTag))
			return kept == want, kept
		})
		s.wantTreesAsRecorded(t, "f37")
	}
	for _, test := range []struct {
		name    string
		keep    int
		keepFor time.Duration
		want    string
	}{
		{"keeps as many generations as it is told", 3, 0, "[4 5 6]"},
		{"keeps the newest generation whatever it is told", 0, 0, "[6]"},
		{"keeps what was replaced a short while ago", 1, time.Hour, "[1 2 3 4 5 6]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "x86_64")
			s.Keep, s.KeepFor = test.keep, test.keepFor
			s.work(t)
			publish(t, s, 6)
			wantKept(t, s, test.want)
		})
	}

	t.Run("removes old generations where the next one can't be made, since they may have the space", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.Keep, s.KeepFor = 1, time.Hour
		s.work(t)
		publish(t, s, 4)
		queuetest.Exec(t, s.Pool, "update repo_generations set published_at = now() - interval '2 hours'")
		build := s.complete(t, 6, "lost", "1", "lost.x86_64")
		sha := queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1", build)
		if err := os.Remove(s.Store.Path(store.Blob{SHA256: sha})); err != nil {
			t.Fatal(err)
		}
		s.tag(t, s.dist.DestTag, build)
		wantKept(t, s, "[4]")
	})

	t.Run("removes what was replaced long ago", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.Keep, s.KeepFor = 1, time.Hour
		s.work(t)
		publish(t, s, 4)
		// Generation 3 replaced 2 long ago, 4 replaced 3 just now.
		queuetest.Exec(t, s.Pool, "update repo_generations set published_at = now() - interval '2 hours' where number <= 3")
		publish(t, s, 1)
		wantKept(t, s, "[3 4 5]")
	})

	t.Run("counts generations, not the gaps that interrupted ones left", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.Keep, s.KeepFor = 3, 0
		s.work(t)
		for n := range 4 {
			queuetest.Exec(t, s.Pool, "insert into repo_generations (tag_id, number, rev, state) values ($1, $2, 1, 'expired')", s.dist.DestTag, 10*n+10)
			publish(t, s, 1)
		}
		wantKept(t, s, "[21 31 41]")
	})

	t.Run("removes what interrupted publishers left", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.KeepFor = 0
		if err := os.MkdirAll(filepath.Join(s.ReposDir, "f37", partial+"7", "x86_64"), 0o755); err != nil {
			t.Fatal(err)
		}
		queuetest.Exec(t, s.Pool, "insert into repo_generations (tag_id, number, rev, state) values ($1, 7, 1, 'building')", s.dist.DestTag)
		s.work(t)
		publish(t, s, 1)
		wantKept(t, s, "[8]")
	})
}
