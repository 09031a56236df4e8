package closure

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/moduletest"
)

// repo reads a repository in a directory.
func repo(t testing.TB, name, dir string) Repo {
	t.Helper()
	r := Repo{Name: name, Files: os.DirFS(dir), Check: true}
	f, err := os.Open(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	md, err := repomd.ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := md.Find("modules")
	if !ok {
		return r
	}
	text, err := d.Open(r.Files)
	if err != nil {
		t.Fatal(err)
	}
	if r.Modules, err = modulemd.ReadFrom(text, modulemd.ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustCheck(t testing.TB, opts Options, repos ...Repo) Report {
	t.Helper()
	r, err := Check(t.Context(), repos, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// in are the problems of a report in one combination, each as package, blank
// and requirement.
func in(r Report, combination string) []string {
	found := []string{}
	for _, p := range r.Problems {
		if slices.Contains(p.Combinations, combination) {
			found = append(found, p.Package.String()+" "+p.Requirement)
		}
	}
	slices.Sort(found)
	return found
}

// repoclosure are the problems that dnf finds.
func repoclosure(t testing.TB, client moduletest.Client, repos []string, args ...string) []string {
	t.Helper()
	rc, out := client.DNF(t, repos, append([]string{"repoclosure"}, args...)...)
	found := []string{}
	pkg := ""
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		switch name, isPackage := strings.CutPrefix(line, "package: "); {
		case isPackage:
			pkg, _, _ = strings.Cut(name, " from ")
		case strings.HasPrefix(line, "    ") && pkg != "":
			found = append(found, pkg+" "+strings.TrimSpace(line))
		}
	}
	if (rc == 0) != (len(found) == 0) || rc > 1 || strings.Contains(out, "Modular dependency problem") {
		t.Fatalf("dnf repoclosure ends with %d:\n%s", rc, out)
	}
	slices.Sort(found)
	return found
}

// TestRecordedRepository is what dnf was recorded to find, and what it can't.
func TestRecordedRepository(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	dir := v.Write(t, "clo")
	r := mustCheck(t, Options{Platform: "el8"}, repo(t, "clo", dir))
	user := "user-of-two-1.0-1.el8.x86_64 demo-libs = 2.0-1.module+el8+2+bbbb"
	broken := "demo-broken2-2.0-1.module+el8+2+bbbb.x86_64 nosuchthing"
	t.Run("with default streams only", func(t *testing.T) {
		t.Parallel()
		theirs := repoclosure(t, moduletest.NewClient(t), []string{"clo," + dir})
		if diff := cmp.Diff([]string{user}, theirs); diff != "" {
			t.Errorf("dnf (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff(theirs, in(r, "default streams")); diff != "" {
			t.Errorf("(-dnf +distbot)\n%s", diff)
		}
	})
	t.Run("with stream 2", func(t *testing.T) {
		t.Parallel()
		client := moduletest.NewClient(t)
		if rc, out := client.DNF(t, []string{"clo," + dir}, "module", "enable", "demo:2"); rc != 0 {
			t.Fatal(out)
		}
		theirs := repoclosure(t, client, []string{"clo," + dir})
		if diff := cmp.Diff([]string{broken}, theirs); diff != "" {
			t.Errorf("dnf (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff(theirs, in(r, "demo:2 enabled")); diff != "" {
			t.Errorf("(-dnf +distbot)\n%s", diff)
		}
	})
	t.Run("with module_hotfixes", func(t *testing.T) {
		t.Parallel()
		theirs := repoclosure(t, moduletest.NewClient(t), []string{"clo," + dir}, "--setopt=clo.module_hotfixes=1")
		hot := repo(t, "clo", dir)
		hot.Hotfixes = true
		if diff := cmp.Diff(theirs, in(mustCheck(t, Options{Platform: "el8"}, hot), "default streams")); diff != "" {
			t.Errorf("(-dnf +distbot)\n%s", diff)
		}
	})
	t.Run("all at once, in words", func(t *testing.T) {
		t.Parallel()
		var text strings.Builder
		if err := r.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		want := `package: demo-broken2-2.0-1.module+el8+2+bbbb.x86_64 from clo
  unresolved deps (1):
    nosuchthing
      with demo:2 enabled
package: user-of-two-1.0-1.el8.x86_64 from clo
  unresolved deps (1):
    demo-libs = 2.0-1.module+el8+2+bbbb
      with default streams
      demo-libs-2.0-1.module+el8+2+bbbb.x86_64 of clo would do, but is seen only when demo:2 is active
Repoclosure ended with unresolved dependencies (2) across 2 packages.
`
		if diff := cmp.Diff(want, text.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// anyDependency is one that dnf answers by what provides it.
func anyDependency(r *rand.Rand) rpmfile.Dependency {
	capability := func() string { return fmt.Sprintf("cap%d", r.IntN(40)) }
	switch r.IntN(8) {
	case 0:
		return rpmfile.Dependency{Name: fmt.Sprintf("/usr/bin/f%d", r.IntN(30))}
	case 1:
		return rpmfile.Dependency{Name: fmt.Sprintf("/usr/share/f%d", r.IntN(30))}
	case 2:
		return versioned(capability(), []rpmfile.Flags{rpmfile.FlagEqual, rpmfile.FlagLess, rpmfile.FlagGreater | rpmfile.FlagEqual}[r.IntN(3)], 1+r.IntN(3))
	case 3:
		return rpmfile.Dependency{Name: fmt.Sprintf("(%s or %s)", capability(), capability())}
	case 4:
		return rpmfile.Dependency{Name: fmt.Sprintf("(%s with %s)", capability(), capability())}
	case 5:
		return rpmfile.Dependency{Name: fmt.Sprintf("(%s without %s)", capability(), capability())}
	case 6:
		return rpmfile.Dependency{Name: fmt.Sprintf("p%d", r.IntN(80))}
	}
	return rpmfile.Dependency{Name: capability()}
}

func versioned(name string, flags rpmfile.Flags, version int) rpmfile.Dependency {
	v := fmt.Sprint(version)
	return rpmfile.Dependency{Name: name, Flags: flags, EVR: v, Epoch: "0", Version: v}
}

// random makes a repository of packages of several architectures, some of them
// artifacts of two streams of each of two modules.
func random(t testing.TB, seed uint64) string {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	var packages []*rpmfile.Package
	artifacts := map[string][]string{}
	for i := range 70 {
		for version := range 1 + r.IntN(3) {
			p := &rpmfile.Package{NEVRA: rpmfile.NEVRA{
				Name: fmt.Sprintf("p%d", i), Version: fmt.Sprint(version + 1), Release: "1",
				Arch: []string{"x86_64", "x86_64", "noarch", "i686", "src"}[r.IntN(5)],
			}}
			p.Provides = append(p.Provides, rpmfile.Dependency{Name: p.Name, Flags: rpmfile.FlagEqual, EVR: p.EVR(), Epoch: "0", Version: p.Version, Release: p.Release})
			for range r.IntN(3) {
				p.Provides = append(p.Provides, versioned(fmt.Sprintf("cap%d", r.IntN(40)), rpmfile.FlagEqual, 1+r.IntN(3)))
			}
			if r.IntN(6) == 0 {
				p.Provides = append(p.Provides, rpmfile.Dependency{Name: fmt.Sprintf("p%d", r.IntN(80))})
			}
			for range r.IntN(4) {
				p.Requires = append(p.Requires, anyDependency(r))
			}
			for range r.IntN(2) {
				p.Files = append(p.Files, rpmfile.File{Path: fmt.Sprintf([]string{"/usr/bin/f%d", "/usr/share/f%d"}[r.IntN(2)], r.IntN(30)), Mode: 0o100644})
			}
			if r.IntN(3) == 0 {
				stream := fmt.Sprintf("m%d:%d", r.IntN(2), 1+r.IntN(2))
				artifacts[stream] = append(artifacts[stream], modulemd.FormatArtifact(p.NEVRA))
			}
			packages = append(packages, p)
		}
	}
	var modules strings.Builder
	for _, stream := range []string{"m0:1", "m0:2", "m1:1", "m1:2"} {
		name, number, _ := strings.Cut(stream, ":")
		requires := ""
		if stream == "m1:2" {
			requires = "\n      m0: [\"2\"]"
		}
		fmt.Fprintf(&modules, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: %s\n  stream: %q\n  version: 1\n  context: c%s\n  arch: x86_64\n  summary: s\n  description: d\n"+
			"  license:\n    module: [MIT]\n  dependencies:\n  - requires:\n      platform: [el8]%s\n  artifacts:\n    rpms:\n", name, number, number, requires)
		for _, a := range append(artifacts[stream], "nothing-0:1-1.noarch") {
			fmt.Fprintf(&modules, "    - %s\n", a)
		}
		modules.WriteString("...\n")
	}
	modules.WriteString("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: m0\n  modified: 202001010000\n  stream: \"1\"\n...\n")
	return writePackages(t, packages, modules.String())
}

// TestRandomRepositories asks dnf and this package the same.
func TestRandomRepositories(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, 6} {
		dir := random(t, seed)
		r := mustCheck(t, Options{Platform: "el8"}, repo(t, "r", dir))
		for enabled, combination := range map[string]string{"": "default streams", "m0:2": "m0:2 enabled", "m1:1": "m1:1 enabled", "m1:2": "m1:2 enabled"} {
			t.Run(fmt.Sprintf("repository %d with %s", seed, combination), func(t *testing.T) {
				t.Parallel()
				client := moduletest.NewClient(t)
				if enabled != "" {
					if rc, out := client.DNF(t, []string{"r," + dir}, "module", "enable", enabled); rc != 0 {
						t.Fatal(out)
					}
				}
				theirs := repoclosure(t, client, []string{"r," + dir})
				if len(theirs) < 5 {
					t.Errorf("dnf finds only %q: the test says little", theirs)
				}
				if diff := cmp.Diff(theirs, in(r, combination)); diff != "" {
					t.Errorf("(-dnf +distbot)\n%s", diff)
				}
			})
		}
	}
}

// TestOptions asks the same with the options of dnf repoclosure.
func TestOptions(t *testing.T) {
	t.Parallel()
	dir := random(t, 4)
	other := random(t, 5)
	unchecked := repo(t, "other", other)
	unchecked.Check = false
	for _, test := range []struct {
		args []string
		opts Options
	}{
		{[]string{"--newest"}, Options{Newest: true}},
		{[]string{"--best"}, Options{Best: true}},
		{[]string{"--best", "--newest"}, Options{Best: true, Newest: true}},
		{[]string{"--arch", "i686", "--arch", "noarch"}, Options{Arches: []string{"i686", "noarch"}}},
		{[]string{"--arch", "src"}, Options{Arches: []string{"src"}}},
		{[]string{"--pkg", "p1", "--pkg", "p5.x86_64"}, Options{Packages: []string{"p1", "p5.x86_64"}}},
		{nil, Options{}},
	} {
		t.Run("with "+strings.Join(test.args, " "), func(t *testing.T) {
			t.Parallel()
			theirs := repoclosure(t, moduletest.NewClient(t), []string{"r," + dir, "other," + other}, append([]string{"--check=r"}, test.args...)...)
			test.opts.Platform = "el8"
			ours := in(mustCheck(t, test.opts, repo(t, "r", dir), unchecked), "default streams")
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("(-dnf +distbot)\n%s", diff)
			}
		})
	}
}
