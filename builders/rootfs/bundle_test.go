package rootfs

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/sandbox"
)

// bundle is a driver with a base distribution.
type bundle struct {
	driver *Driver
	base   builders.Repo
	// group is what the buildroots of build and srpm hold.
	group []string
}

var (
	srpmGroup  = []string{"bash", "coreutils", "findutils", "redhat-rpm-config", "rpm-build", "tar", "gzip", "xz", "sed", "grep", "gawk", "diffutils", "patch", "make", "which"}
	buildGroup = append(srpmGroup[:len(srpmGroup):len(srpmGroup)], "gcc", "glibc-devel")
	// smallGroup installs in a moment; nothing can be built in it.
	smallGroup = []string{"filesystem"}
)

// newBundle makes a driver in dir.
func newBundle(dir string, change func(*Config)) (*bundle, error) {
	repo, err := baseRepo()
	if err != nil {
		return nil, err
	}
	runner, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		return nil, err
	}
	config := Config{
		Dir: dir, Runner: runner, Logger: slog.New(slog.DiscardHandler),
		Limits: sandbox.Limits{Memory: 2 << 30, PIDs: 1024, FileSize: 1 << 30, Wall: 5 * time.Minute},
	}
	if change != nil {
		change(&config)
	}
	driver, err := New(config)
	if err != nil {
		return nil, err
	}
	return &bundle{driver: driver, base: builders.Repo{Name: "base", URL: "file://" + repo, Cost: 10}, group: buildGroup}, nil
}

// setup returns a driver of the test's own that shares its base roots with
// those of other tests. change, if not nil, is done to its configuration.
func setup(t testing.TB, change func(*Config)) *bundle {
	t.Helper()
	dir, err := scratchDir()
	if err != nil {
		t.Fatal(err)
	}
	return must(newBundle(filepath.Join(dir, "buildroots"), change))(t)
}

// fresh returns a driver with a directory of its own.
func fresh(t testing.TB, change func(*Config)) *bundle {
	t.Helper()
	// Sandboxes of unprivileged callers must pass.
	dir := filepath.Join(t.TempDir(), "buildroots")
	b := must(newBundle(dir, change))(t)
	t.Cleanup(func() {
		if err := b.driver.config.Runner.RemoveAll(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return b
}

// must returns a value, or ends the test: must(f())(t).
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v (run scripts/setup if a tool is missing)", err)
		}
		return value
	}
}

var task atomic.Int64

// order is an order with directories of its own.
func (b *bundle) order(t testing.TB, install []string, repos ...builders.Repo) builders.Order {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"results", "logs"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	order := builders.Order{
		TaskID: task.Add(1), Attempt: 1, Epoch: time.Unix(1_790_000_000, 0),
		Root:      builders.Recipe{Tag: "f37-build", Arch: hostArch(), Repos: append(repos, b.base), Install: install, Macros: map[string]string{"dist": ".fc37"}},
		ResultDir: filepath.Join(dir, "results"), LogDir: filepath.Join(dir, "logs"),
		Phase: func(builders.Phase) {},
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"root.log", "build.log"} {
				text := logOf(t, order, name)
				t.Logf("%s of task %d:\n%s", name, order.TaskID, text[max(0, len(text)-10000):])
			}
		}
	})
	return order
}

func logOf(t testing.TB, order builders.Order, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(order.LogDir, name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// checkout writes files as a checkout would.
func checkout(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// demo writes a package of testdata as a checkout would, with its tarball.
func demo(t testing.TB, pkg string) string {
	t.Helper()
	dir := t.TempDir()
	origin := filepath.Join(distGit(), pkg)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(origin, "dist-git"))); err != nil {
		t.Fatal(err)
	}
	if pkg == "libgreet" {
		tarball(t, filepath.Join(dir, "libgreet-1.2.tar.gz"), "libgreet-1.2", os.DirFS(filepath.Join(origin, "upstream")))
	}
	return dir
}

// distGitVariable names a copy of the packages of testdata.
const distGitVariable = "DISTBOT_ROOTFS_TEST_DISTGIT"

func distGit() string {
	if dir := os.Getenv(distGitVariable); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "distgit")
}

// tarball packs files below top.
func tarball(t testing.TB, name, top string, files fs.FS) {
	t.Helper()
	out := must(os.Create(name))(t)
	defer out.Close()
	zip := gzip.NewWriter(out)
	pack := tar.NewWriter(zip)
	err := fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path.Join(top, file), Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1_780_000_000, 0)}
		if err := pack.WriteHeader(header); err != nil {
			return err
		}
		_, err = pack.Write(text)
		return err
	})
	if err := errors.Join(err, pack.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
}

// srpm makes the source package of a checkout with one spec.
func (b *bundle) srpm(t testing.TB, dir string, repos ...builders.Repo) (string, error) {
	t.Helper()
	specs := must(filepath.Glob(filepath.Join(dir, "*.spec")))(t)
	if len(specs) != 1 {
		t.Fatalf("specs %q, want one", specs)
	}
	order := b.order(t, b.group, repos...)
	if _, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: filepath.Base(specs[0])}); err != nil {
		return "", err
	}
	files := names(t, order.ResultDir)
	if len(files) != 1 || !strings.HasSuffix(files[0], ".src.rpm") {
		t.Fatalf("source packages: %q, want one", files)
	}
	return filepath.Join(order.ResultDir, files[0]), nil
}

// build makes the packages of a checkout.
func (b *bundle) build(t testing.TB, dir string, repos ...builders.Repo) (builders.Order, builders.Outcome, error) {
	t.Helper()
	srpm := must(b.srpm(t, dir, repos...))(t)
	order := b.order(t, b.group, repos...)
	outcome, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: hostArch()})
	return order, outcome, err
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	for _, entry := range must(os.ReadDir(dir))(t) {
		list = append(list, entry.Name())
	}
	return list
}

// digests are those of the files in dir.
func digests(t testing.TB, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, name := range names(t, dir) {
		sum := sha256.Sum256(must(os.ReadFile(filepath.Join(dir, name)))(t))
		sums[name] = hex.EncodeToString(sum[:])
	}
	return sums
}

func failureOf(t testing.TB, err error) *builders.Failure {
	t.Helper()
	var failure *builders.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got error %v, want a *builders.Failure", err)
	}
	return failure
}

// repository publishes RPMs, by file name, as a repository.
func repository(t testing.TB, name string, files map[string][]byte) builders.Repo {
	t.Helper()
	dir := t.TempDir()
	var entries []repomd.Entry
	for file, content := range files {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		pkg, digest, err := rpmfile.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fragments := must(repomd.Render(pkg, repomd.File{Href: file, SHA256: digest.SHA256, Size: int64(len(content)), Time: 1_790_000_000}))(t)
		entries = append(entries, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: digest.SHA256, Fragments: fragments})
	}
	slices.SortFunc(entries, repomd.Compare)
	_, err := repomd.Write(t.Context(), dir, len(entries), func(yield func(repomd.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}, repomd.Options{Revision: "1", Timestamp: 1_790_000_000})
	if err != nil {
		t.Fatal(err)
	}
	return builders.Repo{Name: name, URL: "file://" + dir, Cost: 1}
}

// built publishes what a build left.
func built(t testing.TB, name string, order builders.Order) builders.Repo {
	t.Helper()
	files := map[string][]byte{}
	for _, file := range names(t, order.ResultDir) {
		files[file] = must(os.ReadFile(filepath.Join(order.ResultDir, file)))(t)
	}
	return repository(t, name, files)
}

// eventually waits for a state.
func eventually(t testing.TB, what string, state func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !state() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not reached in time: %s", what)
		}
	}
}
