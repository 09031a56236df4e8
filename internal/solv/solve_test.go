package solv

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

func TestSolve(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		packages []Package
		jobs     []Job
		weak     bool
		want     []string
	}{
		"takes what is required and what that requires": {
			[]Package{
				pkg(t, "app-1-1.x86_64", "Requires: lib"),
				pkg(t, "libfoo-1-1.x86_64", "Provides: lib = 1", "Requires: base"),
				pkg(t, "base-1-1.noarch"),
				pkg(t, "other-1-1.noarch"),
			},
			install("app"), false,
			[]string{"app-1-1.x86_64", "base-1-1.noarch", "libfoo-1-1.x86_64"},
		},
		"takes the newest version, in rpm's order": {
			[]Package{pkg(t, "a-1.9-1.noarch"), pkg(t, "a-1.10-1.noarch"), pkg(t, "a-1.10~rc1-1.noarch"), pkg(t, "a-1.10-1.1.src")},
			install("a"), false,
			[]string{"a-1.10-1.noarch"},
		},
		"compares epochs first": {
			[]Package{pkg(t, "a-1:1-1.noarch"), pkg(t, "a-2-1.noarch")},
			install("a"), false,
			[]string{"a-1:1-1.noarch"},
		},
		"matches versions without a release against those with one": {
			[]Package{pkg(t, "a-2-5.noarch"), pkg(t, "a-1-9.noarch")},
			install("a = 1"), false,
			[]string{"a-1-9.noarch"},
		},
		"takes an epoch of 0 for none": {
			[]Package{pkg(t, "a-2-5.noarch", "Provides: cap = 0:2-1"), pkg(t, "b-1-1.noarch", "Requires: cap = 2-1, a = 0:2-5")},
			install("b"), false,
			[]string{"a-2-5.noarch", "b-1-1.noarch"},
		},
		"finds files of packages": {
			[]Package{
				pkg(t, "sh-1-1.noarch", "Files: /usr/bin/sh, /usr/share/sh/data"),
				pkg(t, "a-1-1.noarch", "Requires: /usr/bin/sh"),
				pkg(t, "b-1-1.noarch", "Requires: (/usr/share/sh/data if a)"),
			},
			install("a", "b", "/usr/share/sh/data"), false,
			[]string{"a-1-1.noarch", "b-1-1.noarch", "sh-1-1.noarch"},
		},
		"prefers the machine's architecture": {
			[]Package{pkg(t, "a-1-1.i686"), pkg(t, "a-1-1.x86_64"), pkg(t, "a-2-1.aarch64")},
			install("a"), false,
			[]string{"a-1-1.x86_64"},
		},
		"installs two architectures when both are asked for": {
			[]Package{pkg(t, "a-1-1.i686"), pkg(t, "a-1-1.x86_64")},
			[]Job{{NEVRA: nevra(t, "a-1-1.i686")}, {NEVRA: nevra(t, "a-1-1.x86_64")}},
			false,
			[]string{"a-1-1.i686", "a-1-1.x86_64"},
		},
		"installs by name what is not the newest provider": {
			[]Package{pkg(t, "a-1-1.noarch"), pkg(t, "b-2-1.noarch", "Provides: a = 3")},
			[]Job{{Name: "a"}},
			false,
			[]string{"a-1-1.noarch"},
		},
		"installs exactly the package asked for": {
			[]Package{pkg(t, "a-1-1.noarch"), pkg(t, "a-2-1.noarch")},
			[]Job{{NEVRA: nevra(t, "a-1-1.noarch")}},
			false,
			[]string{"a-1-1.noarch"},
		},
		"leaves out what is locked": {
			[]Package{pkg(t, "a-1-1.noarch"), pkg(t, "a-2-1.noarch")},
			[]Job{{Name: "a"}, {Action: Lock, NEVRA: nevra(t, "a-2-1.noarch")}},
			false,
			[]string{"a-1-1.noarch"},
		},
		"prefers what is favored": {
			[]Package{pkg(t, "a-1-1.noarch", "Provides: cap"), pkg(t, "b-1-1.noarch", "Provides: cap")},
			[]Job{{Requirement: "cap"}, {Action: Favor, Name: "b"}},
			false,
			[]string{"b-1-1.noarch"},
		},
		"avoids what is disfavored": {
			[]Package{pkg(t, "a-1-1.noarch", "Provides: cap"), pkg(t, "b-1-1.noarch", "Provides: cap")},
			[]Job{{Requirement: "cap"}, {Action: Disfavor, Name: "a"}},
			false,
			[]string{"b-1-1.noarch"},
		},
		"leaves recommendations out": {
			[]Package{pkg(t, "a-1-1.noarch", "Recommends: b"), pkg(t, "b-1-1.noarch")},
			install("a"), false,
			[]string{"a-1-1.noarch"},
		},
		"takes recommendations and supplements when they are wanted": {
			[]Package{pkg(t, "a-1-1.noarch", "Recommends: b"), pkg(t, "b-1-1.noarch"), pkg(t, "c-1-1.noarch", "Supplements: b")},
			install("a"), true,
			[]string{"a-1-1.noarch", "b-1-1.noarch", "c-1-1.noarch"},
		},
		"avoids conflicts": {
			[]Package{
				pkg(t, "a-1-1.noarch", "Requires: cap"),
				pkg(t, "x-1-1.noarch", "Provides: cap", "Conflicts: a < 2"),
				pkg(t, "y-1-1.noarch", "Provides: cap", "Conflicts: a < 1"),
			},
			install("a"), false,
			[]string{"a-1-1.noarch", "y-1-1.noarch"},
		},
		"keeps rich dependencies": {
			[]Package{
				pkg(t, "a-1-1.noarch", "Requires: (b if c), (d or e), (f unless g), (h >= 1 with h < 2)"),
				pkg(t, "b-1-1.noarch"),
				pkg(t, "c-1-1.noarch"),
				pkg(t, "e-1-1.noarch"),
				pkg(t, "f-1-1.noarch"),
				pkg(t, "hh-1-1.noarch", "Provides: h = 1.5"),
				pkg(t, "h2-1-1.noarch", "Provides: h = 2"),
			},
			install("a", "c"), false,
			[]string{"a-1-1.noarch", "b-1-1.noarch", "c-1-1.noarch", "e-1-1.noarch", "f-1-1.noarch", "hh-1-1.noarch"},
		},
		"needs nothing of what rpm itself provides": {
			[]Package{pkg(t, "a-1-1.noarch", "Requires: rpmlib(CompressedFileNames) <= 3.0.4-1")},
			install("a"), false,
			[]string{"a-1-1.noarch"},
		},
		"chooses streams of modules as MBS does": {
			// As facts of MBS: a stream provides module(name) and module(name:stream),
			// and conflicts with the other streams.
			[]Package{
				{NEVRA: rpmfile.NEVRA{Name: "platform:f37:1:c0", Version: "1", Arch: "x86_64"}, Dependencies: deps(t, "Provides: module(platform), module(platform:f37) = 37")},
				{NEVRA: rpmfile.NEVRA{Name: "gtk:1:1:c1", Version: "1", Arch: "x86_64"}, Dependencies: deps(t, "Provides: module(gtk), module(gtk:1) = 1", "Conflicts: (module(gtk) without module(gtk:1))", "Requires: (module(platform) with module(platform:f37))")},
				{NEVRA: rpmfile.NEVRA{Name: "gtk:2:1:c2", Version: "1", Arch: "x86_64"}, Dependencies: deps(t, "Provides: module(gtk), module(gtk:2) = 1", "Conflicts: (module(gtk) without module(gtk:2))", "Requires: module(platform:f38)")},
				{NEVRA: rpmfile.NEVRA{Name: "app:1:1:c3", Version: "1", Arch: "x86_64"}, Dependencies: deps(t, "Requires: (module(gtk) with (module(gtk:1) or module(gtk:2)))")},
			},
			[]Job{{Name: "app:1:1:c3"}},
			false,
			[]string{"app:1:1:c3-1-.x86_64", "gtk:1:1:c1-1-.x86_64", "platform:f37:1:c0-1-.x86_64"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pool(t, tt.packages...).Solve(t.Context(), tt.jobs, Options{Weak: tt.weak})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, names(got)); diff != "" {
				t.Errorf("installed (-want +got)\n%s", diff)
			}
		})
	}
}

func TestRankOfRepositories(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		near, far Rank
		want      Member
	}{
		"the newest version wins":                      {Rank{}, Rank{}, Member{nevra(t, "a-2-1.noarch"), "far"}},
		"the lower priority wins against newer ones":   {Rank{Priority: 1}, Rank{Priority: 2}, Member{nevra(t, "a-1-1.noarch"), "near"}},
		"the lower cost does not win against newer":    {Rank{Cost: 1}, Rank{Cost: 2}, Member{nevra(t, "a-2-1.noarch"), "far"}},
		"the higher priority loses against older ones": {Rank{Priority: 2}, Rank{Priority: 1}, Member{nevra(t, "a-2-1.noarch"), "far"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pool(t)
			for _, repo := range []struct {
				name     string
				rank     Rank
				packages []Package
			}{
				{"far", tt.far, []Package{pkg(t, "a-2-1.noarch"), pkg(t, "same-1-1.noarch")}},
				{"near", tt.near, []Package{pkg(t, "a-1-1.noarch"), pkg(t, "same-1-1.noarch")}},
			} {
				if _, err := p.AddPackages(repo.name, repo.rank, repo.packages); err != nil {
					t.Fatal(err)
				}
			}
			got, err := p.Solve(t.Context(), install("a"), Options{})
			if diff := cmp.Diff([]Member{tt.want}, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			got, err = p.Solve(t.Context(), install("same"), Options{})
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			if tt.near.Cost < tt.far.Cost && got[0].Repo != "near" {
				t.Errorf("of two equal packages, that of %s was taken", got[0].Repo)
			}
		})
	}
}

func TestExcludedPackagesAreAbsent(t *testing.T) {
	t.Parallel()
	p := pool(t, pkg(t, "a-1-1.noarch"), pkg(t, "a-2-1.noarch"))
	for _, tt := range []struct {
		without, want string
	}{{"2", "a-1-1.noarch"}, {"1", "a-2-1.noarch"}, {"", "a-2-1.noarch"}} {
		p.Exclude(func(repo string, n rpmfile.NEVRA) bool { return repo == "repo" && n.Version == tt.without })
		for range 2 {
			got, err := p.WhatProvides(t.Context(), "a = "+strings.TrimSuffix(strings.TrimPrefix(tt.want, "a-"), "-1.noarch"))
			if diff := cmp.Diff([]string{tt.want}, names(got)); err != nil || diff != "" {
				t.Errorf("without %q: %v (-want +got)\n%s", tt.without, err, diff)
			}
		}
		got, err := p.Solve(t.Context(), install("a"), Options{})
		if diff := cmp.Diff([]string{tt.want}, names(got)); err != nil || diff != "" {
			t.Errorf("without %q: %v (-want +got)\n%s", tt.without, err, diff)
		}
	}
}

func TestRepositoriesMayComeAfterQuestions(t *testing.T) {
	t.Parallel()
	p := pool(t, pkg(t, "a-1-1.noarch", "Requires: /opt/b"))
	if _, err := p.Solve(t.Context(), install("a"), Options{}); err == nil {
		t.Fatal("solved without /opt/b")
	}
	if _, err := p.AddPackages("more", Rank{}, []Package{pkg(t, "b-1-1.noarch", "Files: /opt/b")}); err != nil {
		t.Fatal(err)
	}
	got, err := p.Solve(t.Context(), install("a"), Options{})
	if diff := cmp.Diff([]string{"a-1-1.noarch", "b-1-1.noarch"}, names(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestJobsThatSayNothingAreRefused(t *testing.T) {
	t.Parallel()
	p := pool(t, pkg(t, "a-1-1.noarch"))
	for _, job := range []Job{
		{},
		{Name: "a", Requirement: "a"},
		{Name: "a", NEVRA: nevra(t, "a-1-1.noarch")},
		{Name: "a\x00b"},
		{Requirement: "a >="},
		{Action: 17, Name: "a"},
	} {
		if got, err := p.Solve(t.Context(), []Job{job}, Options{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: got %v, %v; want ErrMalformed", job, got, err)
		}
	}
}

func TestClosedPoolsAnswerNothing(t *testing.T) {
	t.Parallel()
	p := pool(t, pkg(t, "a-1-1.noarch"))
	p.Close()
	p.Close()
	_, solve := p.Solve(t.Context(), install("a"), Options{})
	_, provides := p.WhatProvides(t.Context(), "a")
	_, nearest := p.Nearest(t.Context(), "b")
	_, add := p.AddPackages("r", Rank{}, nil)
	for what, err := range map[string]error{"Solve": solve, "WhatProvides": provides, "Nearest": nearest, "AddPackages": add} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: got %v, want ErrClosed", what, err)
		}
	}
}

func TestAnEndedContextEndsQuestions(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := pool(t, pkg(t, "a-1-1.noarch")).Solve(ctx, install("a"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v; want the context's error", got, err)
	}
}

func nevra(t testing.TB, text string) rpmfile.NEVRA {
	t.Helper()
	n, err := rpmfile.ParseNEVRA(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
