package drivertest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
)

// FailureOf returns the failure that an error is, or ends the test.
func FailureOf(t testing.TB, err error) *builders.Failure {
	t.Helper()
	var failure *builders.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got error %v, want a *builders.Failure", err)
	}
	return failure
}

// checkFailure checks that the package failed in a phase, for a reason.
func checkFailure(t *testing.T, err error, phase builders.Phase, reason string) {
	t.Helper()
	failure := FailureOf(t, err)
	if failure.Phase != phase || failure.Infrastructure || !strings.Contains(failure.Reason, reason) {
		t.Errorf("failure %+v, want the package's in phase %s: %s", failure, phase, reason)
	}
}

func (x *exercise) missingRequirements(t *testing.T) {
	text := strings.Replace(SpecText("wants", "%files\n"), "BuildArch:", "BuildRequires: nosuchthing, pkgconfig(greet) >= 1.2\nBuildArch:", 1)
	order, _, err := x.build(t, Checkout(t, map[string]string{"wants.spec": text}))
	if x.lacks(builders.LackRequirements) {
		if err != nil {
			t.Errorf("got %v of a driver that does not check requirements", err)
		}
		return
	}
	checkFailure(t, err, builders.PhaseBuildroot, "nosuchthing")
	checkFailure(t, err, builders.PhaseBuildroot, "pkgconfig(greet) >= 1.2")
	if files := Names(t, order.ResultDir); files != nil {
		t.Errorf("results %q of a failure", files)
	}
}

func (x *exercise) generatedRequirements(t *testing.T) {
	if x.lacks(builders.LackRequirements) {
		if _, _, err := x.build(t, spec(t, "dynamic", "%generate_buildrequires\necho nosuchthing\n%files\n")); err != nil {
			t.Errorf("got %v of a driver that does not check requirements", err)
		}
		return
	}
	if x.lacks(builders.LackBuildroot) {
		_, _, err := x.build(t, spec(t, "dynamic", "%generate_buildrequires\necho nosuchthing\n%files\n"))
		checkFailure(t, err, builders.PhaseBuildroot, "nosuchthing")
		return
	}
	files := map[string][]byte{}
	for i := range 3 {
		for name, text := range empty(t, fmt.Sprintf("more-%d", i+1)) {
			files[name] = text
		}
	}
	// It asks for one more each time.
	generate := "%generate_buildrequires\nfor i in 1 2 3; do echo more-$i; rpm -q more-$i >/dev/null || break; done\n%files\n"
	_, outcome, err := x.build(t, spec(t, "dynamic", generate), Repository(t, "f37-build", files))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool { return strings.HasPrefix(i.NEVRA, "more-3-") }) {
		t.Error("more-3 is not in the buildroot")
	}
	_, _, err = x.build(t, spec(t, "dynamic", "%generate_buildrequires\necho 'nowhere >= 2'\n%files\n"))
	checkFailure(t, err, builders.PhaseBuildroot, "nowhere >= 2")
}

func (x *exercise) failures(t *testing.T) {
	for _, test := range []struct {
		name, sections string
		phase          builders.Phase
		reason         string
	}{
		{"prep", "%prep\necho no >&2; exit 3\n%files\n", builders.PhasePrep, "%prep: "},
		{"build", "%build\nmake all\n%files\n", builders.PhaseBuild, "%build: make: *** No rule to make target 'all'"},
		{"install", "%install\ninstall -m 644 greet.conf %{buildroot}\n%files\n", builders.PhaseInstall, "%install: install: cannot stat 'greet.conf': No such file or directory"},
		{"check", "%check\ntest 'Hello, you!' = 'Hello, world!'\n%files\n", builders.PhaseCheck, "%check: failed: test"},
		{"unpackaged", "%install\nmkdir -p %{buildroot}/usr/bin; touch %{buildroot}/usr/bin/greet\n%files\n", builders.PhaseFiles, "Installed (but unpackaged) file(s) found: /usr/bin/greet"},
		{"missing", "%files\n/usr/bin/greet\n", builders.PhaseFiles, "/usr/bin/greet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			order, outcome, err := x.build(t, spec(t, test.name, test.sections))
			checkFailure(t, err, test.phase, test.reason)
			if files := Names(t, order.ResultDir); files != nil || outcome.Installed != nil {
				t.Errorf("results %q, outcome %+v of a failure", files, outcome)
			}
		})
	}
	t.Run("srpm", func(t *testing.T) {
		t.Parallel()
		_, err := x.makeSRPM(t, Checkout(t, map[string]string{"bad.spec": strings.Replace(SpecText("bad", "%files\n"), "BuildArch:", "Source0: missing-1.tar.gz\nBuildArch:", 1)}))
		checkFailure(t, err, builders.PhaseSRPM, "missing-1.tar.gz: No such file or directory")
	})
	t.Run("arch", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(SpecText("exclusive", "%files\n"), "BuildArch: noarch", "ExclusiveArch: s390x", 1)
		srpm := x.srpm(t, Checkout(t, map[string]string{"exclusive.spec": text}))
		order := x.order(t)
		_, err := x.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: order.Root.Arch})
		checkFailure(t, err, builders.PhasePrep, "Architecture is not included: "+order.Root.Arch)
	})
}

func (x *exercise) cutOff(t *testing.T) {
	srpm := x.srpm(t, Demo(t, x.DistGit, "greet-motd"))
	if err := os.Truncate(srpm, 1000); err != nil {
		t.Fatal(err)
	}
	_, err := x.driver.Build(t.Context(), builders.BuildOrder{Order: x.order(t), SRPM: srpm, Arch: "noarch"})
	checkFailure(t, err, builders.PhasePrep, "can't be unpacked: ")
}
