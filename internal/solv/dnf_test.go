package solv

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// oracle is a running dnf that answers questions about one repository.
type oracle struct {
	in  io.Writer
	out *bufio.Scanner
}

func startOracle(t *testing.T, repository string) oracle {
	t.Helper()
	home := t.TempDir()
	// dnf's modules belong to the system's Python, whatever PATH finds.
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "/usr/bin/python3"), "testdata/oracle.py", repository, home)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return oracle{in, bufio.NewScanner(out)}
}

// ask returns sorted NEVRAs; nil when there is no solution.
func (o oracle) ask(t *testing.T, question map[string]any) []string {
	t.Helper()
	text, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(o.in, "%s\n", text); err != nil {
		t.Fatal(err)
	}
	var answer []string
	if !o.out.Scan() {
		t.Fatalf("dnf gave no answer to %s: %v", text, o.out.Err())
	}
	if err := json.Unmarshal(o.out.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestAnswersAreThoseOfDNF asks dnf and this package the same of the same
// repodata.
func TestAnswersAreThoseOfDNF(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint("universe ", seed), func(t *testing.T) {
			t.Parallel()
			dir := publish(t, universe(seed, 60))
			dnf := startOracle(t, dir)
			p, err := LoadDir(t.Context(), "x86_64", dir)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			compareProviders(t, p, dnf)
			compareSolutions(t, p, dnf, seed)
		})
	}
}

func compareProviders(t *testing.T, p *Pool, dnf oracle) {
	t.Helper()
	for i := range 30 {
		for _, question := range []string{
			fmt.Sprintf("cap%d", i), fmt.Sprintf("cap%d >= 2", i), fmt.Sprintf("cap%d < 2", i), fmt.Sprintf("p%d = 1-1", i),
			fmt.Sprintf("p%d = 2", i), fmt.Sprintf("/usr/bin/f%d", i), fmt.Sprintf("/usr/share/f%d", i),
		} {
			got, err := p.WhatProvides(t.Context(), question)
			if err != nil {
				t.Fatal(err)
			}
			ours := names(got)
			slices.Sort(ours)
			theirs := dnf.ask(t, map[string]any{"provides": question})
			if question[0] == '/' {
				// hawkey finds packages by files only with another filter.
				continue
			}
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("what provides %s (-dnf +solv)\n%s", question, diff)
			}
		}
	}
}

func compareSolutions(t *testing.T, p *Pool, dnf oracle, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	solved := 0
	for range 150 {
		var jobs []Job
		var specs []string
		for range 1 + r.IntN(3) {
			name := fmt.Sprintf("p%d", r.IntN(60))
			jobs, specs = append(jobs, Job{Name: name}), append(specs, name)
		}
		weak := r.IntN(2) == 0
		got, err := p.Solve(t.Context(), jobs, Options{Weak: weak})
		var unsolvable *UnsolvableError
		if err != nil && !errors.As(err, &unsolvable) {
			t.Fatal(err)
		}
		var ours []string
		if err == nil {
			solved++
			ours = names(got)
			slices.Sort(ours)
		}
		theirs := dnf.ask(t, map[string]any{"install": specs, "weak": weak})
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("install %q, weak %v (-dnf +solv)\n%s\n%v", specs, weak, diff, err)
		}
	}
	if solved < 20 || solved > 145 {
		t.Errorf("%d of 150 could be solved: the universe is too easy or too hard to tell anything", solved)
	}
}

// TestRepositoriesOfCreaterepo reads what createrepo_c writes about real RPMs,
// in each of its compressions.
func TestRepositoriesOfCreaterepo(t *testing.T) {
	t.Parallel()
	const spec = `Name: real
Version: 1.2~rc1
Release: 3
Epoch: 1
Summary: s
License: MIT
%description
%package devel
Summary: s
Requires: %{name}%{?_isa} = %{epoch}:%{version}-%{release}, /usr/share/real/data
Requires: (real-doc if real-help)
Provides: pkgconfig(real) = 1.2
%description devel
%install
mkdir -p %{buildroot}/usr/share/real
touch %{buildroot}/usr/share/real/data
%files
/usr/share/real/data
%files devel
`
	rpms := rpmtest.Build(t, "x86_64", spec, nil)
	for _, compression := range []string{"gz", "xz"} {
		t.Run(compression, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, rpm := range rpms {
				if err := os.Link(rpm, filepath.Join(dir, filepath.Base(rpm))); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "createrepo_c"), "-q", "--no-database", "--general-compress-type="+compression, dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			p, err := LoadDir(t.Context(), "x86_64", dir)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			got, err := p.Solve(t.Context(), install("pkgconfig(real) >= 1.1"), Options{})
			if diff := cmp.Diff([]string{"real-1:1.2~rc1-3.x86_64", "real-devel-1:1.2~rc1-3.x86_64"}, names(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}
