package repopublish

import (
	"context"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue/queuetest"
)

// publishing begins to publish another build of f37 and stops before that is
// recorded, until it is let go.
func (s *stage) publishing(t *testing.T, n int) (letGo func()) {
	t.Helper()
	build := s.complete(t, n, "later", "1", "later.x86_64")
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	s.tag(t, s.dist.DestTag, build)
	if _, err := db.New(tx).LockBuild(t.Context(), build); err != nil {
		t.Fatal(err)
	}
	queuetest.WaitRow(t, s.Pool, "the publisher waits for the build", `select count(*) = 1 from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`)
	return func() {
		t.Helper()
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoBackWhilePublishing holds that what somebody wants while a generation is
// being recorded, and whose job is the one that runs, is made after it.
func TestGoBackWhilePublishing(t *testing.T) {
	t.Parallel()

	t.Run("to go back", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		letGo := s.publishing(t, 6)
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-1, "pat", "bad"); err != nil {
			t.Fatal(err)
		}
		letGo()
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64")
		if n := queuetest.Value[int](t, s.Pool, "select count(*) from repo_holds where made_id is not null"); n != 1 {
			t.Error("the hold has no generation")
		}
	})

	t.Run("to be held no more", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-1, "pat", "bad"); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		// The hold is read before, and the job ended after, somebody ends it.
		queuetest.Exec(t, s.Pool, "insert into repo_troubles (tag_id, kind, reason, rev) values ($1, 'failing', 'disk', 1)", s.dist.DestTag)
		tx, err := s.Pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := tx.Exec(t.Context(), "select from repo_troubles for update"); err != nil {
			t.Fatal(err)
		}
		s.regenerate(t, s.dist.DestTag)
		queuetest.WaitRow(t, s.Pool, "the publisher waits for the trouble", `select count(*) = 1 from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`)
		released := make(chan error, 1)
		go func() {
			_, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37")
			released <- err
		}()
		queuetest.Wait(t, "it is asked for", func() (bool, string) {
			waits := queuetest.Value[int](t, s.Pool, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
			return waits == 2 || queuetest.Value[int](t, s.Pool, "select count(*) from repo_holds") == 0, ""
		})
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-released; err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64", "world-1-1.x86_64")
		s.fresh(t)
	})
}
