package distgit

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rpmAnswer is what rpm says of a spec, in the order of rpmFormat.
type rpmAnswer struct {
	Name, Version, Release, Epoch, Summary, License, URL string
	ExclusiveArch, ExcludeArch, BuildArch                []string
	Sources, Patches                                     []string
	// Packages are "NAME ARCH" of the built packages.
	Packages []string
}

// rpmFormat separates fields with lines and elements with tabs.
const rpmFormat = `%{NAME}\n%{VERSION}\n%{RELEASE}\n%|EPOCH?{%{EPOCH}}|\n%{SUMMARY}\n%{LICENSE}\n%|URL?{%{URL}}|\n` +
	`[%{EXCLUSIVEARCH}\t]\n[%{EXCLUDEARCH}\t]\n[%{BUILDARCHS}\t]\n[%{SOURCE}\t]\n[%{PATCH}\t]\n`

// elements splits a line of tab-terminated elements.
func elements(line string) []string {
	if line == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(line, "\t"), "\t")
}

// rpmspec runs the real rpmspec with a private HOME, so that the macros of the
// one who runs the tests do not matter.
func rpmspec(t *testing.T, home string, arguments ...string) string {
	t.Helper()
	command := exec.Command("rpmspec", append([]string{
		"-q", "--target", "x86_64", "--define", "dist .fc37", "--define", "fedora 37", "--undefine", "rhel",
		"--define", "forgemeta %{nil}", "--define", "autorelease(b:) 3", "--define", "autochangelog %{nil}",
	}, arguments...)...)
	command.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("rpmspec %s: %v\n%s(no rpmspec? run scripts/setup)", strings.Join(arguments, " "), err, stderr.String())
	}
	return string(out)
}

// askRPM reads a spec with rpm.
func askRPM(t *testing.T, home, file string) rpmAnswer {
	t.Helper()
	lines := strings.Split(rpmspec(t, home, "--srpm", "--qf", rpmFormat, file), "\n")
	if len(lines) != 13 {
		t.Fatalf("rpmspec %s: %d lines: %q", file, len(lines), lines)
	}
	answer := rpmAnswer{
		Name: lines[0], Version: lines[1], Release: lines[2], Epoch: lines[3], Summary: lines[4], License: lines[5], URL: lines[6],
		ExclusiveArch: elements(lines[7]), ExcludeArch: elements(lines[8]), BuildArch: elements(lines[9]),
		Sources: elements(lines[10]), Patches: elements(lines[11]),
	}
	// rpm lists the files of the source package from the last to the first.
	slices.Reverse(answer.Sources)
	slices.Reverse(answer.Patches)
	answer.Packages = strings.Split(strings.TrimSpace(rpmspec(t, home, "--qf", `%{NAME} %{ARCH}\n`, file)), "\n")
	return answer
}

// TestReadSpecAgreesWithRPM reads every spec of the corpus with ReadSpec and
// with rpm: whatever ReadSpec calls Evaluated must be what rpm says. It is done
// once knowing little of the target and once knowing more.
func TestReadSpecAgreesWithRPM(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/specs/*.spec")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d specs in testdata/specs, %v; want at least 40", len(files), err)
	}
	for name, options := range map[string]SpecOptions{
		"knowing only dist": {Macros: map[string]string{"dist": ".fc37"}},
		"knowing the target": {
			Macros:    map[string]string{"dist": ".fc37", "fedora": "37"},
			Undefined: []string{"rhel"},
			Arch:      "x86_64",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			var share shareOfEvaluated
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				spec, err := ReadSpec(filepath.Base(file), data, options)
				if err != nil {
					t.Errorf("ReadSpec(%s): %v", file, err)
				}
				compareWithRPM(t, &share, spec, askRPM(t, home, file))
			}
			t.Logf("%d specs: %s", len(files), &share)
			if share.evaluated*10 < share.all*7 {
				t.Errorf("less than 70 %% is evaluated: %s", &share)
			}
		})
	}
}

// shareOfEvaluated counts values.
type shareOfEvaluated struct{ evaluated, all, nvrs int }

func (s *shareOfEvaluated) add(evaluated bool) {
	s.all++
	if evaluated {
		s.evaluated++
	}
}

func (s *shareOfEvaluated) String() string {
	return fmt.Sprintf("%d of %d values evaluated (%d %%), %d NVRs", s.evaluated, s.all, 100*s.evaluated/max(s.all, 1), s.nvrs)
}

// compareWithRPM checks each value of spec that is evaluated.
func compareWithRPM(t *testing.T, share *shareOfEvaluated, spec *Spec, want rpmAnswer) {
	t.Helper()
	for _, tag := range []struct {
		name  string
		value Value
		want  string
	}{
		{"Name", spec.Name, want.Name},
		{"Version", spec.Version, want.Version},
		{"Release", spec.Release, want.Release},
		{"Epoch", spec.Epoch, want.Epoch},
		{"Summary", spec.Summary, want.Summary},
		{"License", spec.License, want.License},
		{"URL", spec.URL, want.URL},
	} {
		if !tag.value.Set() {
			if tag.want != "" && len(spec.Unresolved) == 0 {
				t.Errorf("%s: %s is %q for rpm and absent for ReadSpec", spec.File, tag.name, tag.want)
			}
			continue
		}
		share.add(tag.value.Evaluated)
		if tag.value.Evaluated && tag.value.Text != tag.want {
			t.Errorf("%s:%d: %s is %q, rpm says %q", spec.File, tag.value.Line, tag.name, tag.value.Text, tag.want)
		}
		if !tag.value.Evaluated && tag.value.Reason == "" {
			t.Errorf("%s:%d: %s is not evaluated, without a reason", spec.File, tag.value.Line, tag.name)
		}
	}
	if _, known := spec.NVR(); known {
		share.nvrs++
	}
	for tag, want := range map[string][]string{
		"exclusivearch": want.ExclusiveArch, "excludearch": want.ExcludeArch, "buildarch": want.BuildArch,
	} {
		words, known := spec.Main.Words(tag)
		if len(words) > 0 || !known {
			share.add(known)
		}
		if diff := cmp.Diff(want, words); known && len(spec.Unresolved) == 0 && diff != "" {
			t.Errorf("%s: %s (-rpm +ReadSpec):\n%s", spec.File, tag, diff)
		}
	}
	compareFiles(t, share, spec, spec.Sources, want.Sources)
	compareFiles(t, share, spec, spec.Patches, want.Patches)
	comparePackages(t, share, spec, want.Packages)
}

// compareFiles checks sources or patches: each one that is certain must be
// there, and when all are certain, no other.
func compareFiles(t *testing.T, share *shareOfEvaluated, spec *Spec, got []Source, want []string) {
	t.Helper()
	all, certain := []string(nil), len(spec.Unresolved) == 0
	for _, source := range got {
		name, known := source.FileName()
		known = known && !source.Conditional
		share.add(known)
		certain = certain && known
		if known && !slices.Contains(want, name) {
			t.Errorf("%s:%d: file %q is not among rpm's %q", spec.File, source.Line, name, want)
		}
		all = append(all, name)
	}
	if diff := cmp.Diff(want, all); certain && diff != "" {
		t.Errorf("%s: files (-rpm +ReadSpec):\n%s", spec.File, diff)
	}
}

// comparePackages checks that sub-packages which are certain exist, and have
// the architecture that their BuildArch says.
func comparePackages(t *testing.T, share *shareOfEvaluated, spec *Spec, want []string) {
	t.Helper()
	for _, sub := range spec.Packages {
		share.add(sub.Name.Evaluated && !sub.Name.Conditional)
		if !sub.Name.Evaluated || sub.Name.Conditional {
			continue
		}
		arch := "x86_64"
		words, known := sub.Words("buildarch")
		if main, mainKnown := spec.Main.Words("buildarch"); len(words) == 0 {
			words, known = main, known && mainKnown
		}
		if len(words) > 0 {
			arch = words[0]
		}
		isWanted := func(line string) bool {
			name, itsArch, _ := strings.Cut(line, " ")
			return name == sub.Name.Text && (!known || itsArch == arch)
		}
		if !slices.ContainsFunc(want, isWanted) {
			t.Errorf("%s:%d: package %s %s is not among rpm's %q", spec.File, sub.Name.Line, sub.Name.Text, arch, want)
		}
	}
}
