package repopublish

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/queue/queuetest"
)

// lies lists the names in a directory of repositories or caches; nil where there
// is none.
func lies(t *testing.T, parts ...string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(parts...))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestSweeper(t *testing.T) {
	t.Parallel()

	// swept is a stage with a sweeper, whose tag f37 has three generations and a
	// cache.
	swept := func(t *testing.T) (*stage, *Sweeper) {
		t.Helper()
		s := newStage(t, "x86_64")
		queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
		s.work(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		for range 2 {
			s.settled(t)
			s.regenerate(t, s.dist.DestTag)
		}
		s.settled(t)
		s.wantTreesAsRecorded(t, "f37")
		s.locked(t, "f37")()
		return s, &Sweeper{Publisher: s.Publisher}
	}
	sweep := func(t *testing.T, sweeper *Sweeper) {
		t.Helper()
		if err := sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// remove removes f37 as it was so long ago.
	remove := func(t *testing.T, s *stage, ago time.Duration) {
		t.Helper()
		queuetest.Exec(t, s.Pool, `with event as (insert into events (actor, what, at) values ('test', 'remove', now() - make_interval(secs => $2)) returning id)
			update tags set revoke_event = event.id from event where tags.id = $1`, s.dist.DestTag, ago.Seconds())
	}
	cacheOf := func(s *stage) string { return strconv.FormatInt(s.dist.DestTag, 10) }

	t.Run("leaves what is in use", func(t *testing.T) {
		t.Parallel()
		s, sweeper := swept(t)
		stranger := filepath.Join(s.ReposDir, "mirror", "7")
		if err := os.MkdirAll(stranger, 0o755); err != nil {
			t.Fatal(err)
		}
		sweeper.KeepFor = 0
		sweep(t, sweeper)
		s.wantTreesAsRecorded(t, "f37")
		if !slices.Contains(lies(t, s.CacheDir), cacheOf(s)) {
			t.Error("the cache of a tag is gone")
		}
		if lies(t, s.ReposDir, "mirror") == nil {
			t.Error("a directory that no publisher has made is gone")
		}
	})

	t.Run("keeps the generations of a removed tag as long as replaced ones", func(t *testing.T) {
		t.Parallel()
		s, sweeper := swept(t)
		sweeper.KeepFor = time.Hour
		remove(t, s, 50*time.Minute)
		sweep(t, sweeper)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		s.wantTreesAsRecorded(t, "f37")
		if slices.Contains(lies(t, s.CacheDir), cacheOf(s)) {
			t.Error("its cache, which nobody needs, is there")
		}
	})

	t.Run("removes all of a tag that was removed long ago, and its numbers go on should it come again", func(t *testing.T) {
		t.Parallel()
		s, sweeper := swept(t)
		sweeper.KeepFor = time.Hour
		remove(t, s, 2*time.Hour)
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); left != nil {
			t.Errorf("%v is left", left)
		}
		if kept := queuetest.Values[int64](t, s.Pool, "select number from repo_generations where tag_id = $1 and state <> 'expired'", s.dist.DestTag); len(kept) > 0 {
			t.Errorf("generations %v count as published", kept)
		}
		queuetest.Exec(t, s.Pool, "update tags set revoke_event = null where id = $1", s.dist.DestTag)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		if now, _ := s.latestOf("f37"); filepath.Base(now) != "4" {
			t.Errorf("its first generation is %s, want 4", now)
		}
		s.locked(t, "f37")()
		sweep(t, sweeper)
		s.wantTreesAsRecorded(t, "f37")
	})

	t.Run("removes what lies under a name that a tag had, as its generations are given up", func(t *testing.T) {
		t.Parallel()
		s, sweeper := swept(t)
		queuetest.Exec(t, s.Pool, "update tags set name = 'f38' where id = $1", s.dist.DestTag)
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); !slices.Equal(left, []string{lockFile, "1", "2", "3", latest}) {
			t.Errorf("%v lies there while all of it is kept", left)
		}
		s.Keep, s.KeepFor = 2, 0
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.locked(t, "f38")()
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); !slices.Equal(left, []string{lockFile, "3", latest}) {
			t.Errorf("%v lies there, want generation 3, which is one of two that are kept", left)
		}
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.locked(t, "f38")()
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); left != nil {
			t.Errorf("%v is left", left)
		}
	})

	t.Run("leaves a directory that somebody publishes in", func(t *testing.T) {
		t.Parallel()
		s, sweeper := swept(t)
		remove(t, s, 2*time.Hour)
		sweeper.KeepFor = time.Hour
		unlock := s.locked(t, "f37")
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); len(left) != 5 {
			t.Errorf("%v is left", left)
		}
		unlock()
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); left != nil {
			t.Errorf("%v is left", left)
		}
	})

	t.Run("removes trees under a dead name that no row tells of, when they are old enough", func(t *testing.T) {
		t.Parallel()
		s, sweeper := swept(t)
		queuetest.Exec(t, s.Pool, "update tags set name = 'f38' where id = $1", s.dist.DestTag)
		queuetest.Exec(t, s.Pool, "update repo_generations set directory = 'f38' where tag_id = $1", s.dist.DestTag)
		sweeper.KeepFor = time.Hour
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); len(left) != 5 {
			t.Errorf("%v is left of what was the latest a moment ago", left)
		}
		sweeper.KeepFor = 0
		sweep(t, sweeper)
		if left := lies(t, s.ReposDir, "f37"); left != nil {
			t.Errorf("%v is left", left)
		}
	})

	t.Run("is not needed for the caches of architectures that a tag has no more", func(t *testing.T) {
		t.Parallel()
		s, _ := swept(t)
		dir := filepath.Join(s.CacheDir, cacheOf(s))
		if err := os.MkdirAll(filepath.Join(dir, "riscv64"), 0o700); err != nil {
			t.Fatal(err)
		}
		s.regenerate(t, s.dist.DestTag)
		queuetest.Wait(t, "the cache is removed", func() (bool, string) {
			left := slices.DeleteFunc(lies(t, dir), func(name string) bool { return strings.HasPrefix(name, nextPrefix) })
			return slices.Equal(left, []string{"x86_64"}), filepath.Join(left...)
		})
	})
}
