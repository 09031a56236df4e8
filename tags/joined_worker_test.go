package tags_test

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// join says that packages joined a build, and waits until that was seen to.
func join(t *testing.T, pool *pgxpool.Pool, build int64) {
	t.Helper()
	queuetest.Tx(t, pool, func(tx pgx.Tx) error {
		_, err := queue.Insert(t.Context(), tx, queuetest.Inserter(t, pool), queue.JoinedArgs{BuildID: build})
		return err
	})
	queuetest.Start(t, pool, "joiner", func(workers *river.Workers, jobs queue.Canceler) {
		river.AddWorker(workers, &tags.JoinedWorker{Editor: &tags.Editor{Pool: pool, Jobs: jobs}, Logger: slog.New(slog.DiscardHandler)})
	}, queue.QueueTag)
	queuetest.WaitRow(t, pool, "the join was seen to", "select bool_and(state = 'completed') from river_job where kind = 'tags.joined'")
}

func TestJoined(t *testing.T) {
	t.Parallel()

	t.Run("makes every repository anew that holds the build now, and makes no event", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		queuetest.Tag(t, pool, "f38", "x86_64")
		updates := queuetest.Tag(t, pool, "f37-updates", "x86_64")
		gone := queuetest.Tag(t, pool, "f37-old", "x86_64")
		build := complete(t, pool, d, 0)
		for _, tag := range []int64{d.DestTag, updates, gone} {
			queuetest.Exec(t, pool, "insert into tag_builds (tag_id, build_id, package_id, create_event) select $1, $2, package_id, 1 from builds where id = $2", tag, build)
		}
		queuetest.Exec(t, pool, "update tag_builds set revoke_event = 2 where tag_id = $1", gone)
		queuetest.Exec(t, pool, "delete from river_job")
		events := queuetest.Value[int](t, pool, "select count(*) from events")
		join(t, pool, build)
		if diff := cmp.Diff([]string{"f37 2/1", "f37-build 2/1", "f38 1/1", "f37-updates 2/1", "f37-old 1/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job where kind = 'repopublish.publish'"); n != 3 {
			t.Errorf("%d repositories are enqueued, want 3", n)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from events"); n != events {
			t.Errorf("%d events were made", n-events)
		}
	})

	for name, state := range map[string]string{
		"needs nothing where no tag has the build": "select",
		"needs nothing of a build that was deleted": `with tagged as (insert into tag_builds (tag_id, build_id, package_id, create_event)
			select dest_tag, id, package_id, 1 from builds) update builds set state = 'DELETED'`,
		"needs nothing of a scratch build": `with tagged as (insert into tag_builds (tag_id, build_id, package_id, create_event)
			select dest_tag, id, package_id, 1 from builds) update builds set scratch = true`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
			build := complete(t, pool, d, 0)
			queuetest.Exec(t, pool, state)
			queuetest.Exec(t, pool, "delete from river_job")
			join(t, pool, build)
			if diff := cmp.Diff([]string{"f37 1/1", "f37-build 1/1"}, revs(t, pool)); diff != "" {
				t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
			}
		})
	}
}
