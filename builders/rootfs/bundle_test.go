package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
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
	srpmGroup  = drivertest.SRPMGroup
	buildGroup = drivertest.BuildGroup
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

// order is an order with directories of its own.
func (b *bundle) order(t testing.TB, install []string, repos ...builders.Repo) builders.Order {
	t.Helper()
	return drivertest.Order(t, install, append(repos, b.base)...)
}

// demo writes a package of testdata as a checkout would, with its tarball.
func demo(t testing.TB, pkg string) string {
	t.Helper()
	return drivertest.Demo(t, distGit(), pkg)
}

// distGitVariable names a copy of the packages of testdata.
const distGitVariable = "DISTBOT_ROOTFS_TEST_DISTGIT"

func distGit() string {
	if dir := os.Getenv(distGitVariable); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "distgit")
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
	files := drivertest.Names(t, order.ResultDir)
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

// digests are those of the files in dir.
func digests(t testing.TB, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, name := range drivertest.Names(t, dir) {
		sum := sha256.Sum256(must(os.ReadFile(filepath.Join(dir, name)))(t))
		sums[name] = hex.EncodeToString(sum[:])
	}
	return sums
}

// built publishes what a build left.
func built(t testing.TB, name string, order builders.Order) builders.Repo {
	t.Helper()
	files := map[string][]byte{}
	for _, file := range drivertest.Names(t, order.ResultDir) {
		files[file] = must(os.ReadFile(filepath.Join(order.ResultDir, file)))(t)
	}
	return drivertest.Repository(t, name, files)
}

// rootLog is a log that goes to the test's own.
func rootLog(t testing.TB) *diagnosis.Log {
	t.Helper()
	return diagnosis.NewLog("root.log", t.Output(), nil)
}

// key is the name of a base root.
func (r *base) key() string { return filepath.Base(filepath.Dir(r.dir)) }
