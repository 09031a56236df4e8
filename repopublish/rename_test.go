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
	// Its numbers begin anew, where the other tag's trees still lie.
	again := queuetest.Tag(t, s.Pool, "f37", "x86_64")
	s.regenerate(t, again)
	s.settled(t)
	if n := held("f37"); n != 0 {
		t.Errorf("the repository of the new tag has %d packages of the one that had its name", n)
	}
	if _, err := os.Stat(filepath.Join(s.ReposDir, "f37", "1", "x86_64", "repodata", "repomd.xml")); err != nil {
		t.Error(err)
	}
}
