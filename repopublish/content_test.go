package repopublish

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestContent(t *testing.T) {
	t.Parallel()

	t.Run("has the groups of the tag and of its parents, as dnf sees them", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.work(t)
		queuetest.Group(t, s.Pool, s.dist.DestTag, "build", "hello", "hello-doc")
		queuetest.Group(t, s.Pool, s.dist.BuildTag, "build", "gcc & co")
		queuetest.Group(t, s.Pool, s.dist.BuildTag, "srpm-build", "hello")
		queuetest.Group(t, s.Pool, s.dist.BuildTag, "gone", "gone")
		queuetest.DropGroup(t, s.Pool, s.dist.BuildTag, "gone")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64", "hello-doc.noarch"))
		s.settled(t)
		ids := func(tag string) string {
			var groups []string
			for line := range strings.Lines(s.dnf(t, tag, "group", "list", "--ids")) {
				if _, id, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ")"), "("); ok {
					groups = append(groups, id)
				}
			}
			return strings.Join(groups, " ")
		}
		if got := ids("f37"); got != "build" {
			t.Errorf("dnf sees the groups %q of f37, want build", got)
		}
		if got := ids("f37-build"); got != "build srpm-build" {
			t.Errorf("dnf sees the groups %q of f37-build, want build and srpm-build", got)
		}
		info := s.dnf(t, "f37-build", "group", "info", "build")
		for _, want := range []string{"hello", "hello-doc", "gcc & co"} {
			if !strings.Contains(info, "   "+want+"\n") {
				t.Errorf("dnf does not see %s in the group build:\n%s", want, info)
			}
		}
		root := t.TempDir()
		s.dnf(t, "f37", "install", "--assumeyes", "--installroot="+root, "@build")
		if _, err := os.Stat(filepath.Join(root, "usr/share/hello-doc/version")); err != nil {
			t.Errorf("dnf installed the group without one of its packages: %v", err)
		}
	})

	t.Run("leaves out builds that failed, were deleted or are tagged no more", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		for n, name := range []string{"good", "failed", "deleted", "canceled", "untagged"} {
			build := s.complete(t, n, name, "1", name+".x86_64")
			s.tag(t, s.dist.DestTag, build)
			if state := strings.ToUpper(name); n > 0 && n < 4 {
				queuetest.Exec(t, s.Pool, "update builds set state = $2 where id = $1", build, state)
			}
		}
		// An older build stays when the newer one is tagged no more.
		older := s.complete(t, 5, "older", "1", "older.x86_64")
		newer := s.complete(t, 6, "older", "2", "older.x86_64")
		s.tag(t, s.dist.DestTag, older)
		s.tag(t, s.dist.DestTag, newer)
		queuetest.Exec(t, s.Pool, `update tag_builds set revoke_event = create_event
			where build_id = $1 or build_id = (select id from builds where nvr = 'untagged-1-1')`, newer)
		s.work(t)
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64", "good-1-1.x86_64", "older-1-1.x86_64")
	})

	t.Run("has each architecture's packages and no foreign ones", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64", "i686", "aarch64")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64", "hello.i686", "hello.aarch64", "hello.riscv64", "hello-doc.noarch", "hello.src"))
		s.work(t)
		s.settled(t)
		for _, arch := range []string{"x86_64", "i686", "aarch64"} {
			s.wantPackages(t, "f37", arch, "hello-1-1."+arch, "hello-doc-1-1.noarch")
		}
		if n := queuetest.Value[int](t, s.Pool, `select packages from repo_generations g join tags t on t.id = g.tag_id where t.name = 'f37'`); n != 6 {
			t.Errorf("%d packages are recorded, want 6", n)
		}
		rows := queuetest.Values[string](t, s.Pool, `select g.arch || ' ' || r.name || '.' || r.arch from generation_rpms g join rpms r on r.id = g.rpm_id
			join repo_generations n on n.id = g.generation_id join tags t on t.id = n.tag_id where t.name = 'f37' order by 1`)
		want := []string{
			"aarch64 hello-doc.noarch", "aarch64 hello.aarch64", "i686 hello-doc.noarch", "i686 hello.i686", "x86_64 hello-doc.noarch", "x86_64 hello.x86_64",
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("recorded packages (-want +got):\n%s", diff)
		}
	})

	t.Run("takes a grandparent by the nearer path", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		// f37-build ← f37 (10) ← base (30); f37-build ← base (20): by way of
		// f37 base is nearer than extra, which has priority 15.
		base, extra := queuetest.Tag(t, s.Pool, "base", "x86_64"), queuetest.Tag(t, s.Pool, "extra", "x86_64")
		queuetest.Inherit(t, s.Pool, s.dist.DestTag, base, 30)
		queuetest.Inherit(t, s.Pool, s.dist.BuildTag, base, 20)
		queuetest.Inherit(t, s.Pool, s.dist.BuildTag, extra, 15)
		s.tag(t, base, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.tag(t, extra, s.complete(t, 1, "hello", "2", "hello.x86_64"))
		s.work(t)
		s.settled(t)
		s.wantPackages(t, "f37-build", "x86_64", "hello-1-1.x86_64")
	})

	t.Run("links to the store and never writes to what was published", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64", "aarch64")
		s.work(t)
		build := s.complete(t, 0, "Hello", "1", "Hello.x86_64", "hello-doc.noarch")
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		for _, file := range []struct{ name, path string }{
			{"Hello", "x86_64/Packages/h/Hello-1-1.x86_64.rpm"},
			{"hello-doc", "x86_64/Packages/h/hello-doc-1-1.noarch.rpm"},
			{"hello-doc", "aarch64/Packages/h/hello-doc-1-1.noarch.rpm"},
		} {
			sha := queuetest.Value[string](t, s.Pool, "select sha256 from rpms where build_id = $1 and name = $2", build, file.name)
			blob, err := os.Stat(s.Store.Path(store.Blob{SHA256: sha}))
			if err != nil {
				t.Fatal(err)
			}
			published, err := os.Lstat(filepath.Join(s.ReposDir, "f37", latest, file.path))
			if err != nil || !os.SameFile(blob, published) {
				t.Errorf("%s is not the store's file (%v)", file.path, err)
			}
		}
		first := filepath.Join(s.ReposDir, "f37", "1")
		before := stateOf(t, first)
		for n := 1; n < 4; n++ {
			s.tag(t, s.dist.DestTag, s.complete(t, n, "Hello", strings.Repeat("2", n), "Hello.x86_64"))
			s.settled(t)
		}
		if diff := cmp.Diff(before, stateOf(t, first)); diff != "" {
			t.Errorf("the first generation changed (-before +after):\n%s", diff)
		}
	})
}

// stateOf is every file below a directory with its times, mode and size.
func stateOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			files[path] = fmt.Sprint(info.Mode(), info.ModTime(), info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
