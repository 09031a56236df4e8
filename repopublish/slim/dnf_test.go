package slim

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// squeeze are the lines of a text with single blanks.
func squeeze(text string) (lines []string) {
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// lab has the repositories of the recorded scenarios, with those of this package
// in the place of the slim ones.
type lab struct {
	vectors moduletest.Vectors
	dirs    map[string]string
}

func newLab(t *testing.T) lab {
	t.Helper()
	l := lab{moduletest.Load(t), map[string]string{}}
	for _, name := range []string{"base", "base2", "full", "fullnew", "full-obs"} {
		l.dirs[name] = l.vectors.Write(t, name)
	}
	full := "full," + l.dirs["full"]
	// As it is recommended, and as those were that were recorded.
	l.dirs["slimwhole"], _ = mustMake(t, Options{Packages: demo()}, full)
	l.dirs["slim"], _ = mustMake(t, Options{Packages: demo(), TrimArtifacts: true}, full)
	l.dirs["slimtool"], _ = mustMake(t, Options{Packages: append(demo(), "tool")}, full)
	return l
}

func (l lab) dnf(t *testing.T, client moduletest.Client, repos []string, args string) (int, []string) {
	t.Helper()
	var from []string
	for _, r := range repos {
		dir, ok := l.dirs[r]
		if !ok {
			t.Fatalf("no repository %s", r)
		}
		from = append(from, r+","+dir)
	}
	rc, out := client.DNF(t, from, append([]string{"--noplugins"}, strings.Fields(args)...)...)
	return rc, squeeze(out)
}

// asMade is what was recorded, as it must be of repositories that this package
// makes: the recorded one had dropped the profile "devel", of whose two packages
// it had one, where this package keeps it with that.
func asMade(recorded string) string {
	switch recorded {
	case "demo 1 [d] default [d] demo":
		return "demo 1 [d] default [d], devel demo"
	case "demo 1 [e] default demo":
		return "demo 1 [e] default, devel demo"
	case "module install demo:1/devel":
		return "module install demo:1/doc"
	case "Unable to match profile for argument demo:1/devel. Available profiles for 'demo:1': default":
		return "Unable to match profile for argument demo:1/doc. Available profiles for 'demo:1': default, devel"
	case "missing groups or modules: demo:1/devel":
		return "missing groups or modules: demo:1/doc"
	}
	return recorded
}

// TestRecordedScenarios does what was recorded of dnf with slim repositories,
// with those that this package makes: all that was recorded must come again.
func TestRecordedScenarios(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, id := range []string{"S1", "S3", "S5", "S41", "S43", "S45", "S59", "S71", "S75", "S83"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			client := moduletest.NewClient(t)
			scenario := l.vectors.Scenario(t, id)
			for _, step := range scenario.Steps {
				rc, out := l.dnf(t, client, step.Repos, asMade(step.Args))
				if rc != step.RC {
					t.Errorf("%s: exit code %d, recorded %d\n%s", step.Args, rc, step.RC, strings.Join(out, "\n"))
				}
				for _, line := range squeeze(strings.Join(step.Output, "\n")) {
					if strings.HasPrefix(line, "DIR/") || strings.HasSuffix(line, ".yaml") {
						continue // a listing of the recorder's
					}
					line = asMade(line)
					if !slices.ContainsFunc(out, func(got string) bool { return strings.Contains(got, line) }) {
						t.Errorf("%s: recorded line %q is not in\n%s", step.Args, line, strings.Join(out, "\n"))
					}
				}
			}
			if scenario.RPMDB == nil {
				return
			}
			if diff := cmp.Diff(scenario.RPMDB, client.Installed(t)); diff != "" {
				t.Errorf("installed (-recorded +got)\n%s", diff)
			}
		})
	}
}

// step is a command and what must come of it.
type step struct {
	repos []string
	args  string
	rc    int
	say   []string
	hide  []string
}

// TestClients lets dnf do what users do with slim repositories.
func TestClients(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	label := " | demo:1:8000020200101000000:aaaa1111"
	newer := " | demo:1:8000020210101000000:aaaa1111"
	old := []string{"demo" + one + ".x86_64" + label, "demo-libs" + one + ".x86_64" + label}
	for what, test := range map[string]struct {
		steps     []step
		installed []string
	}{
		"S2: the slim repository alone": {[]step{
			{[]string{"slimwhole"}, "module list", 0, []string{"demo 1 [d] default [d], devel demo"}, nil},
			{[]string{"slimwhole"}, "module enable demo:1", 0, []string{"demo 1"}, nil},
			{[]string{"slimwhole"}, "install demo", 0, []string{"demo" + one + ".x86_64"}, nil},
		}, old},
		"S4: then beside upstream's newer build": {[]step{
			{[]string{"base", "slimwhole"}, "module install demo:1", 0, nil, nil},
			{[]string{"base", "slimwhole", "fullnew"}, "update", 0, []string{"Upgrading:"}, nil},
		}, []string{"demo" + later + ".x86_64" + newer, "demo-libs" + later + ".x86_64" + newer}},
		"S6: beside upstream's newer build from the beginning": {[]step{
			{[]string{"base", "slimwhole", "fullnew"}, "module install demo:1", 0, nil, nil},
		}, []string{"demo" + later + ".x86_64" + newer, "demo-libs" + later + ".x86_64" + newer}},
		"S78: then upstream's newer build alone": {[]step{
			{[]string{"base", "slimwhole"}, "install demo", 0, nil, nil},
			{[]string{"base", "fullnew"}, "update", 0, []string{"Upgrading:"}, nil},
			{[]string{"base", "fullnew"}, "install demo-devel", 0, []string{"demo-devel" + later + ".x86_64"}, nil},
		}, []string{"demo" + later + ".x86_64" + newer, "demo-devel" + later + ".x86_64" + newer, "demo-libs" + later + ".x86_64" + newer}},
		"S44: a module that requires another": {[]step{
			{[]string{"base", "slimtool"}, "module enable tool:1", 0, []string{"demo 1", "tool 1"}, nil},
			{[]string{"base", "slimtool"}, "install tool", 0, nil, nil},
		}, append(slices.Clone(old), "tool-1.0-1.module+el8+3+cccc.x86_64 | tool:1:8000020200101000000:cccc3333")},
		"S72: whole lists of artifacts hide other packages": {[]step{
			{[]string{"base2", "slimwhole"}, "module enable demo:1", 0, nil, nil},
			{[]string{"base2", "slimwhole"}, "repoquery demo-devel demo-extra", 0, nil, []string{"demo-devel-0:3.0-1.el8.x86_64", "demo-extra-0:3.0-1.el8.x86_64"}},
			{[]string{"base2", "slimwhole"}, "install demo-devel", 1, []string{"All matches were filtered out by modular filtering for argument: demo-devel"}, nil},
		}, []string{""}},
		"S82: and go on hiding them when the repository is gone": {[]step{
			{[]string{"base2", "slimwhole"}, "install demo", 0, nil, nil},
			{[]string{"base2"}, "install demo-devel", 1, []string{"All matches were filtered out by modular filtering for argument: demo-devel"}, nil},
		}, old},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			client := moduletest.NewClient(t)
			for _, s := range test.steps {
				rc, out := l.dnf(t, client, s.repos, s.args)
				all := strings.Join(out, "\n")
				if rc != s.rc {
					t.Errorf("%s: exit code %d, want %d\n%s", s.args, rc, s.rc, all)
				}
				for _, line := range s.say {
					if !strings.Contains(all, line) {
						t.Errorf("%s: %q is not in\n%s", s.args, line, all)
					}
				}
				for _, line := range s.hide {
					if strings.Contains(all, line) {
						t.Errorf("%s: %q is in\n%s", s.args, line, all)
					}
				}
			}
			if diff := cmp.Diff(test.installed, client.Installed(t)); diff != "" {
				t.Errorf("installed (-want +got)\n%s", diff)
			}
		})
	}
}
