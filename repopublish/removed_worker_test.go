package repopublish

import (
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// remove removes a tag with the builds that it holds, as an edit does.
func (s *stage) remove(t *testing.T, tag int64) {
	t.Helper()
	queuetest.Tx(t, s.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.LockTagsByID(t.Context(), []int64{tag}); err != nil {
			return err
		}
		event := queuetest.Value[int64](t, s.Pool, "select max(id) from events")
		if _, err := tx.Exec(t.Context(), "update tag_builds set revoke_event = $2 where tag_id = $1 and revoke_event is null", tag, event); err != nil {
			return err
		}
		return q.EndTag(t.Context(), db.EndTagParams{ID: tag, RevokeEvent: &event})
	})
}

func TestRemovedTags(t *testing.T) {
	t.Parallel()

	t.Run("are not published, and what they held stays up", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.work(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.settled(t)
		unlock := s.locked(t, "f37")
		s.regenerate(t, s.dist.DestTag)
		queuetest.WaitRow(t, s.Pool, "the job waits", "select coalesce((metadata->>'snoozes')::int, 0) > 0 from river_job where (args->>'tag_id')::bigint = $1 and finalized_at is null", s.dist.DestTag)
		s.remove(t, s.dist.DestTag)
		unlock()
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		if n := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations where tag_id = $1", s.dist.DestTag); n != 1 {
			t.Errorf("%d generations, want the one of before", n)
		}
		// It comes again.
		if _, err := db.New(s.Pool).AddTag(t.Context(), db.AddTagParams{Name: "f37", CreateEvent: queuetest.Value[int64](t, s.Pool, "select max(id) from events")}); err != nil {
			t.Fatal(err)
		}
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64")
	})

	t.Run("are in no trouble and not tried again", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.work(t)
		build := s.complete(t, 0, "hello", "1", "hello.x86_64")
		s.labelsRead(t)
		sha := queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1", build)
		if err := os.Remove(s.Store.Path(store.Blob{SHA256: sha})); err != nil {
			t.Fatal(err)
		}
		s.tag(t, s.dist.DestTag, build)
		const troubled = "select exists (select from repo_troubles where tag_id = $1)"
		queuetest.WaitRow(t, s.Pool, "publishing fails", "select exists (select from river_job where (args->>'tag_id')::bigint = $1 and errors is not null) and exists (select from repo_troubles where tag_id = $1)", s.dist.DestTag)
		s.remove(t, s.dist.DestTag)
		if queuetest.Value[bool](t, s.Pool, troubled, s.dist.DestTag) {
			t.Error("the tag is in trouble still")
		}
		// A try that began before it was removed tells its trouble after.
		err := db.New(s.Pool).NoteTrouble(t.Context(), db.NoteTroubleParams{TagID: s.dist.DestTag, Kind: failing, Reason: "late", Problems: []byte("[]"), Rev: 1})
		if err != nil || queuetest.Value[bool](t, s.Pool, troubled, s.dist.DestTag) {
			t.Errorf("a trouble is noted of a tag that was removed: %v", err)
		}
		queuetest.Wait(t, "the job ends", func() (bool, string) {
			s.hurry(t)
			states := queuetest.Values[string](t, s.Pool, "select state::text from river_job where kind = 'repopublish.publish' and (args->>'tag_id')::bigint = $1 and finalized_at is null", s.dist.DestTag)
			return len(states) == 0, fmt.Sprint(states)
		})
	})
}
