package repopublish

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

// TestRename gives a tag another name, and its old name to another tag.
func TestRename(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	s.work(t)
	old := s.dist.DestTag
	s.tag(t, old, s.complete(t, 0, "hello", "1", "hello.x86_64"))
	s.settled(t)
	queuetest.Exec(t, s.Pool, "update tags set name = 'f37-old' where id = $1", old)
	s.regenerate(t, old)
	s.settled(t)
	held := func(tag string) int {
		files, err := filepath.Glob(filepath.Join(s.ReposDir, tag, latest, "x86_64", "Packages", "*", "*.rpm"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if n := held("f37-old"); n != 1 {
		t.Errorf("the repository of the new name has %d packages, want 1", n)
	}
	// Its numbers follow those of the name.
	before, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	again := queuetest.Tag(t, s.Pool, "f37", "x86_64")
	s.regenerate(t, again)
	s.settled(t)
	if n := held("f37"); n != 0 {
		t.Errorf("the repository of the new tag has %d packages of the one that had its name", n)
	}
	if now, _ := s.latestOf("f37"); filepath.Base(before) != "1" || filepath.Base(now) != "2" {
		t.Errorf("its first generation is %s, want the one after %s", now, before)
	}
	// What was there stays, as long as it would have of the tag that it is of.
	if packages, _, err := readRepo(filepath.Join(before, "x86_64")); err != nil || len(packages) != 1 {
		t.Errorf("the generation of the tag that had the name: %v, %v", packages, err)
	}

	// With the name that it had, the first tag goes on after both.
	queuetest.Exec(t, s.Pool, "update tags set name = 'f37-new' where id = $1", again)
	queuetest.Exec(t, s.Pool, "update tags set name = 'f37' where id = $1", old)
	s.regenerate(t, old)
	s.settled(t)
	if now, _ := s.latestOf("f37"); filepath.Base(now) != "3" || held("f37") != 1 {
		t.Errorf("its generation is %s with %d packages, want 3 with 1", now, held("f37"))
	}
	// It goes back to what it had under another name.
	if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", 2, "pat", ""); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	if now, _ := s.latestOf("f37"); filepath.Base(now) != "4" || held("f37") != 1 {
		t.Errorf("gone back it is %s with %d packages, want 4 with 1", now, held("f37"))
	}
}

// Trees of which no row tells, as older versions left them under names that were
// given away, are not replaced either.
func TestANumberThatLiesThereIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	left := filepath.Join(s.ReposDir, "f37", "7")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	s.work(t)
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	if now, _ := s.latestOf("f37"); filepath.Base(now) != "8" {
		t.Errorf("the generation after 7 is %s", now)
	}
}
