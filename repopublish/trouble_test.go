package repopublish

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
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

	t.Run("leaves the newest generation as it is when a package is broken, and recovers", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.work(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.settled(t)
		whole := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "hello", Version: "2", Release: "1", Arch: "x86_64"}, func(r *rpmpack.RPM) {
			r.AddFile(rpmpack.RPMFile{Name: "/usr/share/hello", Owner: "root", Group: "root"})
		})
		for i, test := range []struct {
			what, want string
			raw        []byte
		}{
			{"no RPM", "malformed RPM", []byte("hello")},
			{"a header that breaks off", "malformed RPM", whole[:900]},
		} {
			blob, err := s.Store.Put(t.Context(), bytes.NewReader(test.raw), "", 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			bad := s.complete(t, 2*i+1, "hello", fmt.Sprint(2*i+2))
			s.record(t, bad, "hello", "2", "hello", "x86_64", blob)
			s.tag(t, s.dist.DestTag, bad)
			queuetest.WaitRow(t, s.Pool, test.what+": publishing fails", `select exists (select from river_job where kind = 'repopublish.publish'
				and (args->>'tag_id')::bigint = $1 and state <> 'running' and errors[array_upper(errors, 1)]->>'error' like '%' || $2 || '%')`, s.dist.DestTag, test.want)
			s.wantPackages(t, "f37", "x86_64", fmt.Sprintf("hello-%d-1.x86_64", 2*i+1))
			s.wantNoLeftovers(t)
			s.tag(t, s.dist.DestTag, s.complete(t, 2*i+2, "hello", fmt.Sprint(2*i+3), "hello.x86_64"))
			s.hurry(t)
			s.settled(t)
			s.wantPackages(t, "f37", "x86_64", fmt.Sprintf("hello-%d-1.x86_64", 2*i+3))
		}
	})

	t.Run("names a package that no repository can have, and recovers when it is untagged", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.work(t)
		provides := make(rpmpack.Relations, 300_000)
		for i := range provides {
			provides[i] = &rpmpack.Relation{Name: fmt.Sprintf("capability-%d", i)}
		}
		var builds []int64
		for i, test := range []struct {
			name, packed, want string
			provides           rpmpack.Relations
			path               string
		}{
			{"many", "many", "more than 262144 dependencies of a package", provides, "/usr/share/many"},
			{"odd", "odd", "XML cannot express", nil, "/usr/share/a\x01b"},
			{"another", "other", "it says other-2-1.x86_64", nil, "/usr/share/other"},
		} {
			raw := rpmtest.Pack(t, rpmpack.RPMMetaData{Name: test.packed, Version: "2", Release: "1", Arch: "x86_64", Provides: test.provides}, func(r *rpmpack.RPM) {
				r.AddFile(rpmpack.RPMFile{Name: test.path, Owner: "root", Group: "root"})
			})
			blob, err := s.Store.Put(t.Context(), bytes.NewReader(raw), "", 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			bad := s.complete(t, i, test.name, "2")
			s.record(t, bad, test.name, "2", test.name, "x86_64", blob)
			s.tag(t, s.dist.DestTag, bad)
			builds = append(builds, bad)
			queuetest.WaitRow(t, s.Pool, test.name+" is refused", `select exists (select from repo_troubles where tag_id = $1 and kind = 'refused'
				and reason like 'packages: %' and problems::text like '%' || $2 || '-2-1.x86_64: no repository can have the package%' || $3 || '%')`, s.dist.DestTag, test.name, test.want)
		}
		if n := queuetest.Value[int](t, s.Pool, "select jsonb_array_length(problems) from repo_troubles where tag_id = $1", s.dist.DestTag); n != 3 {
			t.Errorf("%d problems are told, want that of each package", n)
		}
		// It is not tried again.
		queuetest.WaitRow(t, s.Pool, "the job ends", `select not exists (select from river_job where kind = 'repopublish.publish'
			and (args->>'tag_id')::bigint = $1 and state <> 'completed')`, s.dist.DestTag)
		for _, bad := range builds {
			queuetest.Exec(t, s.Pool, "update tag_builds set revoke_event = create_event where build_id = $1", bad)
		}
		s.tag(t, s.dist.DestTag, s.complete(t, 5, "hello", "1", "hello.x86_64"))
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
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
