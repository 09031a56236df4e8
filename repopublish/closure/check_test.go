package closure

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/solv"
)

// pack is a package with what it provides and requires, as a spec writes it: in
// lines "Requires: x".
func pack(t testing.TB, nevra string, lines ...string) *rpmfile.Package {
	t.Helper()
	n, err := rpmfile.ParseNEVRA(nevra)
	if err != nil {
		t.Fatal(err)
	}
	p := &rpmfile.Package{NEVRA: n}
	for _, line := range lines {
		tag, text, _ := strings.Cut(line, ": ")
		if tag == "File" {
			p.Files = append(p.Files, rpmfile.File{Path: text, Mode: 0o100644})
			continue
		}
		d, err := solv.ParseDependency(text)
		if err != nil {
			t.Fatal(err)
		}
		if d.EVR != "" {
			d.Epoch = "0"
			d.Version, d.Release, _ = strings.Cut(d.EVR, "-")
		}
		into := map[string]*[]rpmfile.Dependency{"Requires": &p.Requires, "Provides": &p.Provides, "Conflicts": &p.Conflicts}[tag]
		*into = append(*into, d)
	}
	return p
}

func checkPackages(t testing.TB, opts Options, packages ...*rpmfile.Package) Report {
	t.Helper()
	return mustCheck(t, opts, repo(t, "r", writePackages(t, packages, "")))
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		requires string
		others   []*rpmfile.Package
		met      bool
	}{
		"a file of filelists":                         {"/usr/share/x", []*rpmfile.Package{pack(t, "b-1-1.noarch", "File: /usr/share/x")}, true},
		"a file that nobody has":                      {"/usr/share/y", []*rpmfile.Package{pack(t, "b-1-1.noarch", "File: /usr/share/x")}, false},
		"both, of which one is missing":               {"(b and c)", []*rpmfile.Package{pack(t, "b-1-1.noarch")}, false},
		"what is needed only beside a missing one":    {"(x if b)", nil, true},
		"what is needed only beside another":          {"(x if b)", []*rpmfile.Package{pack(t, "b-1-1.noarch")}, true},
		"what is needed beside one that is always":    {"(x if b)", []*rpmfile.Package{pack(t, "b-1-1.noarch"), pack(t, "needed-1-1.noarch", "Requires: b")}, false},
		"the other branch":                            {"(x if b else needed)", []*rpmfile.Package{pack(t, "b-1-1.noarch")}, true},
		"something unless it is always":               {"(b unless c)", []*rpmfile.Package{pack(t, "b-1-1.noarch"), pack(t, "c-1-1.noarch")}, true},
		"something unless what is needed":             {"(b unless c)", []*rpmfile.Package{pack(t, "b-1-1.noarch"), pack(t, "c-1-1.noarch"), pack(t, "needed-1-1.noarch", "Requires: c")}, false},
		"a version without release":                   {"b >= 2", []*rpmfile.Package{pack(t, "b-2-1.noarch", "Provides: b = 2-1")}, true},
		"a version that is higher than what is there": {"b > 3", []*rpmfile.Package{pack(t, "b-2-1.noarch", "Provides: b = 2-1")}, false},
		"a source package":                            {"b", []*rpmfile.Package{pack(t, "b-1-1.src")}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			packages := []*rpmfile.Package{pack(t, "a-1-1.noarch", "Requires: "+test.requires, "Requires: needed")}
			packages = append(packages, test.others...)
			if len(packages) == 1 || packages[len(packages)-1].Name != "needed" {
				packages = append(packages, pack(t, "needed-1-1.noarch"))
			}
			r := checkPackages(t, Options{Machine: "x86_64"}, packages...)
			want := []string{}
			if !test.met {
				want = append(want, "a-1-1.noarch "+test.requires)
			}
			if diff := cmp.Diff(want, in(r, "default streams")); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheNearestIsTold(t *testing.T) {
	t.Parallel()
	r := checkPackages(t, Options{}, pack(t, "a-1-1.x86_64", "Requires: libb"), pack(t, "b-libs-1-1.x86_64", "Provides: Libb"))
	if len(r.Problems) != 1 || len(r.Problems[0].Nearest) == 0 || r.Problems[0].Nearest[0] != "Libb is there (b-libs-1-1.x86_64)" {
		t.Errorf("got %+v", r.Problems)
	}
}

func TestMachines(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		packages []*rpmfile.Package
		opts     Options
		machines []string
		problems []string
	}{
		"32-bit packages beside 64-bit ones are multilib": {
			[]*rpmfile.Package{pack(t, "a-1-1.x86_64"), pack(t, "b-1-1.i686", "Requires: a")}, Options{}, []string{"x86_64"}, nil,
		},
		"32-bit packages alone are a machine's": {
			[]*rpmfile.Package{pack(t, "b-1-1.i686", "Requires: c"), pack(t, "c-1-1.noarch")}, Options{}, []string{"i686"}, nil,
		},
		"two machines don't provide for each other": {
			[]*rpmfile.Package{pack(t, "a-1-1.x86_64", "Requires: b"), pack(t, "b-1-1.aarch64"), pack(t, "c-1-1.noarch", "Requires: a")},
			Options{},
			[]string{"aarch64", "x86_64"},
			[]string{"a-1-1.x86_64 b x86_64", "c-1-1.noarch a aarch64"},
		},
		"one of two machines": {
			[]*rpmfile.Package{pack(t, "a-1-1.x86_64", "Requires: b"), pack(t, "b-1-1.aarch64"), pack(t, "c-1-1.noarch", "Requires: a")},
			Options{Machine: "x86_64"},
			[]string{"x86_64"},
			[]string{"a-1-1.x86_64 b x86_64"},
		},
		"another machine than this one": {
			[]*rpmfile.Package{pack(t, "a-1-1.riscv64", "Requires: b"), pack(t, "b-1-1.riscv64")}, Options{}, []string{"riscv64"}, nil,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := checkPackages(t, test.opts, test.packages...)
			if diff := cmp.Diff(test.machines, r.Machines); diff != "" {
				t.Errorf("machines (-want +got)\n%s", diff)
			}
			var problems []string
			for _, p := range r.Problems {
				problems = append(problems, p.Package.String()+" "+p.Requirement+" "+p.Machine)
			}
			if diff := cmp.Diff(test.problems, problems); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
		})
	}
}

// index reads module documents.
func index(t testing.TB, text string) *modulemd.Index {
	t.Helper()
	x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{})
	if err != nil || x.Err() != nil {
		t.Fatal(err, x.Err())
	}
	return x
}

func TestClashingDefaultsAreTold(t *testing.T) {
	t.Parallel()
	defaults := func(profile string) string {
		return "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: m\n  modified: 1\n  stream: \"1\"\n  profiles:\n    \"1\": [" + profile + "]\n"
	}
	dir := writePackages(t, nil, "")
	a, b := repo(t, "a", dir), repo(t, "b", dir)
	a.Modules, b.Modules = index(t, defaults("x")), index(t, defaults("y"))
	r := mustCheck(t, Options{}, a, b)
	if r.OK() || len(r.Findings) != 1 || r.Findings[0].Rule != modulemd.RuleDefaultsClash {
		t.Errorf("findings %v", r.Findings)
	}
	if r := mustCheck(t, Options{}, a); !r.OK() {
		t.Errorf("findings of one alone: %v", r.Findings)
	}
}

func TestCheckFails(t *testing.T) {
	t.Parallel()
	dir := writePackages(t, []*rpmfile.Package{pack(t, "a-1-1.x86_64")}, "")
	r := repo(t, "r", dir)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(canceled, []Repo{r}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	var unknown *UnknownError
	if _, err := Check(t.Context(), []Repo{r}, Options{Packages: []string{"a", "b", "c"}}); !errors.As(err, &unknown) || len(unknown.Packages) != 2 {
		t.Errorf("unknown packages: %v", err)
	}
	r.Files = damaged{r.Files}
	if _, err := Check(t.Context(), []Repo{r}, Options{}); !errors.Is(err, repomd.ErrMalformed) {
		t.Errorf("a damaged repository: %v", err)
	}
}
