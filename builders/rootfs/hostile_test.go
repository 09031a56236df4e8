package rootfs

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

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
			"It fills /tmp", nil,
			"%build\nfor i in 1 2; do head -c 600M /dev/zero > /tmp/full$i; done\n",
			builders.PhaseBuild, "%build: head: error writing 'standard output': No space left on device",
		},
		{
			"It fills /tmp, which is memory", func(c *Config) { c.Limits.Memory = 400 << 20 },
			"%build\nhead -c 900M /dev/zero > /tmp/full; head -c 2G /dev/zero | tail\n",
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
		{"A socket", `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un("%{_rpmdir}/a-1-1.noarch.rpm")) or die $!'`, rpms + `the build left "a-1-1.noarch.rpm", which is no regular file with a printable name`},
		// Anybody may make this one, for which overlays have a use.
		{"A device", "mknod %{_rpmdir}/a-1-1.noarch.rpm c 0 0", rpms + `the build left "a-1-1.noarch.rpm", which is no regular file with a printable name`},
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

// TestResultsAreCopies: whatever modes and names a build gives to its packages,
// results are files of their own that anybody may read and nobody else has.
func TestResultsAreCopies(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	text := drivertest.SpecText("linked", "%build\nfor node in 'c 1 3' 'b 8 0'; do if mknod device $node; then exit 1; fi; done\n%files\n%clean\n"+
		"cd %{_rpmdir}; ln linked-1-1.fc37.noarch.rpm twin-1-1.noarch.rpm; ln linked-1-1.fc37.noarch.rpm ../kept; chmod 6777 linked-1-1.fc37.noarch.rpm\n")
	order, _, err := b.build(t, drivertest.Checkout(t, map[string]string{"package.spec": text}))
	if err != nil {
		t.Fatal(err)
	}
	names := drivertest.Names(t, order.ResultDir)
	if diff := cmp.Diff([]string{"linked-1-1.fc37.noarch.rpm", "twin-1-1.noarch.rpm"}, names); diff != "" {
		t.Errorf("results (-want +got)\n%s", diff)
	}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(order.ResultDir, name), &st); err != nil {
			t.Fatal(err)
		}
		if st.Mode != unix.S_IFREG|0o644 || st.Nlink != 1 || int(st.Uid) != os.Getuid() {
			t.Errorf("%s: mode %o, %d links, owner %d; want a file of mode 644 with one link of user %d", name, st.Mode, st.Nlink, st.Uid, os.Getuid())
		}
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
