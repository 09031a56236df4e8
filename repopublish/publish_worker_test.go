package repopublish

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestPublish(t *testing.T) {
	t.Parallel()

	t.Run("of an empty tag makes a repository dnf accepts", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64", "riscv64")
		s.work(t)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		s.fresh(t)
		for _, arch := range []string{"x86_64", "riscv64"} {
			s.wantPackages(t, "f37", arch)
		}
		if out := s.dnf(t, "f37", "repoquery", "--all"); strings.TrimSpace(out) != "" {
			t.Errorf("dnf finds %q, want nothing", out)
		}
	})

	t.Run("makes a build installable and says so", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64", "riscv64")
		s.work(t)
		build := s.complete(t, 0, "hello", "1.0", "hello.x86_64", "hello.riscv64", "hello-doc.noarch", "hello.src")
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		s.fresh(t)
		for _, tag := range []string{"f37", "f37-build"} {
			s.wantPackages(t, tag, "x86_64", "hello-1.0-1.x86_64", "hello-doc-1.0-1.noarch")
			s.wantPackages(t, tag, "riscv64", "hello-1.0-1.riscv64", "hello-doc-1.0-1.noarch")
		}
		if diff := cmp.Diff("f37 success\nf37/srpm pending", s.dist.Statuses(t, 0)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if root := queuetest.Task(t, s.Pool, build, queue.MethodBuild, ""); root.State != queue.TaskClosed {
			t.Errorf("the build's task is %s, want CLOSED", root.State)
		}
		if !queuetest.Value[bool](t, s.Pool, "select published_at is not null from builds where id = $1", build) {
			t.Error("the build is not marked published")
		}
		root := t.TempDir()
		s.dnf(t, "f37", "install", "--assumeyes", "--installroot="+root, "hello-doc")
		text, err := os.ReadFile(filepath.Join(root, "usr/share/hello-doc/version"))
		if err != nil || string(text) != "1.0-1" {
			t.Errorf("dnf installed %q, %v; want 1.0-1", text, err)
		}
	})

	t.Run("says of a build only what is so", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		// All are tagged before anything is published.
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1.0", "hello.x86_64"))
		s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "2.0", "hello.x86_64"))
		s.tag(t, s.dist.DestTag, s.complete(t, 2, "foreign", "1.0", "foreign.s390x"))
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", "hello-2.0-1.x86_64")
		got := queuetest.Values[string](t, s.Pool, "select state || ': ' || description from reports where context = 'distbot/f37' order by build_id")
		if diff := cmp.Diff([]string{
			"success: hello-1.0-1 was tagged into f37; hello-2.0-1 replaced it before the repository was made",
			"success: hello-2.0-1 is in the repository of f37",
			"success: foreign-1.0-1 was tagged into f37, whose repository has no package of it",
		}, got); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("holds the latest build of each package by order of inheritance", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		pool := s.Pool
		// f37-build ← f37 (10) ← f37-base (10); f37-build ← f37-extra (20)
		base, extra := queuetest.Tag(t, pool, "f37-base", "x86_64"), queuetest.Tag(t, pool, "f37-extra", "x86_64")
		queuetest.Inherit(t, pool, s.dist.DestTag, base, 10)
		queuetest.Inherit(t, pool, s.dist.BuildTag, extra, 20)
		for i, b := range []struct {
			tag           int64
			name, version string
		}{
			{base, "only-in-base", "1"},
			{base, "in-base-and-extra", "1"},
			{extra, "in-base-and-extra", "9"},
			{base, "in-base-and-f37", "9"},
			{s.dist.DestTag, "in-base-and-f37", "1"},
			{s.dist.DestTag, "own", "9"},
			{s.dist.BuildTag, "own", "1"},
			{s.dist.DestTag, "twice", "9"},
			{s.dist.DestTag, "twice", "1"},
			{extra, "only-in-extra", "1"},
		} {
			s.tag(t, b.tag, s.complete(t, i, b.name, b.version, b.name+".x86_64"))
		}
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37-build", "x86_64",
			"only-in-base-1-1.x86_64", "in-base-and-extra-1-1.x86_64", "in-base-and-f37-1-1.x86_64",
			"own-1-1.x86_64", "twice-1-1.x86_64", "only-in-extra-1-1.x86_64")
		s.wantPackages(t, "f37", "x86_64",
			"only-in-base-1-1.x86_64", "in-base-and-extra-1-1.x86_64", "in-base-and-f37-1-1.x86_64", "own-9-1.x86_64", "twice-1-1.x86_64")
		s.wantPackages(t, "f37-base", "x86_64", "only-in-base-1-1.x86_64", "in-base-and-extra-1-1.x86_64", "in-base-and-f37-9-1.x86_64")
	})

	t.Run("goes on when two builds have a package of one name", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.tag(t, s.dist.DestTag, s.complete(t, 1, "impostor", "1", "impostor.x86_64", "hello.x86_64"))
		s.work(t)
		s.settled(t)
		s.fresh(t)
		s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "impostor-1-1.x86_64")
	})

	t.Run("of equal content makes equal metadata but for its number", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		s.tag(t, s.dist.DestTag, s.complete(t, 0, "hello", "1", "hello.x86_64"))
		s.work(t)
		s.settled(t)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		var files [2][]string
		for i := range files {
			entries, err := os.ReadDir(filepath.Join(s.ReposDir, "f37", fmt.Sprint(i+1), "x86_64", "repodata"))
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				files[i] = append(files[i], entry.Name()) // named by checksum
			}
		}
		if diff := cmp.Diff(files[0], files[1]); diff != "" {
			t.Errorf("repodata of two generations (-first +second):\n%s", diff)
		}
	})

	t.Run("waits while another process makes the tag's repository", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "x86_64")
		unlock, err := lock(filepath.Join(s.ReposDir, "f37"))
		if err != nil {
			t.Fatal(err)
		}
		s.work(t)
		s.regenerate(t, s.dist.DestTag)
		queuetest.WaitRow(t, s.Pool, "the other tag is made", "select built_rev = want_rev from tags where id = $1", s.dist.BuildTag)
		queuetest.WaitRow(t, s.Pool, "the job waits", "select coalesce((metadata->>'snoozes')::int, 0) > 2 from river_job where (args->>'tag_id')::bigint = $1", s.dist.DestTag)
		if _, err := s.latestOf("f37"); err == nil {
			t.Error("the repository was made while another process held its lock")
		}
		unlock()
		s.settled(t)
		s.fresh(t)
	})
}
