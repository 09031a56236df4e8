package rootfs

import (
	"errors"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/sandbox"
)

// TestAFailureNamesItsLines looks up what a finding refers to, in the logs as
// they were written and in the spec.
func TestAFailureNamesItsLines(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, test := range []struct {
		name, spec           string
		kind                 diagnosis.Kind
		log, logLine, inSpec string
	}{
		{
			"Of a spec that makes no source package", strings.Replace(drivertest.SpecText("a", "%files\n"), "BuildArch:", "Recommend: x\nBuildArch:", 1),
			diagnosis.KindBadSpec, "build.log", "Unknown tag: Recommend: x", "Recommend: x",
		},
		{
			"Of a requirement", strings.Replace(drivertest.SpecText("b", "%files\n"), "BuildArch:", "BuildRequires: nowhere >= 2\nBuildArch:", 1),
			diagnosis.KindMissingRequires, "root.log", "No matching package to install: 'nowhere >= 2'", "BuildRequires: nowhere",
		},
		{
			"Of a script, after a spec that asked for more", drivertest.SpecText("c", "%generate_buildrequires\necho zlib-devel\n%build\nnosuchcommand\n%files\n"),
			diagnosis.KindMissingCommand, "build.log", "nosuchcommand: command not found", "nosuchcommand",
		},
		{
			"Of a file", drivertest.SpecText("d", "%files\n%{_bindir}/nowhere\n"),
			diagnosis.KindMissingFiles, "build.log", "File not found: ", "%{_bindir}/nowhere",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := drivertest.Checkout(t, map[string]string{"package.spec": test.spec})
			order := b.order(t, buildGroup)
			_, err := b.driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: "package.spec"})
			if err == nil {
				order, _, err = b.build(t, dir)
			}
			var failure *builders.Failure
			if !errors.As(err, &failure) || failure.Finding == nil {
				t.Fatalf("got error %v, want a failure with a finding", err)
			}
			f := failure.Finding
			if f.Kind != test.kind || f.LogFile != test.log || f.Reason != failure.Reason {
				t.Errorf("finding %+v of failure %q, want kind %s in %s", f, failure.Reason, test.kind, test.log)
			}
			if got := line(drivertest.Log(t, order, test.log), f.Line); !strings.Contains(got, test.logLine) {
				t.Errorf("line %d of %s is %q, want %q in it", f.Line, test.log, got, test.logLine)
			}
			if got := line(test.spec, f.SpecLine); !strings.HasPrefix(got, test.inSpec) {
				t.Errorf("line %d of the spec is %q, want %q", f.SpecLine, got, test.inSpec)
			}
		})
	}
}

// line is the n-th line of a text, from 1.
func line(text string, n int) string {
	lines := strings.Split(text, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

func TestAFullDiskIsTheBuildersFault(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	recipe := b.order(t, smallGroup).Root
	repos, _, err := b.driver.readRepos(t.Context(), recipe)
	if err != nil {
		t.Fatal(err)
	}
	install := dnf{
		step: diagnosis.StepRequires, repos: repos, log: rootLog(t), budget: b.driver.newBudget("the build", t.TempDir()),
		root:  sandbox.Mount{Type: sandbox.TypeTmpfs, Tmpfs: 16 << 20, Target: installRoot},
		cache: sandbox.Mount{Type: sandbox.TypeDir, Target: dnfCache},
	}
	failure := drivertest.FailureOf(t, install.run(t.Context(), "install", "bash"))
	if want := "no space left on the builder's disk while the buildroot was installed"; failure.Reason != want || !failure.Infrastructure {
		t.Errorf("failure %+v, want infrastructure's: %s", failure, want)
	}
}
