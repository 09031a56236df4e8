package repopublish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// twoGenerations is a stage whose tag f37 has published hello 1, then hello 2
// with world.
func twoGenerations(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, "x86_64")
	queuetest.Exec(t, s.Pool, "delete from tag_inheritance")
	s.work(t)
	s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64", "hello-doc.noarch"))
	s.settled(t)
	queuetest.Group(t, s.Pool, s.dist.DestTag, "build", "hello")
	s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "2", "hello.x86_64"))
	s.settled(t)
	s.tag(t, s.dist.DestTag, s.complete(t, 2, "world", "1", "world.x86_64"))
	s.settled(t)
	return s
}

func (s *stage) newest(t *testing.T) int64 {
	t.Helper()
	return queuetest.Value[int64](t, s.Pool, "select max(number) from repo_generations where state = 'published' and tag_id = $1", s.dist.DestTag)
}

func TestGoBack(t *testing.T) {
	t.Parallel()

	t.Run("publishes what an older generation held, and stays there until told", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		number, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-2, "pat", "hello 2 eats files")
		if err != nil || number != last-2 {
			t.Fatalf("got %d, %v", number, err)
		}
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "hello-doc-1-1.noarch")
		if now := s.newest(t); now != last+1 {
			t.Errorf("the newest generation is %d, want a new one after %d: clients go forward only", now, last)
		}
		// What is tagged meanwhile waits.
		build := s.complete(t, 3, "other", "1", "other.x86_64")
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "hello-doc-1-1.noarch")
		if holds := queuetest.Values[string](t, s.Pool, "select actor || ': ' || reason from repo_holds where tag_id = $1", s.dist.DestTag); !slices.Equal(holds, []string{"pat: hello 2 eats files"}) {
			t.Errorf("held: %q", holds)
		}
		if stale := queuetest.Value[bool](t, s.Pool, "select want_rev > built_rev from tags where id = $1", s.dist.DestTag); !stale {
			t.Error("the tag counts as published though the build is in no generation")
		}
		held, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37")
		if err != nil || !held {
			t.Fatalf("got %t, %v", held, err)
		}
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64", "world-1-1.x86_64", "other-1-1.x86_64")
		s.fresh(t)
		if n := queuetest.Value[int](t, s.Pool, "select count(*) from repo_holds"); n != 0 {
			t.Errorf("%d holds are left", n)
		}
	})

	t.Run("does not wait for the next try of what fails", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		build := s.complete(t, 3, "broken", "1", "broken.x86_64")
		s.labelsRead(t)
		if err := os.Remove(s.Store.Path(store.Blob{SHA256: queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1", build)})); err != nil {
			t.Fatal(err)
		}
		// Another try is hours away as soon as there is a job that waits for one.
		s.tag(t, s.dist.DestTag, build)
		const later = "update river_job set state = 'retryable', scheduled_at = now() + interval '1 hour' where kind = 'repopublish.publish' and cardinality(errors) > 0 and state in ('retryable', 'available') returning id"
		queuetest.Wait(t, "publishing fails", func() (bool, string) {
			ids := queuetest.Values[int64](t, s.Pool, later)
			return len(ids) == 1, fmt.Sprint(ids)
		})
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", s.newest(t)-2, "pat", "world ends"); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "hello-doc-1-1.noarch")
	})

	t.Run("without a number goes to the generation before the newest", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		if number, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 0, "pat", ""); err != nil || number != last-1 {
			t.Fatalf("got %d, %v", number, err)
		}
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64")
	})

	t.Run("without a number again goes further back, and never to what it came from", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		for _, want := range []int64{last - 1, last - 2} {
			if number, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 0, "pat", ""); err != nil || number != want {
				t.Fatalf("got %d, %v, want %d", number, err, want)
			}
			s.settled(t)
		}
		// To what was made of an older one is to that, and before it comes what
		// came before that.
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last+1, "pat", ""); err != nil {
			t.Fatal(err)
		}
		if number, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 0, "pat", ""); err != nil || number != last+2 {
			t.Fatalf("got %d, %v, want %d, which shows what %d did", number, err, last+2, last-2)
		}
		s.settled(t)
		var none *generations.MissingError
		if number, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 0, "pat", ""); !errors.As(err, &none) {
			t.Errorf("before the first one: %d, %v", number, err)
		}
		// One that nobody went back to has the one before it, whatever that shows.
		if _, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37"); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		newest := s.newest(t)
		if number, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 0, "pat", ""); err != nil || number != newest-1 {
			t.Errorf("got %d, %v, want %d", number, err, newest-1)
		}
	})

	t.Run("twice ends at what was wanted last", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		for _, number := range []int64{last - 1, last - 2} {
			if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", number, "pat", ""); err != nil {
				t.Fatal(err)
			}
		}
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "hello-doc-1-1.noarch")
	})

	t.Run("refuses what is not there", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		queuetest.Exec(t, s.Pool, "update repo_generations set state = 'expired' where number = 1")
		queuetest.Exec(t, s.Pool, "insert into repo_generations (tag_id, number, rev, state) values ($1, 50, 1, 'expired'), ($1, 51, 1, 'building')", s.dist.DestTag)
		if err := os.RemoveAll(treeOf(s.ReposDir, "f37", last-1)); err != nil {
			t.Fatal(err)
		}
		for number, want := range map[int64]string{
			1: "was removed", 50: "was never published", 51: "was never published", 99: "has no generation 99", last - 1: "files of generation 2 of f37 are gone",
		} {
			_, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", number, "pat", "")
			var none *generations.MissingError
			if !errors.As(err, &none) || !strings.Contains(err.Error(), want) {
				t.Errorf("generation %d: %v", number, err)
			}
		}
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "nosuch", 1, "pat", ""); !errors.Is(err, generations.ErrNoTag) {
			t.Errorf("got %v, want ErrNoTag", err)
		}
		if _, _, err := Publish(t.Context(), s.Pool, s.Jobs, "nosuch"); !errors.Is(err, generations.ErrNoTag) {
			t.Errorf("got %v, want ErrNoTag", err)
		}
	})

	t.Run("keeps the groups of then", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		read := func() string {
			dir, err := s.latestOf("f37")
			if err != nil {
				t.Fatal(err)
			}
			text, err := document(filepath.Join(dir, "x86_64"), "group")
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if now := read(); !strings.Contains(now, "<id>build</id>") {
			t.Fatalf("comps.xml: %s", now)
		}
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-2, "pat", ""); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		if then := read(); strings.Contains(then, "<id>build</id>") {
			t.Errorf("comps.xml: %s", then)
		}
	})
}

func TestPublishMakesAnUnchangedRepositoryAnew(t *testing.T) {
	t.Parallel()
	s := twoGenerations(t)
	last := s.newest(t)
	if held, _, err := Publish(t.Context(), s.Pool, s.Jobs, "f37"); err != nil || held {
		t.Fatalf("got %t, %v", held, err)
	}
	s.settled(t)
	if now := s.newest(t); now != last+1 {
		t.Errorf("the newest generation is %d, want %d", now, last+1)
	}
	s.fresh(t)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	s := twoGenerations(t)
	last := s.newest(t)
	d, err := generations.Diff(t.Context(), s.Pool, "f37", last-2, last)
	if err != nil {
		t.Fatal(err)
	}
	want := []generations.ArchDifference{{Arch: "x86_64", Packages: []generations.PackageChange{
		{Name: "hello", Arch: "x86_64", From: "1-1", To: "2-1"},
		{Name: "hello-doc", Arch: "noarch", From: "1-1"},
		{Name: "world", Arch: "x86_64", To: "1-1"},
	}}}
	builds := cmpopts.IgnoreFields(generations.PackageChange{}, "FromBuild", "ToBuild")
	if diff := cmp.Diff(want, d.Arch, builds); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	back, err := generations.Diff(t.Context(), s.Pool, "f37", last, last-2)
	if err != nil || len(back.Arch) != 1 || !cmp.Equal(back.Arch[0].Packages[0], generations.PackageChange{Name: "hello", Arch: "x86_64", From: "2-1", To: "1-1"}, builds) || len(back.Events) != 0 {
		t.Errorf("the other way: %+v, %v", back, err)
	}
	var none *generations.MissingError
	if _, err := generations.Diff(t.Context(), s.Pool, "f37", 1, 99); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
	if _, err := generations.Diff(t.Context(), s.Pool, "nosuch", 1, 2); !errors.Is(err, generations.ErrNoTag) {
		t.Errorf("got %v", err)
	}
}
