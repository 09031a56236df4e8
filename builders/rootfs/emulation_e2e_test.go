//go:build e2e

package rootfs

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile"
)

// foreign is an architecture that this host must emulate.
func foreign() string {
	if runtime.GOARCH == "arm64" {
		return "x86_64"
	}
	return "aarch64"
}

// bundleFor returns a driver and a maker of orders for an architecture that is
// not the host's.
func bundleFor(t *testing.T, name string, change func(*Config)) (*bundle, func() builders.Order) {
	t.Helper()
	b := setup(t, change)
	dir := filepath.Join(must(scratchDir())(t), rand.Text())
	if err := drivertest.BaseOf(t.Context(), name, dir); err != nil {
		t.Fatal(err)
	}
	return b, func() builders.Order {
		order := drivertest.Order(t, buildGroup, builders.Repo{Name: "base", URL: "file://" + dir, Cost: 10})
		order.Root.Arch = name
		return order
	}
}

// emulated is bundleFor for the foreign architecture.
func emulated(t *testing.T) (*bundle, func() builders.Order) {
	t.Helper()
	return bundleFor(t, foreign(), func(config *Config) { config.Emulate = []string{foreign()} })
}

// compiled is the spec of a program for one architecture, which its %check runs.
func compiled(name, check string) string {
	text := drivertest.SpecText(name, "%build\necho 'int main(void) { return 0; }' > it.c\ngcc -O2 -o it it.c\n"+
		"%install\ninstall -D it %{buildroot}/usr/bin/"+name+"\n%check\n./it\n"+check+"\n%files\n/usr/bin/"+name+"\n")
	return strings.Replace(text, "BuildArch: noarch\n", "", 1)
}

// sourceOf makes the source package of a spec.
func sourceOf(t *testing.T, b *bundle, order builders.Order, text string) string {
	t.Helper()
	if _, err := b.driver.SRPM(t.Context(), srpmOrder(order, drivertest.Checkout(t, map[string]string{"it.spec": text}), "it.spec")); err != nil {
		t.Fatal(err)
	}
	files := drivertest.Names(t, order.ResultDir)
	if len(files) != 1 {
		t.Fatalf("source packages: %q, want one", files)
	}
	return filepath.Join(order.ResultDir, files[0])
}

func TestEmulatedBuild(t *testing.T) {
	t.Parallel()
	before := hostInterpreters(t)
	b, order := emulated(t)
	checkBuildFor(t, foreign(), foreign(), b, order)
	if diff := cmp.Diff(before, hostInterpreters(t)); diff != "" {
		t.Errorf("what the host's kernel interprets changed (-before +after):\n%s", diff)
	}
}

// checkBuildFor builds a program for an architecture, whose machine uname calls
// kernel.
func checkBuildFor(t *testing.T, name, kernel string, b *bundle, order func() builders.Order) {
	t.Helper()
	srpm := sourceOf(t, b, order(), compiled("arrow", "echo \"checked on $(uname -m)\""))
	build := order()
	outcome, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: build, SRPM: srpm, Arch: name})
	if err != nil {
		t.Fatal(err)
	}
	file := "arrow-1-1.fc37." + name + ".rpm"
	if names := drivertest.Names(t, build.ResultDir); !slices.Contains(names, file) {
		t.Fatalf("packages %q, want %s among them", names, file)
	}
	if log := drivertest.Log(t, build, "build.log"); !strings.Contains(log, "\nchecked on "+kernel+"\n") {
		t.Errorf("build.log does not tell that %%check ran on %s:\n%s", kernel, log)
	}
	if len(outcome.Installed) < 50 {
		t.Errorf("the buildroot holds %d packages", len(outcome.Installed))
	}
	for _, installed := range outcome.Installed {
		if !strings.HasSuffix(installed.NEVRA, "."+name) && !strings.HasSuffix(installed.NEVRA, ".noarch") {
			t.Errorf("the buildroot holds %s", installed.NEVRA)
		}
	}
	checkELF(t, name, filepath.Join(build.ResultDir, file))
}

// checkELF checks that a package is for an architecture, and what it holds too.
func checkELF(t *testing.T, name, path string) {
	t.Helper()
	pkg, _, err := rpmfile.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := must(os.Open(path))(t)
	defer file.Close()
	if err := rpmfile.CheckELF(file, pkg, rpmfile.Limits{}); pkg.Arch != name || err != nil {
		t.Errorf("a package of %s, %v", pkg.Arch, err)
	}
	// The same content under the host's name is a lie that is noticed: there
	// is a program in it, and it is the other machine's.
	pkg.Arch = hostArch()
	var lie *rpmfile.ELFError
	if err := rpmfile.CheckELF(file, pkg, rpmfile.Limits{}); !errors.As(err, &lie) || lie.Mismatches[0].Path != "/usr/bin/arrow" {
		t.Errorf("got %v of the package under another name", err)
	}
}

// hostInterpreters lists what is registered with the host's binfmt_misc.
func hostInterpreters(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/sys/fs/binfmt_misc")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestEmulatedBuildThatIsCanceled(t *testing.T) {
	t.Parallel()
	b, order := emulated(t)
	marker := "marker-" + rand.Text()
	srpm := sourceOf(t, b, order(), compiled("endless", "(exec -a "+marker+" sleep 1000) &\ntrap '' TERM\ntouch started\nwait"))
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	build := order()
	done := make(chan error, 1)
	go func() {
		_, err := b.driver.Build(ctx, builders.BuildOrder{Order: build, SRPM: srpm, Arch: foreign()})
		done <- err
	}()
	drivertest.Eventually(t, "the build runs", func() bool {
		text, err := os.ReadFile(filepath.Join(build.LogDir, "build.log"))
		return err == nil && strings.Contains(string(text), "+ wait") && drivertest.Processes(t, marker) != nil
	})
	began := time.Now()
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
	t.Logf("ended %s after it was canceled", time.Since(began))
	if left := drivertest.Processes(t, marker); left != nil {
		t.Errorf("processes %v are left", left)
	}
}
