package repopublish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// published fails the test unless the latest generation of f37 has a number
// and holds one version of hello, and no number was given twice.
func (s *stage) published(t *testing.T, number, version string) {
	t.Helper()
	dir, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	if got := filepath.Base(dir); got != number {
		t.Errorf("the latest generation is %s, want %s", got, number)
	}
	s.wantPackages(t, "f37", "x86_64", "hello-"+version+"-1.x86_64")
}

// alone waits until nobody works on f37's directory and takes its lock: a
// publisher sweeps after its job has ended.
func (s *stage) alone(t *testing.T) (unlock func()) {
	t.Helper()
	queuetest.Wait(t, "the publisher is done", func() (bool, string) {
		var err error
		unlock, err = lock(filepath.Join(s.ReposDir, "f37"))
		return err == nil, fmt.Sprint(err)
	})
	return unlock
}

// TestKilledAt kills a publishing process at known moments.
func TestKilledAt(t *testing.T) {
	t.Parallel()

	t.Run("the moment between switch and commit", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		for round := 1; round <= 3; round++ {
			// The record of the generation waits for this transaction.
			tx, err := s.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select from tags where id = $1 for no key update", s.dist.DestTag); err != nil {
				t.Fatal(err)
			}
			kill := s.elsewhere(t, 0)
			queuetest.Wait(t, "the switch is made", func() (bool, string) {
				dir, err := s.latestOf("f37")
				return err == nil && filepath.Base(dir) == strconv.Itoa(round), dir
			})
			kill()
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.reap(t)
			s.published(t, strconv.Itoa(round), "1") // whole, although nobody recorded it
			if queuetest.Value[bool](t, s.Pool, "select bool_or(published_at is not null) from builds") {
				t.Fatal("the build is marked published although nothing was recorded")
			}
		}
		first := stateOf(t, filepath.Join(s.ReposDir, "f37", "1"))
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.published(t, "4", "1")
		// Whoever began with one of the others can end with it.
		if diff := cmp.Diff(first, stateOf(t, filepath.Join(s.ReposDir, "f37", "1"))); diff != "" {
			t.Errorf("the first generation changed (-before +after):\n%s", diff)
		}
		if got := s.dist.Statuses(t, 0); got != "f37 success\nf37/srpm pending" {
			t.Errorf("statuses %q", got)
		}
		if seq := queuetest.Value[int](t, s.Pool, "select seq from reports where context = 'distbot/f37'"); seq != 2 {
			t.Errorf("the status was asked for %d times, want twice: pending and success", seq)
		}
	})

	t.Run("the moment a package is read", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
		build := s.complete(t, 0, "hello", "1", "hello.x86_64")
		s.labelsRead(t)
		s.tag(t, s.dist.DestTag, build)
		// Opening a pipe waits for somebody to write to it.
		blob := s.Store.Path(store.Blob{SHA256: queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1", build)})
		if err := os.Rename(blob, blob+".away"); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(blob, 0o600); err != nil {
			t.Fatal(err)
		}
		kill := s.elsewhere(t, 0)
		queuetest.Wait(t, "the package is linked", func() (bool, string) {
			_, err := os.Lstat(filepath.Join(s.ReposDir, "f37", partial+"1", "x86_64/Packages/h/hello-1-1.x86_64.rpm"))
			return err == nil, "not yet"
		})
		kill()
		if err := os.Rename(blob+".away", blob); err != nil {
			t.Fatal(err)
		}
		if _, err := s.latestOf("f37"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("there is a latest generation: %v", err)
		}
		s.reap(t)
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.published(t, "2", "1")
		s.alone(t)()
		s.wantNoLeftovers(t)
	})
}

// TestFoundOnDisk publishes over what an interrupted publisher, or sweep, can
// have left.
func TestFoundOnDisk(t *testing.T) {
	t.Parallel()

	// leave makes two generations and, as if it had just been interrupted, a
	// third one.
	leave := func(t *testing.T, keepFor time.Duration) (s *stage, dir string) {
		t.Helper()
		s = newStage(t, "x86_64")
		queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
		s.Keep, s.KeepFor = 1, keepFor
		s.work(t)
		for n := range 2 {
			s.tag(t, s.dist.DestTag, s.complete(t, n, "hello", strconv.Itoa(n+1), "hello.x86_64"))
			s.settled(t)
		}
		dir = filepath.Join(s.ReposDir, "f37")
		defer s.alone(t)()
		tag, err := db.New(s.Pool).TagForPublish(t.Context(), s.dist.DestTag)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.current(t.Context(), tag.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.make(t.Context(), dir, tag, c); err != nil {
			t.Fatal(err)
		}
		s.published(t, "3", "2")
		return s, dir
	}
	trees := func(t *testing.T, dir string) (names []string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	again := func(t *testing.T, s *stage) {
		t.Helper()
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
		s.alone(t)()
	}

	t.Run("a tree that has its number and is not the latest", func(t *testing.T) {
		t.Parallel()
		s, dir := leave(t, 0)
		if err := makeLatest(dir, "2"); err != nil {
			t.Fatal(err)
		}
		again(t, s)
		s.published(t, "4", "2")
		if diff := cmp.Diff([]string{".lock", "4", "latest"}, trees(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})

	t.Run("a latest generation that nobody recorded stays as long as any that was replaced", func(t *testing.T) {
		t.Parallel()
		s, dir := leave(t, time.Hour)
		// It has been the latest for a day: its readers came until now.
		old := time.Now().Add(-24 * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "3"), old, old); err != nil {
			t.Fatal(err)
		}
		again(t, s)
		s.published(t, "4", "2")
		if _, _, err := readRepo(filepath.Join(dir, "3", "x86_64")); err != nil {
			t.Errorf("generation 3 was the latest until just now and is gone: %v", err)
		}
		queuetest.Exec(t, s.Pool, "update repo_generations set published_at = now() - interval '2 hours'")
		again(t, s)
		if diff := cmp.Diff([]string{".lock", "4", "5", "latest"}, trees(t, dir)); diff != "" {
			t.Errorf("files when it is long ago (-want +got):\n%s", diff)
		}
	})

	t.Run("trees whose removal was interrupted, half written ones and links", func(t *testing.T) {
		t.Parallel()
		s, dir := leave(t, 0)
		queuetest.Exec(t, s.Pool, "update repo_generations set state = 'expired' where number < 3")
		for _, name := range []string{"1/x86_64", "2/x86_64", partial + "77/x86_64", "notes"} {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("1", filepath.Join(dir, partial+latest)); err != nil {
			t.Fatal(err)
		}
		again(t, s)
		s.published(t, "4", "2")
		// What is none of ours is left alone.
		if diff := cmp.Diff([]string{".lock", "4", "latest", "notes"}, trees(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})

	t.Run("a switch that is refused leaves nothing and takes the next number", func(t *testing.T) {
		t.Parallel()
		s, dir := leave(t, time.Hour)
		// A directory can't be replaced by a link.
		if err := os.MkdirAll(filepath.Join(dir, partial+latest, "in the way"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.regenerate(t, s.dist.DestTag)
		queuetest.WaitRow(t, s.Pool, "publishing fails", `select exists (select from river_job where kind = 'repopublish.publish'
			and errors[1]->>'error' like '%switch f37 to generation 4%')`)
		s.published(t, "3", "2")
		// What was in the way is removed, too: it is named like an unfinished tree.
		if diff := cmp.Diff([]string{".lock", "1", "2", "3", "latest"}, trees(t, dir)); diff != "" {
			t.Errorf("files after the refusal (-want +got):\n%s", diff)
		}
		queuetest.Exec(t, s.Pool, "update river_job set state = 'available', scheduled_at = now() where state = 'retryable'")
		s.settled(t)
		s.fresh(t)
		if number := queuetest.Value[int](t, s.Pool, "select max(number) from repo_generations where state = 'published'"); number < 5 {
			t.Errorf("published as generation %d, want a number that was not given before", number)
		}
	})
}

// TestTwoPublishers lets two processes and this one publish the same tag, with
// a job for each at a time.
func TestTwoPublishers(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	s.elsewhere(t, 0)
	s.elsewhere(t, 0)
	s.Keep, s.KeepFor = 3, 0
	s.work(t)
	const builds = 20
	for n := range builds {
		s.tag(t, s.dist.DestTag, s.complete(t, n, "hello", strconv.Itoa(n+1), "hello.x86_64"))
		// Jobs that nothing keeps from running at the same time.
		queuetest.Exec(t, s.Pool, `insert into river_job (args, kind, queue, max_attempts, priority, state)
			select jsonb_build_object('tag_id', $1::bigint), 'repopublish.publish', 'publish', 100, 1, 'available' from generate_series(1, 3)`, s.dist.DestTag)
	}
	s.settled(t)
	s.fresh(t)
	s.wantPackages(t, "f37", "x86_64", "hello-"+strconv.Itoa(builds)+"-1.x86_64")
	s.wantTreesAsRecorded(t, "f37")
	s.wantNoLeftovers(t)
	if n := queuetest.Value[int](t, s.Pool, "select count(*) from reports where context = 'distbot/f37' and (state <> 'success' or seq <> 2)"); n != 0 {
		t.Errorf("%d of %d builds were told not once that they are published", n, builds)
	}
	if n := queuetest.Value[int](t, s.Pool, "select count(*) from river_job where kind = 'repopublish.publish' and errors is not null"); n != 0 {
		t.Errorf("%d jobs failed: %s", n, queuetest.Value[string](t, s.Pool, "select errors[1]->>'error' from river_job where errors is not null limit 1"))
	}
}
