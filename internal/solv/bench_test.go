package solv

import (
	"fmt"
	"testing"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// distribution makes 5,000 packages such as a distribution has: each provides itself,
// a library and what it is built with, and requires a dozen others; all of them
// can be installed.
func distribution() []Package {
	packages := make([]Package, 5000)
	for i := range packages {
		n := rpmfile.NEVRA{Name: fmt.Sprintf("package%05d", i), Version: fmt.Sprint(i % 50), Release: "1.fc37", Arch: "x86_64"}
		d := repomd.Dependencies{Provides: []rpmfile.Dependency{
			plain(n.Name, "=", n.EVR()), plain(n.Name+"(x86-64)", "=", n.EVR()),
			plain(fmt.Sprintf("lib%05d.so.%d()(64bit)", i, i%7), "", ""), plain(fmt.Sprintf("pkgconfig(lib%05d)", i), "=", n.Version),
		}}
		for j := range 12 {
			// Those that come before: most requirements are of a few.
			other := (i * (j + 1) / 20) % max(1, i)
			d.Requires = append(d.Requires, plain(fmt.Sprintf("lib%05d.so.%d()(64bit)", other, other%7), "", ""))
		}
		packages[i] = Package{NEVRA: n, Dependencies: d, Files: []string{"/usr/bin/" + n.Name, "/usr/share/doc/" + n.Name}}
	}
	return packages
}

func load(b *testing.B, dir string) *Pool {
	b.Helper()
	p, err := LoadDir(b.Context(), "x86_64", dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}

func BenchmarkLoad5000Packages(b *testing.B) {
	dir := publish(b, distribution())
	b.ReportAllocs()
	for b.Loop() {
		p, err := LoadDir(b.Context(), "x86_64", dir)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

func BenchmarkAdd5000Packages(b *testing.B) {
	packages := distribution()
	b.ReportAllocs()
	for b.Loop() {
		p, err := New("x86_64")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.AddPackages("r", Rank{}, packages); err != nil {
			b.Fatal(err)
		}
		if err := p.prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

func BenchmarkSolveOf5000Packages(b *testing.B) {
	p := load(b, publish(b, distribution()))
	for name, requirement := range map[string]string{"one": "package00000", "hundreds": "pkgconfig(lib04999) >= 1"} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				got, err := p.Solve(b.Context(), install(requirement), Options{})
				if err != nil {
					b.Fatal(err)
				}
				n = len(got)
			}
			b.ReportMetric(float64(n), "packages")
		})
	}
	b.Run("unsolvable", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.Solve(b.Context(), install("pkgconfig(lib04999) >= 100"), Options{}); err == nil {
				b.Fatal("solved")
			}
		}
	})
}

func BenchmarkWhatProvidesOf5000Packages(b *testing.B) {
	p := load(b, publish(b, distribution()))
	i := 0
	for b.Loop() {
		i++
		if got, err := p.WhatProvides(b.Context(), fmt.Sprintf("pkgconfig(lib%05d) >= %d", i%5000, i%50)); err != nil || len(got) > 1 {
			b.Fatal(got, err)
		}
	}
}

func BenchmarkNearestOf5000Packages(b *testing.B) {
	p := load(b, publish(b, distribution()))
	for b.Loop() {
		if got, err := p.Nearest(b.Context(), "pkgconfig(libb01234)"); err != nil || len(got) == 0 {
			b.Fatal(got, err)
		}
	}
}

func BenchmarkFirstNearestOf5000Packages(b *testing.B) {
	p := load(b, publish(b, distribution()))
	for b.Loop() {
		p.index = nil
		if got, err := p.Nearest(b.Context(), "pkgconfig(libb01234)"); err != nil || len(got) == 0 {
			b.Fatal(got, err)
		}
	}
}
