package tags_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// complete makes the nth build of a package COMPLETE, as its import does, and
// asks for its tagging.
func complete(t *testing.T, pool *pgxpool.Pool, d *queuetest.Distribution, n int) int64 {
	t.Helper()
	jobs := queuetest.Inserter(t, pool)
	build := d.NewBuild(n)
	build.PackageID = queuetest.Package(t, pool, fmt.Sprintf("package%d", n))
	queuetest.List(t, pool, d.DestTag, build.PackageID)
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
			Editor: &tags.Editor{
				Pool: pool, Jobs: jobs,
			}, Logger: slog.New(slog.DiscardHandler),
		})
	}, queue.QueueTag)
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

	for name, test := range map[string]struct{ change, want string }{
		"does not tag what is not listed":     {"update tag_packages set revoke_event = create_event", "package package0 is not listed in tag f37"},
		"does not tag what is blocked":        {"update tag_packages set blocked = true", "package package0 is blocked in tag f37"},
		"does not tag into a locked tag":      {"update tag_config set locked = true", "tag f37 is locked (logged in as distbot)"},
		"does not tag without the permission": {"update tag_config set perm_id = (select id from permissions where name = 'admin')", "tag f37 requires the permission admin (logged in as distbot)"},
	} {
		t.Run(name+", and says so", func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
			build := complete(t, pool, d, 0)
			queuetest.Exec(t, pool, test.change)
			startTagging(t, pool)
			waitTagged(t, pool, 1)
			if n := queuetest.Value[int](t, pool, "select count(*) from tag_builds"); n != 0 {
				t.Errorf("the build is tagged %d times, want not at all", n)
			}
			if diff := cmp.Diff([]string{"f37 1/1", "f37-build 1/1"}, revs(t, pool)); diff != "" {
				t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
			}
			want := "package0-1-1 was built but not tagged: " + test.want
			got := queuetest.Value[string](t, pool, "select state || ' ' || description from reports where context = 'distbot/f37'")
			if got != "failure "+want {
				t.Errorf("the status is %q, want failure %q", got, want)
			}
			if task := queuetest.Task(t, pool, build, queue.MethodTagBuild, ""); task.State != queue.TaskFailed || task.Reason != want {
				t.Errorf("the tag task is %s: %q, want FAILED: %q", task.State, task.Reason, want)
			}
			if got := queuetest.Value[string](t, pool, "select state || ': ' || reason from builds"); got != "COMPLETE: "+want {
				t.Errorf("the build is %q, want COMPLETE: %q", got, want)
			}
		})
	}

	t.Run("leaves a build alone that was tagged by hand meanwhile", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
		build := complete(t, pool, d, 0)
		queuetest.Tx(t, pool, func(tx pgx.Tx) error {
			return queuetest.TagBuild(t.Context(), tx, queuetest.Inserter(t, pool), d.DestTag, build)
		})
		startTagging(t, pool)
		waitTagged(t, pool, 1)
		if diff := cmp.Diff([]string{"f37 2/1", "f37-build 2/1"}, revs(t, pool)); diff != "" {
			t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
		}
		if task := queuetest.Task(t, pool, build, queue.MethodTagBuild, ""); task.State != queue.TaskClosed {
			t.Errorf("the tag task is %s, want CLOSED", task.State)
		}
	})
}

// TestTaggingIsSerialised lets many change what one tag holds at once: every
// build that is tagged was listed at that moment.
func TestTaggingIsSerialised(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	jobs := queuetest.Inserter(t, pool)
	d := queuetest.NewDistribution(t, pool, jobs, "x86_64")
	editor := &tags.Editor{Pool: pool, Jobs: jobs}
	queuetest.Exec(t, pool, `with u as (insert into users (name) values ('pat') returning id)
		insert into user_perms (user_id, perm_id, create_event) select u.id, p.id, 1 from u, permissions p where p.name = 'tag'`)
	const rounds = 20
	for n := range rounds {
		id := d.Start(t, d.NewBuild(n))
		queuetest.Exec(t, pool, "update builds set state = 'COMPLETE', nvr = $2 where id = $1", id, fmt.Sprintf("hello-1-%d", n))
	}
	var group errgroup.Group
	for n := range rounds {
		group.Go(func() error {
			_, err := editor.Do(context.Background(), "pat", "tag", func(e *tags.Edit) error {
				return e.TagBuild(context.Background(), "f37", fmt.Sprintf("hello-1-%d", n), false)
			})
			return ignoreRefusal(err)
		})
		group.Go(func() error {
			_, err := editor.Do(context.Background(), "pat", "list", func(e *tags.Edit) error {
				if n%2 == 0 {
					return e.BlockPackage(context.Background(), "f37", "hello", true)
				}
				return e.UnblockPackage(context.Background(), "f37", "hello")
			})
			return ignoreRefusal(err)
		})
		group.Go(func() error {
			// From the child, which locks in another order if anybody does.
			_, err := editor.Do(context.Background(), "pat", "list", func(e *tags.Edit) error {
				return e.AddPackage(context.Background(), "f37-build", fmt.Sprintf("other%d", n), tags.PackageChange{Force: true})
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	wrong := queuetest.Values[string](t, pool, `select b.nvr from tag_builds tb join builds b on b.id = tb.build_id
		where not exists (select 1 from tag_packages p where p.tag_id = tb.tag_id and p.package_id = tb.package_id and not p.blocked
			and p.create_event <= tb.create_event and (p.revoke_event is null or p.revoke_event > tb.create_event))`)
	if len(wrong) > 0 {
		t.Errorf("tagged although blocked: %v", wrong)
	}
	// No revision was given twice: who changed something raised it.
	changes := queuetest.Value[int](t, pool, "select count(distinct id) from events where actor = 'pat' and what <> 'users'")
	if diff := cmp.Diff([]string{fmt.Sprintf("f37 %d/1", 1+changes-rounds), fmt.Sprintf("f37-build %d/1", 1+changes)}, revs(t, pool)); diff != "" {
		t.Errorf("tags, wanted/built revision (-want +got):\n%s", diff)
	}
}

// ignoreRefusal leaves only failures.
func ignoreRefusal(err error) error {
	var refusal *tags.RefusedError
	if errors.As(err, &refusal) {
		return nil
	}
	return err
}
