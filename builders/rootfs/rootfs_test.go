package rootfs

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/bootstrap"
	"github.com/distbot/distbot/internal/sandbox"
	"github.com/distbot/distbot/testdata"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

// baseRepo is the base distribution that the tests' buildroots come from, made
// once; its finished packages are kept in the user's cache.
var baseRepo = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "distbot-rootfs-test-")
	if err != nil {
		return "", err
	}
	result, err := bootstrap.Debian(context.Background(), bootstrap.Options{Arch: hostArch(), Out: filepath.Join(dir, "base"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	return result.Path, nil
})

// bundle is a driver with a base distribution.
type bundle struct {
	driver *Driver
	dir    string
	base   builders.Repo
}

func setup(t *testing.T) *bundle {
	t.Helper()
	repo, err := baseRepo()
	if err != nil {
		t.Fatalf("make the base distribution (run scripts/setup): %v", err)
	}
	runner, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	driver, err := New(Config{
		Dir: filepath.Join(dir, "buildroots"), Runner: runner, Logger: slog.New(slog.DiscardHandler),
		Limits: sandbox.Limits{Memory: 2 << 30, PIDs: 1024, FileSize: 1 << 30, Wall: 5 * time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runner.RemoveAll(context.Background(), filepath.Join(dir, "buildroots")); err != nil {
			t.Error(err)
		}
	})
	return &bundle{driver: driver, dir: dir, base: builders.Repo{Name: "base", URL: "file://" + repo, Cost: 10}}
}

// order is an order with directories of its own.
func (b *bundle) order(t *testing.T, install []string, repos ...builders.Repo) builders.Order {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"results", "logs"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"root.log", "build.log"} {
				text, _ := os.ReadFile(filepath.Join(dir, "logs", name))
				t.Logf("%s:\n%s", name, text[max(0, len(text)-30000):])
			}
		}
	})
	return builders.Order{
		TaskID: nextTask(), Attempt: 1, Epoch: time.Unix(1_790_000_000, 0),
		Root:      builders.Recipe{Tag: "f37-build", Arch: hostArch(), Repos: append(repos, b.base), Install: install, Macros: map[string]string{"dist": ".fc37"}},
		ResultDir: filepath.Join(dir, "results"), LogDir: filepath.Join(dir, "logs"),
		Phase: func(phase builders.Phase) { t.Logf("phase %s", phase) },
	}
}

var (
	taskMu sync.Mutex
	task   int64
)

func nextTask() int64 {
	taskMu.Lock()
	defer taskMu.Unlock()
	task++
	return task
}

var (
	srpmGroup  = []string{"bash", "coreutils", "findutils", "redhat-rpm-config", "rpm-build", "tar", "gzip", "xz", "sed", "grep", "gawk", "diffutils", "patch", "make", "which"}
	buildGroup = append(srpmGroup[:len(srpmGroup):len(srpmGroup)], "gcc", "glibc-devel")
)

// srpm makes the source package of a directory of sources.
func (b *bundle) srpm(t *testing.T, dir, spec string) (string, error) {
	t.Helper()
	order := b.order(t, srpmGroup)
	if _, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: spec}); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(order.ResultDir, "*.src.rpm"))
	if err != nil || len(files) != 1 {
		t.Fatalf("source packages: %v, %v, want one", files, err)
	}
	return files[0], nil
}

// demo writes a package of testdata as a checkout would.
func demo(t *testing.T, pkg string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := fs.Sub(testdata.DistGit, path.Join("distgit", pkg, "dist-git"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	slices.Sort(list)
	return list
}

func failureOf(t *testing.T, err error) *builders.Failure {
	t.Helper()
	var failure *builders.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got error %v, want a *builders.Failure", err)
	}
	return failure
}

func TestBuild(t *testing.T) {
	t.Parallel()
	b := setup(t)

	t.Run("A noarch package builds", func(t *testing.T) {
		t.Parallel()
		srpm, err := b.srpm(t, demo(t, "greet-motd"), "greet-motd.spec")
		if err != nil {
			t.Fatal(err)
		}
		order := b.order(t, buildGroup)
		outcome, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := names(t, order.ResultDir), []string{"greet-motd-2.0-3.fc37.noarch.rpm"}; !slices.Equal(got, want) {
			t.Errorf("packages %v, want %v", got, want)
		}
		if len(outcome.Installed) < 50 || !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool {
			return strings.HasPrefix(i.NEVRA, "gcc-") && len(i.Digest) == 64
		}) {
			t.Errorf("buildroot of %d packages, want gcc with its digest among more than 50", len(outcome.Installed))
		}
	})
	t.Run("A missing build requirement is named", func(t *testing.T) {
		t.Parallel()
		srpm, err := b.srpm(t, demo(t, "usegreet"), "usegreet.spec")
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.driver.Build(t.Context(), builders.BuildOrder{Order: b.order(t, buildGroup), SRPM: srpm, Arch: hostArch()})
		failure := failureOf(t, err)
		if want := "nothing provides pkgconfig(greet) >= 1.2"; failure.Reason != want || failure.Infrastructure || failure.Phase != builders.PhaseBuildroot {
			t.Errorf("failure %+v, want reason %q in phase buildroot", failure, want)
		}
	})
	t.Run("A compiler error is the reason", func(t *testing.T) {
		t.Parallel()
		srpm, err := b.srpm(t, demo(t, "broken"), "broken.spec")
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.driver.Build(t.Context(), builders.BuildOrder{Order: b.order(t, buildGroup), SRPM: srpm, Arch: hostArch()})
		failure := failureOf(t, err)
		if failure.Phase != builders.PhaseBuild || failure.Infrastructure || !strings.Contains(failure.Reason, "broken.c:5:14: error: 'greeting' undeclared") {
			t.Errorf("failure %+v, want the compiler's error in phase build", failure)
		}
	})
}
