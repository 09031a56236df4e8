package mock

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/sandbox"
)

// caches are the root caches that are there.
func (b *bundle) caches(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(b.config.Dir, "cache", "*", "root_cache", "cache*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// smallGroup is what a source package can be made with.
var smallGroup = []string{"bash", "coreutils", "findutils", "redhat-rpm-config", "rpm-build", "tar", "gzip", "xz", "which", "passwd"}

func (b *bundle) srpm(t *testing.T, driver *Driver, repos ...builders.Repo) (builders.Outcome, error) {
	t.Helper()
	return driver.SRPM(t.Context(), builders.SRPMOrder{
		Order: drivertest.Order(t, smallGroup, append(repos, b.base)...), Spec: "x.spec",
		SourceDir: drivertest.Checkout(t, map[string]string{"x.spec": drivertest.SpecText("x", "%files\n")}),
	})
}

func TestRootCachesFollowTheContent(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // TestDriver says what New answers
	}
	b := newBundle(t, programs(t)["stand-in"])
	driver := b.open(t, func(config *Config) { config.KeepRoots = 1 })
	for range 2 {
		if _, err := b.srpm(t, driver); err != nil {
			t.Fatal(err)
		}
	}
	first := b.caches(t)
	if len(first) != 1 {
		t.Fatalf("caches %q of one content, want one", first)
	}
	before, err := os.Stat(first[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.srpm(t, driver); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(first[0]); err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the cache was made again: %v", err)
	}
	// Another content has another one, and only one is kept.
	if _, err := b.srpm(t, driver, drivertest.Repository(t, "tag", map[string][]byte{"good-1-1.noarch.rpm": pack(t, "good", nil)})); err != nil {
		t.Fatal(err)
	}
	if second := b.caches(t); len(second) != 1 || second[0] == first[0] {
		t.Errorf("caches %q, want another one than %q", second, first)
	}
}

func TestARepositoryThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // TestDriver says what New answers
	}
	b := newBundle(t, programs(t)["stand-in"])
	repo := drivertest.Repository(t, "tag", map[string][]byte{"good-1-1.noarch.rpm": pack(t, "good", nil)})
	other := drivertest.Repository(t, "tag", map[string][]byte{"other-1-1.noarch.rpm": pack(t, "other", nil)})
	repomd := func(repo builders.Repo) string {
		return strings.TrimPrefix(repo.URL, "file://") + "/repodata/repomd.xml"
	}
	order := drivertest.Order(t, smallGroup, repo, b.base)
	order.Phase = func(phase builders.Phase) {
		if phase != builders.PhaseSRPM {
			return
		}
		text, err := os.ReadFile(repomd(other))
		if err == nil {
			err = os.WriteFile(repomd(repo), text, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
	_, err := b.open(t, nil).SRPM(t.Context(), builders.SRPMOrder{
		Order: order, Spec: "x.spec", SourceDir: drivertest.Checkout(t, map[string]string{"x.spec": drivertest.SpecText("x", "%files\n")}),
	})
	if failure := drivertest.FailureOf(t, err); !failure.Infrastructure || failure.Reason != "a repository changed while the buildroot was installed from it" {
		t.Errorf("failure %+v, want that the repository changed", failure)
	}
	if left := b.caches(t); len(left) != 0 {
		t.Errorf("caches %q, of which nobody knows what is in them", left)
	}
}

// testRole makes the test binary a builder that is killed.
const testRole = "DISTBOT_MOCK_TEST_ROLE"

// playBuilder makes a source package. Its arguments are the driver's directory,
// the distribution's URL, the architecture, the directory of the sources and
// that of logs and results.
func playBuilder(args []string) error {
	config, err := standIn()
	if err != nil {
		return err
	}
	if config.Runner, err = sandbox.New(context.Background(), sandbox.Config{}); err != nil {
		return err
	}
	config.Dir = args[0]
	driver, err := New(context.Background(), config)
	if err != nil {
		return err
	}
	_, err = driver.SRPM(context.Background(), builders.SRPMOrder{
		Order: builders.Order{
			TaskID: 1, Attempt: 1, LogDir: args[4], ResultDir: args[4], Phase: func(builders.Phase) {},
			Root: builders.Recipe{Tag: "f37-build", Arch: args[2], Install: smallGroup, Repos: []builders.Repo{{Name: "base", URL: args[1]}}},
		},
		Spec: "x.spec", SourceDir: args[3],
	})
	return err
}

func TestNewCleansUpAfterProcessesThatWereKilled(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // TestDriver says what New answers
	}
	b := newBundle(t, programs(t)["stand-in"])
	source := drivertest.Checkout(t, map[string]string{"x.spec": "%(sleep 1000)\n" + drivertest.SpecText("x", "%files\n")})
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", b.config.Dir, b.base.URL, arch.Host(), source, t.TempDir())
	cmd.Env = append(os.Environ(), testRole+"=builder")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(b.config.Dir, "jobs", "1-1", "result", "state.log")
	drivertest.Eventually(t, "rpmbuild runs", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "Start: rpmbuild -bs")
	})
	if len(drivertest.Processes(t, filepath.Join(b.config.Dir, "jobs", "1-1"))) == 0 {
		t.Error("no process of mock's to be seen")
	}
	// As if it had been killed some moments earlier.
	if err := os.WriteFile(log, []byte("2026-11-20 16:54:34,097 - Start: creating root cache\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// What a living process works on stays.
	if b.open(t, nil); len(b.leftovers(t)) == 0 {
		t.Error("another process removed what is in use")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	drivertest.Eventually(t, "mock ends with its builder", func() bool {
		return drivertest.Processes(t, filepath.Join(b.config.Dir, "jobs", "1-1")) == nil
	})
	if len(b.leftovers(t)) == 0 {
		t.Error("nothing is left to be cleaned up")
	}
	b.open(t, nil)
	if left := b.leftovers(t); left != nil {
		t.Errorf("left %q", left)
	}
	if left := b.caches(t); len(left) != 0 {
		t.Errorf("caches %q, which may be half of one", left)
	}
	driver := b.open(t, nil)
	if _, err := b.srpm(t, driver); err != nil {
		t.Errorf("the next build of the same root: %v", err)
	}
}
