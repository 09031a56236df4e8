package solv

import (
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// pkg describes a package by its NEVRA and lines such as "Requires: foo >= 2";
// a line may hold several dependencies, separated by commas and a blank.
func pkg(t testing.TB, nevra string, lines ...string) Package {
	t.Helper()
	n, err := rpmfile.ParseNEVRA(nevra)
	if err != nil {
		t.Fatal(err)
	}
	p := Package{NEVRA: n}
	lists := map[string]*[]rpmfile.Dependency{
		"Provides": &p.Provides, "Requires": &p.Requires, "Conflicts": &p.Conflicts, "Obsoletes": &p.Obsoletes,
		"Recommends": &p.Recommends, "Suggests": &p.Suggests, "Supplements": &p.Supplements, "Enhances": &p.Enhances,
	}
	for _, line := range lines {
		tag, text, _ := strings.Cut(line, ": ")
		if tag == "Files" {
			p.Files = append(p.Files, strings.Split(text, ", ")...)
			continue
		}
		for part := range strings.SplitSeq(text, ", ") {
			d, err := ParseDependency(part)
			if err != nil || lists[tag] == nil {
				t.Fatalf("line %q: %v", line, err)
			}
			*lists[tag] = append(*lists[tag], d)
		}
	}
	return p
}

// pool makes a pool of one repository for x86_64.
func pool(t testing.TB, packages ...Package) *Pool {
	t.Helper()
	p, err := New("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if _, err := p.AddPackages("repo", Rank{}, packages); err != nil {
		t.Fatal(err)
	}
	return p
}

// install makes jobs that install what provides the requirements.
func install(requirements ...string) []Job {
	jobs := make([]Job, len(requirements))
	for i, r := range requirements {
		jobs[i] = Job{Requirement: r}
	}
	return jobs
}

// names are the NEVRAs of members, in their order.
func names(members []Member) []string {
	texts := []string{}
	for _, m := range members {
		texts = append(texts, m.NEVRA.String())
	}
	return texts
}

// deps are the dependencies that pkg's lines say.
func deps(t testing.TB, lines ...string) repomd.Dependencies {
	t.Helper()
	return pkg(t, "x-1-1.noarch", lines...).Dependencies
}
