package drivertest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/arch"
)

// Setup is what a test of a driver gives to Exercise.
type Setup struct {
	// Open makes a driver that ends builds after wall, or after some minutes
	// when wall is 0. It is called several times; the drivers may share a
	// directory.
	Open func(t *testing.T, wall time.Duration) builders.Driver
	// Leftovers lists what is left of builds that ended. What is kept for the
	// next build is none.
	Leftovers func(t *testing.T) []string
	// Base is the distribution that recipes are made of.
	Base builders.Repo
	// DistGit is the path of testdata/distgit.
	DistGit string
	// Lacks is what the driver lacks; it must say the same.
	Lacks []builders.Lack
}

// Exercise checks that drivers keep the contract of builders.Driver. Tests run
// in parallel, a few at a time.
func Exercise(t *testing.T, setup Setup) {
	x := &exercise{Setup: setup, driver: setup.Open(t, 0)}
	for name, test := range map[string]func(*testing.T){
		"It says who it is and what it lacks":                            x.identity,
		"Packages are built and the buildroot is known":                  x.builds,
		"What is missing of the build requirements is the reason":        x.missingRequirements,
		"Requirements that the spec generates are installed":             x.generatedRequirements,
		"A failing step is the reason and its phase is told":             x.failures,
		"A canceled build is gone with all that it started":              x.cancel,
		"A build has its time":                                           x.timeLimit,
		"What a build leaves running ends with it":                       x.daemons,
		"Builds reach no network":                                        x.network,
		"Two builds at once do not disturb each other":                   x.concurrency,
		"The key of the repositories changes exactly with their content": x.repoKey,
		"Only packages are results":                                      x.results,
		"Macros of the tag hold":                                         x.macros,
		"Release and changelog come from the history":                    x.history,
		"A source package that is cut off can't be unpacked":             x.cutOff,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
	t.Cleanup(func() {
		if left := setup.Leftovers(t); len(left) > 0 {
			t.Errorf("builds left %q", left)
		}
	})
}

type exercise struct {
	Setup
	driver builders.Driver
}

func (x *exercise) lacks(lack builders.Lack) bool { return slices.Contains(x.Lacks, lack) }

// tasks numbers the tasks of all tests of a process.
var tasks atomic.Int64

// Order is an order with directories of its own. Its logs are shown when the
// test fails.
func Order(t testing.TB, install []string, repos ...builders.Repo) builders.Order {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"results", "logs"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	order := builders.Order{
		TaskID: tasks.Add(1), Attempt: 1, Epoch: time.Unix(1_790_000_000, 0),
		Root:      builders.Recipe{Tag: "f37-build", Arch: arch.Host(), Repos: repos, Install: install, Macros: map[string]string{"dist": ".fc37"}},
		ResultDir: filepath.Join(dir, "results"), LogDir: filepath.Join(dir, "logs"),
		Phase: func(builders.Phase) {},
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"root.log", "build.log"} {
				text := Log(t, order, name)
				t.Logf("%s of task %d:\n%s", name, order.TaskID, text[max(0, len(text)-10000):])
			}
		}
	})
	return order
}

// Log is one of an order's logs.
func Log(t testing.TB, order builders.Order, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(order.LogDir, name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// Names lists a directory.
func Names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func (x *exercise) order(t testing.TB, repos ...builders.Repo) builders.Order {
	return Order(t, SRPMGroup, append(repos, x.Base)...)
}

// srpm makes the source package of a checkout with one spec.
func (x *exercise) srpm(t testing.TB, dir string) string {
	t.Helper()
	srpm, err := x.makeSRPM(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return srpm
}

func (x *exercise) makeSRPM(t testing.TB, dir string) (string, error) {
	t.Helper()
	specs, err := filepath.Glob(filepath.Join(dir, "*.spec"))
	if err != nil || len(specs) != 1 {
		t.Fatalf("specs %q, %v, want one", specs, err)
	}
	order := x.order(t)
	if _, err := x.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: filepath.Base(specs[0])}); err != nil {
		return "", err
	}
	files := Names(t, order.ResultDir)
	if len(files) != 1 || !strings.HasSuffix(files[0], ".src.rpm") {
		t.Fatalf("source packages: %q, want one", files)
	}
	return filepath.Join(order.ResultDir, files[0]), nil
}

// spec is a checkout of one noarch spec with the given sections.
func spec(t testing.TB, name, sections string) string {
	t.Helper()
	return Checkout(t, map[string]string{name + ".spec": SpecText(name, sections)})
}

// build makes the noarch packages of a checkout.
func (x *exercise) build(t testing.TB, dir string, repos ...builders.Repo) (builders.Order, builders.Outcome, error) {
	t.Helper()
	order := x.order(t, repos...)
	outcome, err := x.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: x.srpm(t, dir), Arch: "noarch"})
	return order, outcome, err
}

func (x *exercise) identity(t *testing.T) {
	if diff := cmp.Diff(x.Lacks, builders.Lacks(x.driver)); diff != "" {
		t.Errorf("lacks (-want +got)\n%s", diff)
	}
	if x.driver.Name() == "" {
		t.Error("the driver has no name")
	}
	order, _, err := x.build(t, spec(t, "modest", "%files\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, lack := range x.Lacks {
		if !strings.Contains(Log(t, order, "root.log"), "no "+string(lack)) {
			t.Errorf("root.log does not say that there is no %s", lack)
		}
	}
}
