package rootfs

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
)

func TestAHostileSpecSeesNothingOfTheHost(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	secret := filepath.Join(drivertest.Checkout(t, map[string]string{"secret": "top secret\n"}), "secret")
	address, connections := listener(t)
	script := snoop(secret, address)
	lua := `%%{lua: for _, path in ipairs({"%[1]s", "/proc/1/root/%[1]s"}) do local f = io.open(path); if f then print(f:read("a")) end end
os.execute("sh -c 'cat %[1]s; ls -d %[2]s' >&2")}`
	text := drivertest.SpecText("hostile", "%prep\n"+script+"%files\n") + fmt.Sprintf(lua, secret, b.driver.buildsDir()+"/*")
	text = strings.Replace(text, "BuildArch:", "%{expand:%(bash %{_sourcedir}/snoop.sh >&2)}\nBuildArch:", 1)
	dir := drivertest.Checkout(t, map[string]string{"package.spec": text, "snoop.sh": script})

	order := b.order(t, buildGroup)
	if _, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "package.spec"}); err != nil {
		t.Fatal(err)
	}
	log := drivertest.Log(t, order, "build.log")
	checkSnooped(t, log, connections)
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, b.driver.buildsDir()+"/") {
			t.Errorf("directories of builds are visible: %s", line)
		}
	}

	order, _, err := b.build(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	checkSnooped(t, drivertest.Log(t, order, "build.log"), connections)
}

// TestAHostileBuildIsEnded runs builds that would go on for ever, or take all
// there is.
func TestAHostileBuildIsEnded(t *testing.T) {
	t.Parallel()
	memory := "out of memory: the build needs more than 400 MiB"
	if !setup(t, nil).driver.config.Runner.Capabilities().MemoryLimit {
		memory = "%build: tail: memory exhausted" // by RLIMIT_DATA
	}
	for _, test := range []struct {
		name     string
		change   func(*Config)
		sections string
		phase    builders.Phase
		reason   string
	}{
		{
			"It fills the disk with many files", func(c *Config) { c.Disk = 64 << 20 },
			"%build\nmkdir -m 300 locked; for i in $(seq 200); do head -c 8M /dev/zero > locked/f$i; done\n",
			builders.PhaseBuild, "the build wrote more than 64 MiB to the disk and was ended",
		},
		{
			"It prints for ever", func(c *Config) { c.Log = 1 << 20 },
			"%install\nyes\n",
			builders.PhaseInstall, "more than 1 MiB were printed to build.log",
		},
		{
			"It prints for ever on one line", func(c *Config) { c.Log = 1 << 20 },
			"%install\ncat /dev/zero\n",
			builders.PhaseInstall, "more than 1 MiB were printed to build.log",
		},
		{
			"It never ends", func(c *Config) { c.Limits.Wall = 5 * time.Second },
			"%check\ntrap '' TERM INT HUP; while :; do sleep 100; done\n",
			builders.PhaseCheck, "the build ran longer than 5s and was ended",
		},
		{
			"It wants all memory", func(c *Config) { c.Limits.Memory = 400 << 20 },
			"%build\nhead -c 2G /dev/zero | tail\n",
			builders.PhaseBuild, memory,
		},
		{
			"It is a fork bomb", func(c *Config) { c.Limits.PIDs, c.Limits.Wall = 100, 5*time.Second },
			"%build\nset +x\nbomb() { bomb | bomb & }; bomb 2>/dev/null; while :; do wait; done\n",
			builders.PhaseBuild, "the build ran longer than 5s and was ended",
		},
		{
			"It ends its own rpmbuild", nil,
			"%build\nkill -9 $PPID; sleep 100\n",
			builders.PhaseBuild, "%build: rpmbuild was ended by signal 9 (killed)",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, test.change)
			marker := "marker-" + rand.Text()
			text := drivertest.SpecText("hostile", strings.Replace(test.sections, "\n", "\n(exec -a "+marker+" sleep 1000) &\n", 1)+"%files\n")
			srpm := must(setup(t, nil).srpm(t, drivertest.Checkout(t, map[string]string{"package.spec": text})))(t)
			_, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: b.order(t, buildGroup), SRPM: srpm, Arch: "noarch"})
			failure := drivertest.FailureOf(t, err)
			if failure.Phase != test.phase || failure.Infrastructure || !strings.HasPrefix(failure.Reason, test.reason) {
				t.Errorf("failure %+v, want the package's in phase %s: %s", failure, test.phase, test.reason)
			}
			if left := drivertest.Processes(t, marker); left != nil {
				t.Errorf("processes %v are left", left)
			}
		})
	}
}

// TestForgedResults lets the last script of a build change what was built.
func TestForgedResults(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const rpms = "/builddir/build/RPMS in the buildroot: "
	for _, test := range []struct{ name, clean, reason string }{
		{"A symbolic link", "ln -s /etc/passwd %{_rpmdir}/passwd-1-1.noarch.rpm", rpms + `the build left "passwd-1-1.noarch.rpm", which is no regular file with a printable name`},
		{"A pipe", "mkfifo %{_rpmdir}/a-1-1.noarch.rpm", rpms + `the build left "a-1-1.noarch.rpm", which is no regular file with a printable name`},
		{"A name of two lines", `touch %{_rpmdir}/$'a\nb.rpm'`, rpms + `the build left "\"a\\nb.rpm\"", which is no regular file with a printable name`},
		{"A directory", "mkdir %{_rpmdir}/noarch", rpms + "the build left directories, more than 5000 files or more than 32 GiB"},
		{"Too many files", "cd %{_rpmdir}; touch $(seq 5001)", rpms + "the build left directories, more than 5000 files or more than 32 GiB"},
		{"A link instead of the directory", "rm -r %{_rpmdir}; ln -s /etc %{_rpmdir}", rpms + "the build replaced the directory"},
		{"A link instead of its parent", "mv /builddir/build /builddir/b; ln -s /builddir/b /builddir/build", rpms + "the build replaced the directory"},
		{"A file instead of the directory", "rm -r %{_rpmdir}; touch %{_rpmdir}", rpms + "the build replaced the directory"},
		{"No directory", "rm -r %{_rpmdir}", rpms + "there is no such directory after the build"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := drivertest.SpecText("forger", "%files\n%clean\n"+test.clean+"\n")
			order, _, err := b.build(t, drivertest.Checkout(t, map[string]string{"package.spec": text}))
			failure := drivertest.FailureOf(t, err)
			if failure.Reason != test.reason || failure.Infrastructure || failure.Phase != builders.PhasePost {
				t.Errorf("failure %+v, want the package's in phase post: %s", failure, test.reason)
			}
			for _, name := range drivertest.Names(t, order.ResultDir) {
				if info, err := os.Lstat(filepath.Join(order.ResultDir, name)); err != nil || !info.Mode().IsRegular() && !info.IsDir() {
					t.Errorf("%q among the results: %v, %v", name, info.Mode(), err)
				}
			}
		})
	}
}

func TestNeighboursAreNotDisturbed(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	text := drivertest.SpecText("vandal", "%build\nkill -9 -1 || :\n%files\n")
	vandal := drivertest.Checkout(t, map[string]string{"package.spec": text})
	done := make(chan error, 1)
	srpm := must(b.srpm(t, vandal))(t)
	order := b.order(t, buildGroup)
	go func() {
		_, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"})
		done <- err
	}()
	if _, _, err := b.build(t, demo(t, "greet-motd")); err != nil {
		t.Error(err)
	}
	if failure := drivertest.FailureOf(t, <-done); failure.Infrastructure {
		t.Errorf("failure %+v, want the package's", failure)
	}
}
