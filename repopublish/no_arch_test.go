package repopublish

import (
	"testing"

	"github.com/distbot/distbot/queue/queuetest"
)

func TestATagWithoutArchitecturesHasAnEmptyRepository(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	s.work(t)
	tag := queuetest.Tag(t, s.Pool, "sources", []string{}...)
	s.regenerate(t, tag)
	s.settled(t)
	if n := queuetest.Value[int](t, s.Pool, "select packages from repo_generations where tag_id = $1 and state = 'published'", tag); n != 0 {
		t.Errorf("the repository has %d packages, want none", n)
	}
	if ok := queuetest.Value[bool](t, s.Pool, "select built_rev = want_rev from tags where id = $1", tag); !ok {
		t.Error("the repository is not up to date")
	}
}
