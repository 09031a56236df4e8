package repopublish

import (
	"context"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestPublishLocksBuildsBeforeTheirTag(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	build := s.complete(t, 0, "hello", "1.0", "hello.x86_64")
	s.tag(t, s.dist.DestTag, build)

	// Somebody is about to tag the build elsewhere, and goes on to its tag.
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := db.New(tx).LockBuild(t.Context(), build); err != nil {
		t.Fatal(err)
	}
	s.work(t)
	queuetest.WaitRow(t, s.Pool, "the publisher waits for the build", `select count(*) = 1 from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`)
	if _, err := db.New(tx).LockTagsByID(t.Context(), []int64{s.dist.DestTag}); err != nil {
		t.Fatalf("lock the tag of a build that is held: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.fresh(t)
	s.wantPackages(t, "f37", "x86_64", "hello-1.0-1.x86_64")
	if errs := queuetest.Values[string](t, s.Pool, "select errors::text from river_job where cardinality(errors) > 0"); len(errs) != 0 {
		t.Errorf("jobs had to begin anew: %s", errs)
	}
}
