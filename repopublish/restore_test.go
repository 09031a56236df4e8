package repopublish

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	lose := func(t *testing.T, s *stage) {
		t.Helper()
		s.locked(t, "f37")() // nobody sweeps there still
		if err := os.RemoveAll(s.ReposDir); err != nil {
			t.Fatal(err)
		}
	}
	restore := func(t *testing.T, s *stage) {
		t.Helper()
		if err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
	}

	t.Run("makes lost repositories again, under new numbers", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		lose(t, s)
		restore(t, s)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64", "world-1-1.x86_64")
		if now := s.newest(t); now != last+1 {
			t.Errorf("it is generation %d, want %d", now, last+1)
		}
		s.fresh(t)
	})

	t.Run("leaves alone what is there", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		restore(t, s)
		if now := s.newest(t); now != last {
			t.Errorf("generation %d was made", now)
		}
	})

	t.Run("makes a held one again of what it is held at", func(t *testing.T) {
		t.Parallel()
		s := twoGenerations(t)
		last := s.newest(t)
		if _, err := GoBack(t.Context(), s.Pool, s.Jobs, s.ReposDir, "f37", last-1, "pat", ""); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		if err := os.Remove(filepath.Join(s.ReposDir, "f37", latest)); err != nil {
			t.Fatal(err)
		}
		restore(t, s)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64")
		lose(t, s)
		restore(t, s)
		if got := queuetest.Value[string](t, s.Pool, "select coalesce(max(reason), '') from repo_troubles"); !strings.Contains(got, "files of generation 2, which f37 is to go back to, are gone") {
			t.Errorf("told: %q", got)
		}
	})
}
