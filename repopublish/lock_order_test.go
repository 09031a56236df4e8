package repopublish

import (
	"context"
	"slices"
	"strings"
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

// TestGoingBackTellsStatusesBeforeChains holds the order of locks where a
// repository is published that somebody went back to, and that chains learn of a
// trouble that ends with it, or after it.
func TestGoingBackTellsStatusesBeforeChains(t *testing.T) {
	t.Parallel()
	s := newHeldStage(t)
	chain := queuetest.Value[int64](t, s.Pool, "insert into chains (target, build_tag, dest_tag, owner, state) values ('f37', $1, $2, 'pat', 'OPEN') returning id", s.dist.BuildTag, s.dist.DestTag)
	queuetest.Exec(t, s.Pool, "insert into chain_builds (chain_id, group_number, position, asked, build_id) values ($1, 1, 1, 'hello', $2)", chain, s.hello2)
	build := s.ask(t)
	queuetest.Exec(t, s.Pool, `create table written (n bigint generated always as identity, what text)`)
	queuetest.Exec(t, s.Pool, `create function note_written() returns trigger language plpgsql as 'begin insert into written (what) values (tg_argv[0]); return null; end'`)
	queuetest.Exec(t, s.Pool, `create trigger w after insert or update on reports for each statement execute function note_written('statuses')`)
	queuetest.Exec(t, s.Pool, `create trigger w after insert on river_job for each row when (new.kind = 'distgit.chain') execute function note_written('chains')`)
	// published has the repository worked on while it is in trouble, and returns
	// what was written meanwhile.
	published := func(want func()) string {
		unlock := s.locked(t, "f37-build")
		want()
		queuetest.Exec(t, s.Pool, "insert into repo_troubles (tag_id, kind, reason, problems, rev) values ($1, 'failing', 'the disk is full', '[]', 1)", s.dist.BuildTag)
		queuetest.Exec(t, s.Pool, "update tasks set waits_tag = $2, waits_rev = 99 where build_id = $1 and method = 'buildSRPM'", build, s.dist.BuildTag)
		queuetest.Exec(t, s.Pool, "update reports set description = 'waiting for the repository' where build_id = $1", build)
		queuetest.Exec(t, s.Pool, "delete from river_job where kind = 'distgit.chain'")
		queuetest.Exec(t, s.Pool, "delete from written")
		unlock()
		s.settled(t)
		return strings.Join(slices.Compact(queuetest.Values[string](t, s.Pool, "select what from written order by n")), " ")
	}
	if got := published(func() { s.goBack(t, s.first) }); got != "statuses chains" {
		t.Errorf("with the generation that somebody went back to: %q, want statuses chains", got)
	}
	if got := published(func() { s.regenerate(t, s.dist.BuildTag) }); got != "statuses chains" {
		t.Errorf("when nothing was to be made: %q, want statuses chains", got)
	}
}
