package solv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

func TestParseDependencyRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"":                                  ErrMalformed,
		"a b":                               ErrMalformed,
		"a >= ":                             ErrMalformed,
		"a ~ 1":                             ErrMalformed,
		"a >= 1 2":                          ErrMalformed,
		"a\x00b":                            ErrMalformed,
		"a >= 1\x002":                       ErrMalformed,
		"solvable:prereqmarker":             ErrMalformed,
		"system:system":                     ErrMalformed,
		strings.Repeat("a", maxNameBytes+1): ErrTooLarge,
		strings.Repeat("a", 1<<20):          ErrTooLarge,
		"(":                                 ErrMalformed,
		"()":                                ErrMalformed,
		"(a":                                ErrMalformed,
		"(a))":                              ErrMalformed,
		"(a or":                             ErrMalformed,
		"(a or )":                           ErrMalformed,
		"(a xor b)":                         ErrMalformed,
		"(a and b or c)":                    ErrMalformed,
		"(a if b if c)":                     ErrMalformed,
		"(a else b)":                        ErrMalformed,
		"(a if b else c else d)":            ErrMalformed,
		"(a >=)":                            ErrMalformed,
		"(a >< 1)":                          ErrMalformed,
		"(a or solvable:filemarker)":        ErrMalformed,
		"(a or b\x00)":                      ErrMalformed,
		strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100): ErrTooLarge,
		strings.Repeat("(", 1<<20):                                ErrTooLarge,
		"(" + strings.Repeat("a or ", 2000) + "a)":                ErrTooLarge,
	} {
		if d, err := ParseDependency(text); !errors.Is(err, want) {
			t.Errorf("%.60q: got %v, %v; want %v", text, d, err, want)
		}
	}
}

// TestHostilePackagesAreRefused hands over what would make libsolv use up
// memory or stack, or read its own lists wrong.
func TestHostilePackagesAreRefused(t *testing.T) {
	t.Parallel()
	named := func(n int, make func(i int) Package) []Package {
		packages := []Package{}
		for i := range n {
			packages = append(packages, make(i))
		}
		return packages
	}
	pairs := func(n int) string {
		terms := make([]string, n)
		for i := range terms {
			terms[i] = fmt.Sprintf("(a%d and b%d)", i, i)
		}
		return "(" + strings.Join(terms, " or ") + ")"
	}
	simple := rpmfile.NEVRA{Name: "a", Version: "1", Release: "1", Arch: "noarch"}
	with := func(d repomd.Dependencies) []Package { return []Package{{NEVRA: simple, Dependencies: d}} }
	entry := func(name string) []rpmfile.Dependency { return []rpmfile.Dependency{{Name: name}} }
	for name, tt := range map[string]struct {
		packages []Package
		want     error
	}{
		"a name with NUL":                   {[]Package{{NEVRA: rpmfile.NEVRA{Name: "a\x00", Version: "1", Arch: "noarch"}}}, ErrMalformed},
		"an architecture with NUL":          {[]Package{{NEVRA: rpmfile.NEVRA{Name: "a", Version: "1", Arch: "no\x00arch"}}}, ErrMalformed},
		"no name":                           {[]Package{{NEVRA: rpmfile.NEVRA{Version: "1", Arch: "noarch"}}}, ErrMalformed},
		"a huge version":                    {[]Package{{NEVRA: rpmfile.NEVRA{Name: "a", Version: strings.Repeat("1", 1<<20), Arch: "noarch"}}}, ErrTooLarge},
		"a marker as requirement":           {with(repomd.Dependencies{Requires: entry("solvable:prereqmarker")}), ErrMalformed},
		"a marker as provide":               {with(repomd.Dependencies{Provides: entry("solvable:filemarker")}), ErrMalformed},
		"a rich provide":                    {with(repomd.Dependencies{Provides: entry("(a or b)")}), ErrMalformed},
		"a requirement with NUL":            {with(repomd.Dependencies{Requires: entry("a\x00b")}), ErrMalformed},
		"a deep requirement":                {with(repomd.Dependencies{Requires: entry(strings.Repeat("(", 5000) + "a" + strings.Repeat(")", 5000))}), ErrTooLarge},
		"a requirement like an exponential": {with(repomd.Dependencies{Requires: entry(pairs(40))}), ErrTooLarge},
		"the same in another mood":          {with(repomd.Dependencies{Requires: entry("(x if " + strings.ReplaceAll(strings.ReplaceAll(pairs(40), " or ", " & "), " and ", " or ") + ")")}), ErrMalformed},
		"many versions of one name": {named(9000, func(i int) Package {
			return Package{NEVRA: rpmfile.NEVRA{Name: "a", Version: fmt.Sprint(i), Release: "1", Arch: "noarch"}}
		}), ErrTooLarge},
		"everything conflicts with all": {named(6000, func(i int) Package {
			return Package{
				NEVRA:        rpmfile.NEVRA{Name: fmt.Sprint("a", i), Version: "1", Release: "1", Arch: "noarch"},
				Dependencies: repomd.Dependencies{Provides: entry("all"), Conflicts: entry("all")},
			}
		}), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := New("x86_64")
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err = p.AddPackages("hostile", Rank{}, tt.packages); err == nil {
				_, err = p.Solve(t.Context(), install("a"), Options{})
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %.200v, want %v", err, tt.want)
			}
		})
	}
}

// TestHostileQuestionsAreRefused asks for what a spec may require.
func TestHostileQuestionsAreRefused(t *testing.T) {
	t.Parallel()
	terms := make([]string, 40)
	for i := range terms {
		terms[i] = fmt.Sprintf("(a%d and b%d)", i, i)
	}
	requirement := "(" + strings.Join(terms, " or ") + ")"
	p := pool(t)
	if got, err := p.Solve(t.Context(), install(requirement), Options{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Solve: got %v, %v; want ErrTooLarge", got, err)
	}
	if got, err := p.WhatProvides(t.Context(), requirement); !errors.Is(err, ErrTooLarge) {
		t.Errorf("WhatProvides: got %v, %v; want ErrTooLarge", got, err)
	}
}

// TestLargeRequirementsAreNotHostile bounds the bounds: what packages really
// have must pass.
func TestLargeRequirementsAreNotHostile(t *testing.T) {
	t.Parallel()
	terms := make([]string, 200)
	for i := range terms {
		terms[i] = fmt.Sprintf("(langpack%d if app%d)", i, i)
	}
	for name, requirement := range map[string]string{
		"a long and":       "(" + strings.Join(terms, " and ") + ")",
		"a long or":        "(a or " + strings.Join(strings.Fields(strings.Repeat("b ", 500)), " or ") + ")",
		"a condition":      "((a and b and c) if (d or e) else f)",
		"a multiplication": "((a and b) or (c and d) or (e and f) or (g and h) or (i and j) or (k and l))",
		"one in a crate":   "(crate(x) >= 1.2.0 with crate(x) < 2.0.0~)",
		"commas in a name": "perl(Foo,Bar)",
	} {
		d, err := ParseDependency(requirement)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := pool(t, Package{NEVRA: rpmfile.NEVRA{Name: "x", Version: "1", Release: "1", Arch: "noarch"}, Dependencies: repomd.Dependencies{Recommends: []rpmfile.Dependency{d}}})
		if _, err := p.Solve(t.Context(), install("x"), Options{Weak: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArchitecturesAreNames(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"", "x86_64:i686", "x\x00", strings.Repeat("x", 1000)} {
		if p, err := New(arch); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.40q: got %v, %v; want ErrMalformed", arch, p, err)
		}
	}
	p, err := New("riscv64")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.AddPackages("r", Rank{}, []Package{pkg(t, "a-1-1.riscv64"), pkg(t, "b-1-1.x86_64")}); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Solve(t.Context(), install("a"), Options{}); err != nil || len(got) != 1 {
		t.Errorf("a package of an architecture libsolv has no table for: %v, %v", got, err)
	}
	if got, err := p.Solve(t.Context(), install("b"), Options{}); err == nil {
		t.Errorf("x86_64 on riscv64: %v", got)
	}
}

// FuzzDependency asks a pool for whatever the fuzzer finds: what is accepted
// here, libsolv accepts too.
func FuzzDependency(f *testing.F) {
	for _, seed := range []string{
		"a", "a >= 1:2-3", "/usr/bin/sh", "(a or b)", "(a and b and c)", "(a if b else c)", "(a >= 1 with a < 2)", "(a without (b or c))",
		"((a unless b) if (c and d))", "pkgconfig(a) = 0:1", "a = :", "(a,b or c)", "libc.so.6(GLIBC_2.4)(64bit)",
	} {
		f.Add(seed)
	}
	packages := universe(1, 10)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDependency(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("undocumented error %v", err)
			}
			return
		}
		p := pool(t, packages...)
		if _, err := p.WhatProvides(t.Context(), text); errors.Is(err, ErrTooLarge) {
			return
		} else if err != nil {
			t.Errorf("%q: libsolv refuses what is accepted here: %v", text, err)
		}
		if _, err := p.Nearest(t.Context(), text); err != nil {
			t.Error(err)
		}
		asking := Package{NEVRA: rpmfile.NEVRA{Name: "asking", Version: "1", Release: "1", Arch: "noarch"}}
		asking.Requires, asking.Conflicts, asking.Supplements = []rpmfile.Dependency{d}, []rpmfile.Dependency{d}, []rpmfile.Dependency{d}
		if _, err := p.AddPackages("more", Rank{}, []Package{asking}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var unsolvable *UnsolvableError
		if _, err := p.Solve(t.Context(), install("asking"), Options{Weak: true}); err != nil && !errors.As(err, &unsolvable) && !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	})
}

// FuzzRepodata loads repositories whose primary.xml is whatever the fuzzer
// finds, and installs all that is in them.
func FuzzRepodata(f *testing.F) {
	f.Add(`<metadata><package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/>
<checksum type="sha256">ff</checksum><location href="a.rpm"/><format><rpm:requires><rpm:entry name="(b or /c)"/></rpm:requires>
<rpm:provides><rpm:entry name="d" flags="EQ" epoch="0" ver="1" rel="1"/></rpm:provides><file>/usr/bin/e</file></format></package></metadata>`,
		`<filelists><package pkgid="ff"><file>/c</file></package></filelists>`)
	f.Fuzz(func(t *testing.T, primary, filelists string) {
		p, err := New("x86_64")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_, err = p.AddRepodata(t.Context(), "fuzz", Rank{}, repository(map[string]string{"primary": primary, "filelists": filelists}))
		if err != nil {
			return
		}
		var jobs []Job
		for _, m := range p.packages {
			jobs = append(jobs, Job{NEVRA: m.NEVRA})
		}
		var unsolvable *UnsolvableError
		_, err = p.Solve(t.Context(), jobs, Options{Weak: true})
		for _, documented := range []error{nil, ErrMalformed, ErrTooLarge, repomd.ErrMalformed, repomd.ErrTooLarge} {
			if errors.Is(err, documented) || errors.As(err, &unsolvable) {
				return
			}
		}
		t.Errorf("undocumented error: %v", err)
	})
}

// repository is a repository of uncompressed documents.
func repository(documents map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	md := repomd.Repomd{Revision: "1"}
	for kind, text := range documents {
		sum := sha256.Sum256([]byte(text))
		href := "repodata/" + kind + ".xml"
		files[href] = &fstest.MapFile{Data: []byte(text)}
		md.Data = append(md.Data, repomd.Data{Type: kind, Href: href, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text))})
	}
	files["repodata/repomd.xml"] = &fstest.MapFile{Data: md.XML()}
	return files
}
