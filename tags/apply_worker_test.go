package tags_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

var sortLines = cmpopts.SortSlices(func(a, b string) bool { return a < b })

// complete makes the nth build of a package COMPLETE, as its import does, and
// asks for its tagging.
func complete(t *testing.T, pool *pgxpool.Pool, d *queuetest.Distribution, n int) int64 {
	t.Helper()
	jobs := queuetest.Inserter(t, pool)
	build := d.NewBuild(n)
	build.PackageID = queuetest.Package(t, pool, fmt.Sprintf("package%d", n))
	id := d.Start(t, build)
	queuetest.Exec(t, pool, "update builds set state = 'COMPLETE', nvr = $2 where id = $1", id, fmt.Sprintf("package%d-1-1", n))
	queuetest.Tx(t, pool, func(tx pgx.Tx) error {
		return queue.AddTag(t.Context(), tx, jobs, id, queuetest.Task(t, pool, id, queue.MethodBuild, "").ID, "tag it")
	})
	return id
}

// startTagging works tagging jobs until the test ends.
func startTagging(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	queuetest.Start(t, pool, "tagger", func(workers *river.Workers, jobs queue.Canceler) {
		river.AddWorker(workers, &tags.ApplyWorker{
			Pool: pool, Jobs: jobs, Logger: slog.New(slog.DiscardHandler),
		})
	}, queue.QueueControl)
}

func waitTagged(t *testing.T, pool *pgxpool.Pool, jobs int) {
	t.Helper()
	queuetest.WaitRow(t, pool, "tagging ends", "select count(*) = $1 from river_job where kind = 'tags.apply' and state = 'completed'", jobs)
}

// revs is NAME WANT/BUILT of every tag.
func revs(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return queuetest.Values[string](t, pool, "select name || ' ' || want_rev || '/' || built_rev from tags order by id")
}

func TestApply(t *testing.T) {
	t.Parallel()

	t.Run("tags the build and makes every repository anew that holds it", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		grandchild := queuetest.Tag(t, pool, "f37-images", "x86_64")
		queuetest.Inherit(t, pool, grandchild, d.BuildTag, 10)
		queuetest.Tag(t, pool, "f38", "x86_64")
		build := complete(t, pool, d, 0)
		startTagging(t, pool)
		waitTagged(t, pool, 1)
		if diff := cmp.Diff([]string{"f37 2/1", "f37-build 2/1", "f37-images 2/1", "f38 1/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job where kind = 'repopublish.publish'"); n != 3 {
			t.Errorf("%d repositories are enqueued, want 3", n)
		}
		row, err := db.New(pool).BuildToTag(t.Context(), build)
		if err != nil || *row.TaggedRev != 2 {
			t.Errorf("the build is in revision %v of its tag, %v; want 2", row.TaggedRev, err)
		}
		if task := queuetest.Task(t, pool, build, queue.MethodTagBuild, ""); task.State != queue.TaskClosed {
			t.Errorf("the tag task is %s, want CLOSED", task.State)
		}
		if diff := cmp.Diff("f37 pending\nf37/srpm pending", d.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if event := queuetest.Value[string](t, pool, "select what from events e join tag_builds b on b.create_event = e.id"); event != "tag package0-1-1 into f37" {
			t.Errorf("the event says %q", event)
		}
	})

	t.Run("tags once although its job runs twice", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		build := complete(t, pool, d, 0)
		for range 2 {
			queuetest.Tx(t, pool, func(tx pgx.Tx) error {
				_, err := queue.Insert(t.Context(), tx, queuetest.Inserter(t, pool), queue.TagArgs{BuildID: build})
				return err
			})
		}
		startTagging(t, pool)
		waitTagged(t, pool, 3)
		if n := queuetest.Value[int](t, pool, "select count(*) from tag_builds"); n != 1 {
			t.Errorf("the build is tagged %d times, want once", n)
		}
		if diff := cmp.Diff([]string{"f37 2/1", "f37-build 2/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
		}
	})

	for name, state := range map[string]string{
		"does not tag a scratch build":                 "update builds set scratch = true",
		"does not tag a build that was deleted":        "update builds set state = 'DELETED'",
		"does not tag a build that is not complete":    "update builds set state = 'BUILDING'",
		"does not tag a build that was tagged already": "update builds set tagged_rev = 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
			complete(t, pool, d, 0)
			queuetest.Exec(t, pool, state)
			startTagging(t, pool)
			waitTagged(t, pool, 1)
			if n := queuetest.Value[int](t, pool, "select count(*) from tag_builds"); n != 0 {
				t.Errorf("the build is tagged %d times, want not at all", n)
			}
			if diff := cmp.Diff([]string{"f37 1/1", "f37-build 1/1"}, revs(t, pool)); diff != "" {
				t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("raises the wanted revision in the transaction of the tagging or not at all", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		complete(t, pool, d, 0)
		// The last write of the transaction fails.
		queuetest.Exec(t, pool, "alter table river_job add constraint refuse check (not (kind = 'tags.apply' and state = 'completed'))")
		startTagging(t, pool)
		queuetest.WaitRow(t, pool, "tagging fails", "select errors is not null from river_job where kind = 'tags.apply'")
		if diff := cmp.Diff([]string{"f37 1/1", "f37-build 1/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
		}
		if n := queuetest.Value[int](t, pool, "select count(*) from tag_builds"); n != 0 {
			t.Errorf("the build is tagged %d times, want not at all", n)
		}
		queuetest.Exec(t, pool, "alter table river_job drop constraint refuse")
		queuetest.Exec(t, pool, "update river_job set state = 'available', scheduled_at = now() where kind = 'tags.apply' and state in ('available', 'retryable')")
		waitTagged(t, pool, 1)
		if diff := cmp.Diff([]string{"f37 2/1", "f37-build 2/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision after another try (-want +got):\n%s", diff)
		}
	})

	t.Run("of 20 builds at once gives each a revision of its own", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		const builds = 20
		for n := range builds {
			complete(t, pool, d, n)
		}
		startTagging(t, pool)
		waitTagged(t, pool, builds)
		var want []int64
		for n := range int64(builds) {
			want = append(want, n+2)
		}
		if diff := cmp.Diff(want, queuetest.Values[int64](t, pool, "select tagged_rev from builds order by tagged_rev")); diff != "" {
			t.Errorf("revisions (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"f37 21/1", "f37-build 21/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
		}
		// None of them had to be tried twice: nobody waited in a circle.
		if n := queuetest.Value[int](t, pool, "select count(*) from river_job where kind = 'tags.apply' and errors is not null"); n != 0 {
			t.Errorf("%d of %d builds had to be tagged again after an error: %s", n, builds,
				queuetest.Value[string](t, pool, "select errors[1]->>'error' from river_job where kind = 'tags.apply' and errors is not null limit 1"))
		}
	})

	t.Run("goes on while distro.yaml is applied", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		apply(t, pool, goodDistro)
		jobs := queuetest.Inserter(t, pool)
		ids := queuetest.Values[int64](t, pool, "select id from tags")
		other := edit(t, ".fc37", ".fc37.1")
		var group errgroup.Group
		for n := range 40 {
			group.Go(func() error {
				if n%4 > 0 {
					return pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
						return tags.Regenerate(context.Background(), tx, jobs, ids[n%len(ids)])
					})
				}
				d, err := tags.ReadDistro(strings.NewReader([]string{goodDistro, other}[n/4%2]))
				if err != nil {
					return err
				}
				_, err = tags.Sync(context.Background(), pool, jobs, d, "pat")
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
}
