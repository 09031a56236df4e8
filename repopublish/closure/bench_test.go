package closure

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/moduletest"
)

// distribution makes packages such as a distribution has: each provides itself,
// a library and what it is built with, and requires a dozen others and a file
// that only filelists.xml has.
func distribution(count int) []*rpmfile.Package {
	packages := make([]*rpmfile.Package, count)
	for i := range packages {
		p := &rpmfile.Package{NEVRA: rpmfile.NEVRA{Name: fmt.Sprintf("package%05d", i), Version: fmt.Sprint(i % 50), Release: "1.el8", Arch: "x86_64"}}
		p.Summary, p.Description, p.License = "Package "+p.Name, "A package of a benchmark.\nIts description has two lines.", "MIT"
		self := rpmfile.Dependency{Name: p.Name, Flags: rpmfile.FlagEqual, EVR: p.EVR(), Epoch: "0", Version: p.Version, Release: p.Release}
		isa := self
		isa.Name += "(x86-64)"
		p.Provides = []rpmfile.Dependency{self, isa, {Name: fmt.Sprintf("lib%05d.so.%d()(64bit)", i, i%7)}, {Name: fmt.Sprintf("pkgconfig(lib%05d)", i)}}
		for j := range 12 {
			other := (i * (j + 1) / 20) % max(1, i)
			p.Requires = append(p.Requires, rpmfile.Dependency{Name: fmt.Sprintf("lib%05d.so.%d()(64bit)", other, other%7)})
		}
		p.Requires = append(p.Requires, rpmfile.Dependency{Name: fmt.Sprintf("/usr/share/package%05d/file3", i/2)})
		p.Files = append(p.Files, rpmfile.File{Path: "/usr/bin/" + p.Name, Mode: 0o100755})
		for j := range 40 {
			p.Files = append(p.Files, rpmfile.File{Path: fmt.Sprintf("/usr/share/%s/file%d", p.Name, j), Mode: 0o100644})
		}
		packages[i] = p
	}
	return packages
}

// BenchmarkClosureOf5000Packages also runs dnf repoclosure of the same
// repository once, reports the processor time of both, and how many times as
// much dnf needs.
func BenchmarkClosureOf5000Packages(b *testing.B) {
	dir := writePackages(b, distribution(5000), "")
	client := moduletest.NewClient(b)
	begin := processorTime(b, unix.RUSAGE_CHILDREN)
	if theirs := repoclosure(b, client, []string{"r," + dir}); len(theirs) > 0 {
		b.Fatal(theirs)
	}
	dnf := processorTime(b, unix.RUSAGE_CHILDREN) - begin
	begin = processorTime(b, unix.RUSAGE_SELF)
	for b.Loop() {
		if r := mustCheck(b, Options{}, repo(b, "r", dir)); !r.OK() || r.Packages != 5000 {
			b.Fatalf("%+v", r)
		}
	}
	ours := (processorTime(b, unix.RUSAGE_SELF) - begin) / float64(b.N)
	b.ReportMetric(dnf, "dnf-cpu-s")
	b.ReportMetric(ours, "cpu-s/op")
	b.ReportMetric(dnf/ours, "dnf/distbot")
}

// processorTime is what this process, or its children, have used, in seconds.
func processorTime(tb testing.TB, who int) float64 {
	tb.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(who, &usage); err != nil {
		tb.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
