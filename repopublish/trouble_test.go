package repopublish

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestPublishInTrouble(t *testing.T) {
	t.Parallel()

	t.Run("leaves the newest generation as it is when a package is missing, and recovers", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.work(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.settled(t)
		build := s.complete(t, 1, "hello", "2", "hello.x86_64")
		s.labelsRead(t)
		sha := queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1", build)
		blob := s.Store.Path(store.Blob{SHA256: sha})
		if err := os.Rename(blob, blob+".away"); err != nil {
			t.Fatal(err)
		}
		s.tag(t, s.dist.DestTag, build)
		queuetest.WaitRow(t, s.Pool, "publishing fails", `select exists (select from river_job where kind = 'repopublish.publish'
			and (args->>'tag_id')::bigint = $1 and state <> 'running' and errors[1]->>'error' like '%write generation 2 of f37%')`, s.dist.DestTag)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		s.wantNoLeftovers(t)
		if got := s.dist.Statuses(t, 1); !strings.HasPrefix(got, "f37 pending") {
			t.Errorf("the build's status is %q, want it pending", got)
		}
		if err := os.Rename(blob+".away", blob); err != nil {
			t.Fatal(err)
		}
		s.hurry(t)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64")
	})

	t.Run("publishes under a new number when it died between switch and record", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.KeepFor = 0
		s.work(t)
		queuetest.Exec(t, s.Pool, "alter table repo_generations add constraint refuse check (state <> 'published')")
		build := s.complete(t, 0, "hello", "1", "hello.x86_64")
		s.tag(t, s.dist.DestTag, build)
		queuetest.WaitRow(t, s.Pool, "recording fails", `select exists (select from river_job
			where kind = 'repopublish.publish' and (args->>'tag_id')::bigint = $1 and errors is not null)`, s.dist.DestTag)
		// The switch was made; what it shows is whole.
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		interrupted, err := s.latestOf("f37")
		if err != nil {
			t.Fatal(err)
		}
		if queuetest.Value[bool](t, s.Pool, "select published_at is not null from builds where id = $1", build) {
			t.Fatal("the build is marked published although nothing was recorded")
		}
		queuetest.Exec(t, s.Pool, "alter table repo_generations drop constraint refuse")
		s.hurry(t)
		s.settled(t)
		s.fresh(t)
		if now, _ := s.latestOf("f37"); now == interrupted {
			t.Errorf("the newest generation is still the interrupted one, %s", filepath.Base(now))
		}
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
		s.wantTreesAsRecorded(t, "f37")
		published := queuetest.Values[int64](t, s.Pool, "select number from repo_generations where tag_id = $1 and state <> 'expired'", s.dist.DestTag)
		if len(published) != 1 {
			t.Errorf("generations %v are not expired, want one", published)
		}
	})
}
