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
	// The others that were recorded, taken as they were found.
	for _, name := range again() {
		l.dirs[name], _ = mustMake(t, Options{Packages: []string{"*"}}, "source,"+l.vectors.Write(t, name))
	}
	recorded := l.vectors.Repos["slim-demod"]
	left := strings.Replace(*recorded.Modules, "  demodularized:", "  profiles:\n    default:\n      rpms: [demo]\n  demodularized:", 1)
	l.dirs["slimleft"], _ = mustMake(t, Options{Packages: demo()}, "source,"+moduletest.WriteRPMs(t, left, recorded.RPMs...))
	l.dirs["slimempty"], _ = mustMake(t, Options{Packages: []string{"demo-libs" + one}, KeepEmptyProfiles: true}, full)
	l.dirs["slimnew"], _ = mustMake(t, Options{Packages: []string{"demo" + later, "demo-libs" + later}}, "fullnew,"+l.dirs["fullnew"])
	l.dirs["slimstatic"], _ = mustMake(t, Options{Packages: []string{"*"}}, "source,"+l.vectors.Write(t, "slim-static-new-ctx1"))
	l.dirs["slimtr"], _ = mustMake(t, Options{Packages: []string{"*"}}, "source,"+l.vectors.Write(t, "slim-tr"))
	l.dirs["full-static"] = l.vectors.Write(t, "full-static")
	return l
}

// again are recorded repositories whose documents were changed by hand: streams,
// versions and contexts are others, defaults are missing or newer, packages are
// not modular any more. What is made of them must be like them.
func again() []string {
	return []string{
		"w-context", "slim-static-otherctx", "w-version-low", "w-version-high", "w-stream", "w-noarch", "w-norequires", "w-defstream", "slim-nodefaults",
		"slim-newermod", "slim-otherdesc", "slim-new", "slim-static-new-ctx2", "slim-static-old-ctx2",
	}
}

// replayed are the recorded scenarios that are done again.
func replayed() []string {
	return []string{
		"S1", "S3", "S5", "S41", "S43", "S45", "S59", "S71", "S75", "S83",
		"S13", "S15", "S17", "S19", "S21", "S23", "S27", "S29", "S31", "S53", "S57", "S73", "S79", "S81",
	}
}

// TestEveryScenarioIsAccountedFor says of each recorded scenario where its
// promise is kept.
func TestEveryScenarioIsAccountedFor(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	elsewhere := map[string]string{
		// Repositories that this package refuses to make, or makes otherwise:
		// TestBrokenDocumentsAreNeverPublished, TestClashingDefaultsAreRefused and
		// TestWhatDoesNotWorkIsRefused.
		"S9": "w-noyaml", "S11": "w-noyaml", "S25": "w-artifact-missing", "S35": "w-noepoch", "S37": "w-samensvca", "S77": "w-default-profile-dropped", "S51": "w-defprofile",
		// TestClients: profiles name only what is there, and the recorded document
		// without profiles is one that this package refuses.
		"S7": "slim-allartifacts", "S33": "w-profile-missing-rpm", "S39": "slim-demod",
		// No slim repository is in them.
		"S55": "full-obs", "S61": "full",
	}
	for _, s := range v.Scenarios {
		id := strings.TrimPrefix(s.ID, "dnf-")
		repo, other := elsewhere[id]
		if other == slices.Contains(replayed(), id) {
			t.Errorf("%s is accounted for twice, or not at all", id)
		}
		if other && !slices.ContainsFunc(s.Steps, func(step moduletest.Step) bool {
			return slices.ContainsFunc(step.Repos, func(r string) bool { return strings.TrimSuffix(r, ":hotfix") == repo })
		}) {
			t.Errorf("%s is not about %s", id, repo)
		}
	}
	if n := len(elsewhere) + len(replayed()); n != len(v.Scenarios) {
		t.Errorf("%d scenarios are accounted for, %d were recorded", n, len(v.Scenarios))
	}
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

// asMade is what was recorded, as it must be of the repository slim that this
// package makes: the recorded one had dropped the profile "devel", of whose two packages
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
	for _, id := range replayed() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			client := moduletest.NewClient(t)
			scenario := l.vectors.Scenario(t, id)
			made := func(text string) string { return text }
			if slices.ContainsFunc(scenario.Steps, func(step moduletest.Step) bool { return slices.Contains(step.Repos, "slim") }) {
				made = asMade
			}
			for _, step := range scenario.Steps {
				rc, out := l.dnf(t, client, step.Repos, made(step.Args))
				if rc != step.RC {
					t.Errorf("%s: exit code %d, recorded %d\n%s", step.Args, rc, step.RC, strings.Join(out, "\n"))
				}
				recorded := squeeze(strings.Join(step.Output, "\n"))
				// What the recorder asked besides.
				if !strings.HasPrefix(step.Args, "module info") && slices.ContainsFunc(recorded, func(line string) bool { return strings.HasPrefix(line, "Stream : ") }) {
					_, info := l.dnf(t, client, step.Repos, "module info demo")
					out = append(out, info...)
				}
				for _, line := range recorded {
					if strings.HasPrefix(line, "DIR/") || strings.HasSuffix(line, ".yaml") {
						continue // a listing of the recorder's
					}
					line = made(line)
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
		"T2: the slim repository beside the large one, which has more": {[]step{
			{[]string{"base", "full", "slimwhole"}, "module list", 0, []string{"demo 1 [d] default [d], devel, doc demo", "demo 1 [d] default [d], devel demo"}, nil},
			{[]string{"base", "full", "slimwhole"}, "module enable demo:1", 0, []string{"demo 1"}, nil},
			{[]string{"base", "full", "slimwhole"}, "install demo demo-devel", 0, []string{"demo-devel" + one + ".x86_64"}, nil},
		}, []string{"demo" + one + ".x86_64" + label, "demo-devel" + one + ".x86_64" + label, "demo-libs" + one + ".x86_64" + label}},
		"S7: profiles name only what is there, so that all of them can be installed": {[]step{
			{[]string{"base", "slimwhole"}, "module install demo:1/devel", 0, nil, []string{"broken groups or modules"}},
		}, old},
		"S34: an empty profile installs nothing": {[]step{
			{[]string{"base", "slimempty"}, "module install demo:1", 0, []string{"Enabling module streams"}, nil},
		}, []string{""}},
		"S39: what left the module is seen again": {[]step{
			{[]string{"base", "slimleft"}, "install demo", 0, nil, nil},
			{[]string{"base", "slimleft"}, "repoquery demo-libs", 0, []string{"demo-libs-0:3.0-1.el8.x86_64"}, nil},
		}, []string{"demo" + one + ".x86_64" + label, "demo-libs" + one + ".x86_64" + label}},
		"S42: artifacts that are source packages do no harm": {[]step{
			{[]string{"base", "slimwhole"}, "module info demo:1", 0, []string{"demo-0:1.0-1.module+el8+1+aaaa.src"}, nil},
			{[]string{"base", "slimwhole"}, "install demo", 0, nil, nil},
		}, old},
		"S56: translations do no harm": {[]step{
			{[]string{"base", "full", "slimtr"}, "module list", 0, []string{"demo 1 [d] default [d] demo"}, nil},
			{[]string{"base", "full", "slimtr"}, "install demo", 0, nil, nil},
		}, old},
		"S60: for another platform": {[]step{
			{[]string{"base", "slimwhole"}, "--setopt=module_platform_id=platform:el9 module enable demo:1", 1, []string{"nothing provides module(platform:el8)"}, nil},
		}, []string{""}},
		"S73: a slim repository of the newer build beside the older large one": {[]step{
			{[]string{"base", "full", "slimnew"}, "install demo", 0, nil, nil},
		}, []string{"demo" + later + ".x86_64" + newer, "demo-libs" + later + ".x86_64" + newer}},
		"S80: a newer slim build with the same static context wins": {[]step{
			{[]string{"base", "full-static", "slimstatic"}, "install demo", 0, nil, nil},
		}, []string{"demo" + later + ".x86_64" + newer, "demo-libs" + later + ".x86_64" + newer}},
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
