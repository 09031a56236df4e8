package rootfs

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/sandbox"
)

func TestDriver(t *testing.T) {
	t.Parallel()
	b := fresh(t, nil)
	drivertest.Exercise(t, drivertest.Setup{
		Open: func(t *testing.T, wall time.Duration) builders.Driver {
			return must(newBundle(b.driver.config.Dir, func(config *Config) {
				if wall > 0 {
					config.Limits.Wall = wall
				}
			}))(t).driver
		},
		Leftovers: func(t *testing.T) []string { return drivertest.Names(t, b.driver.buildsDir()) },
		Base:      b.base, DistGit: distGit(),
	})
}

func TestBuild(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)

	t.Run("A noarch package builds and its buildroot is known", func(t *testing.T) {
		t.Parallel()
		srpm := must(b.srpm(t, demo(t, "greet-motd")))(t)
		order := b.order(t, buildGroup)
		var phases []builders.Phase
		order.Phase = func(phase builders.Phase) { phases = append(phases, phase) }
		outcome, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"greet-motd-2.0-3.fc37.noarch.rpm"}, drivertest.Names(t, order.ResultDir)); diff != "" {
			t.Errorf("packages (-want +got)\n%s", diff)
		}
		want := []builders.Phase{builders.PhaseBuildroot, builders.PhasePrep, builders.PhaseBuild, builders.PhaseInstall, builders.PhaseFiles, builders.PhasePost}
		if diff := cmp.Diff(want, phases); diff != "" {
			t.Errorf("phases (-want +got)\n%s", diff)
		}
		if len(outcome.Installed) < 50 || !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool {
			return strings.HasPrefix(i.NEVRA, "gcc-") && len(i.Digest) == 64
		}) {
			t.Errorf("buildroot of %d packages, want gcc with its digest among more than 50", len(outcome.Installed))
		}
		if log := drivertest.Log(t, order, "root.log"); !strings.Contains(log, outcome.Installed[0].NEVRA+"\n") || len(log) > 40_000 {
			t.Errorf("root.log has %d bytes, want the installed packages and not much else:\n%s", len(log), log)
		}
		if log := drivertest.Log(t, order, "build.log"); !strings.Contains(log, "Executing(%install)") || strings.Contains(log, "Alien") {
			t.Errorf("build.log is not rpmbuild's output:\n%s", log)
		}
	})
	t.Run("A library builds with debug packages, and what needs it builds after", func(t *testing.T) {
		t.Parallel()
		_, _, err := b.build(t, demo(t, "usegreet"))
		failure := drivertest.FailureOf(t, err)
		if want := "nothing provides pkgconfig(greet) >= 1.2"; failure.Reason != want || failure.Infrastructure || failure.Phase != builders.PhaseBuildroot {
			t.Errorf("failure %+v, want reason %q in phase buildroot", failure, want)
		}

		library, _, err := b.build(t, demo(t, "libgreet"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"libgreet-1.2-1.fc37.x86_64.rpm", "libgreet-debuginfo-1.2-1.fc37.x86_64.rpm",
			"libgreet-debugsource-1.2-1.fc37.x86_64.rpm", "libgreet-devel-1.2-1.fc37.x86_64.rpm",
		}
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], "x86_64", hostArch())
		}
		if diff := cmp.Diff(want, drivertest.Names(t, library.ResultDir)); diff != "" {
			t.Fatalf("packages (-want +got)\n%s", diff)
		}

		tag := built(t, "f37-build", library)
		program, outcome, err := b.build(t, demo(t, "usegreet"), tag)
		if err != nil {
			t.Fatal(err)
		}
		devel := "libgreet-devel-1.2-1.fc37." + hostArch()
		sum := digests(t, library.ResultDir)[devel+".rpm"]
		if !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool {
			return i.NEVRA == devel && i.Repo == "f37-build" && i.SHA256 == sum
		}) {
			t.Errorf("buildroot %v, want libgreet-devel in it, from f37-build with SHA-256 %s", outcome.Installed, sum)
		}
		for _, i := range outcome.Installed {
			if i.Repo == "" || len(i.SHA256) != 64 {
				t.Errorf("%s came from repository %q with SHA-256 %q, want both known", i.NEVRA, i.Repo, i.SHA256)
			}
		}
		if got := b.runInstalled(t, []string{"usegreet"}, []builders.Repo{tag, built(t, "test", program)}, "/usr/bin/usegreet", "Ada"); got != "Hello, Ada!\n" {
			t.Errorf("the program says %q", got)
		}
	})
	t.Run("A compiler error is the reason", func(t *testing.T) {
		t.Parallel()
		_, _, err := b.build(t, demo(t, "broken"))
		failure := drivertest.FailureOf(t, err)
		if failure.Phase != builders.PhaseBuild || failure.Infrastructure || !strings.HasPrefix(failure.Reason, "%build: broken.c:5:14: error: 'greeting' undeclared") {
			t.Errorf("failure %+v, want the compiler's error in phase build", failure)
		}
	})
	t.Run("Input that the sandbox can't read is not the package's fault", func(t *testing.T) {
		t.Parallel()
		srpm := must(b.srpm(t, demo(t, "greet-motd")))(t)
		if err := os.Chmod(srpm, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := b.driver.Build(t.Context(), builders.BuildOrder{Order: b.order(t, buildGroup), SRPM: srpm, Arch: "noarch"})
		if failure := drivertest.FailureOf(t, err); !failure.Infrastructure || !strings.Contains(failure.Reason, "is not readable for everyone") {
			t.Errorf("failure %+v, want that the file can't be read", failure)
		}
	})
	t.Run("A root without rpmbuild is a mistake of the tag", func(t *testing.T) {
		t.Parallel()
		order := b.order(t, smallGroup)
		_, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: demo(t, "greet-motd"), Spec: "greet-motd.spec"})
		failure := drivertest.FailureOf(t, err)
		if failure.Infrastructure || failure.Phase != builders.PhaseBuildroot || !strings.Contains(failure.Reason, "rpm-build): add it to the groups of tag f37-build") {
			t.Errorf("failure %+v, want that the group lacks rpm-build", failure)
		}
	})
}

// runInstalled installs packages into an empty root and runs a program there.
func (b *bundle) runInstalled(t *testing.T, install []string, repos []builders.Repo, args ...string) string {
	t.Helper()
	order := b.order(t, install, repos...)
	root := must(b.driver.bases.get(t.Context(), order.Root, rootLog(t)))(t)
	defer root.release()
	var out bytes.Buffer
	result, err := b.driver.config.Runner.Run(t.Context(), sandbox.Spec{
		Root: sandbox.Root{Lower: []string{root.dir}, Tmpfs: 1 << 20}, UID: 1000, GID: 1000, Args: args, Stdout: &out, Stderr: &out,
	})
	if err != nil || result.ExitCode != 0 {
		t.Fatalf("%s: %+v, %v: %s", args[0], result, err, out.String())
	}
	return out.String()
}
