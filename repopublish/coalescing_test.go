package repopublish

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/queue/queuetest"
)

func TestCoalescing(t *testing.T) {
	t.Parallel()

	t.Run("loses none of 400 events that arrive while repositories are being made", func(t *testing.T) {
		t.Parallel()
		const tags, writers, events = 20, 8, 400
		s := newStage(t, "x86_64")
		queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
		var ids []int64
		for n := range tags {
			ids = append(ids, queuetest.Tag(t, s.Pool, fmt.Sprintf("tag%d", n), "x86_64"))
		}
		s.work(t)
		var group errgroup.Group
		for w := range writers {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			group.Go(func() error {
				for range events / writers {
					err := pgx.BeginFunc(context.Background(), s.Pool, func(tx pgx.Tx) error {
						_, err := queuetest.Raise(context.Background(), tx, s.Jobs, ids[random.IntN(tags)])
						return err
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		s.fresh(t)
		if sum := queuetest.Value[int](t, s.Pool, "select sum(want_rev - 1) from tags"); sum != events {
			t.Errorf("%d events were counted, want %d", sum, events)
		}
		made := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations")
		t.Logf("%d events made %d generations of %d tags", events, made, tags)
		if made >= events {
			t.Errorf("%d events made %d generations: nothing was coalesced", events, made)
		}
	})

	t.Run("publishes every build that is tagged while its repository is being made", func(t *testing.T) {
		t.Parallel()
		const builds, writers = 40, 4
		s := newStage(t, "x86_64")
		var ids []int64
		var want []string
		for n := range builds {
			name := fmt.Sprintf("package%02d", n)
			ids = append(ids, s.complete(t, n, name, "1", name+".x86_64"))
			want = append(want, name+"-1-1.x86_64")
		}
		s.work(t)
		var group errgroup.Group
		for w := range writers {
			group.Go(func() error {
				for i := w; i < builds; i += writers {
					err := pgx.BeginFunc(context.Background(), s.Pool, func(tx pgx.Tx) error {
						return queuetest.TagBuild(context.Background(), tx, s.Jobs, s.dist.DestTag, ids[i])
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", want...)
		s.wantPackages(t, "f37-build", "x86_64", want...)
		if n := queuetest.Value[int](t, s.Pool, "select count(*) from reports where context = 'distbot/f37' and state <> 'success'"); n != 0 {
			t.Errorf("%d builds were not told that they are published", n)
		}
	})
}

func TestReaders(t *testing.T) {
	t.Parallel()

	t.Run("find one whole generation at any moment of 100 publishes", func(t *testing.T) {
		t.Parallel()
		const publishes, readers = 100, 2
		s := newStage(t, "x86_64")
		s.work(t)
		queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64", "hello-doc.noarch"))
		s.settled(t)

		var builds []int64
		for n := 1; n <= publishes; n++ {
			builds = append(builds, s.complete(t, n, "hello", fmt.Sprint(n+1), "hello.x86_64", "hello-doc.noarch"))
		}

		var stop atomic.Bool
		var reads atomic.Int64
		var group sync.WaitGroup
		revisions := make([]map[string]bool, readers)
		for r := range readers {
			revisions[r] = map[string]bool{}
			group.Go(func() {
				// Without a pace the readers would keep the publisher from its work.
				pace := time.NewTicker(15 * time.Millisecond)
				defer pace.Stop()
				for !stop.Load() {
					<-pace.C
					dir, err := s.latestOf("f37")
					if err != nil {
						t.Errorf("latest: %v", err)
						return
					}
					packages, revision, err := readRepo(filepath.Join(dir, "x86_64"))
					if err != nil {
						t.Errorf("%s: %v", filepath.Base(dir), err)
						return
					}
					// Each generation has a version of hello, whose two packages belong together.
					if filepath.Base(dir) != revision || len(packages) != 2 ||
						strings.TrimSuffix(strings.TrimPrefix(packages[0], "hello-"), ".x86_64") != strings.TrimSuffix(strings.TrimPrefix(packages[1], "hello-doc-"), ".noarch") {
						t.Errorf("generation %s says it is %s and holds %v", filepath.Base(dir), revision, packages)
						return
					}
					revisions[r][revision] = true
					reads.Add(1)
				}
			})
		}
		for _, build := range builds {
			s.tag(t, s.dist.DestTag, build)
			s.settled(t)
		}
		stop.Store(true)
		group.Wait()
		s.fresh(t)
		if made := queuetest.Value[int](t, s.Pool, "select count(*) from repo_generations where state = 'published' and tag_id = $1", s.dist.DestTag); made <= publishes {
			t.Errorf("%d generations were published, want more than %d", made, publishes)
		}
		for r, seen := range revisions {
			if len(seen) < 2 {
				t.Errorf("reader %d saw %d generations: it did not read while they were made", r, len(seen))
			}
		}
		t.Logf("%d reads during %d publishes", reads.Load(), publishes)
	})

	t.Run("find a latest generation at any moment of a thousand switches", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := makeLatest(dir, "0"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			for n := 1; n <= 1000; n++ {
				if err := makeLatest(dir, fmt.Sprint(n)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				return
			default:
			}
			if _, err := os.Readlink(filepath.Join(dir, latest)); err != nil {
				t.Fatalf("between two generations there is none: %v", err)
			}
		}
	})

	t.Run("that began with a generation end with it", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.Keep = 1
		s.work(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.settled(t)
		dir, err := s.latestOf("f37")
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			s.regenerate(t, s.dist.DestTag)
			s.settled(t)
		}
		if packages, _, err := readRepo(filepath.Join(dir, "x86_64")); err != nil || len(packages) != 1 {
			t.Errorf("the old generation holds %v, %v; want the package it had", packages, err)
		}
	})
}
