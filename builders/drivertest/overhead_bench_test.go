package drivertest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/sandbox"
)

// BenchmarkOverhead makes a small C library, with debuginfo and a test, from its
// sources: by rpmbuild alone in an unpacked root, by rootfs, and by mock, in turn
// within one run. srpm-s and build-s are the two tasks of a package, each
// from the order to its results: the buildroot's set-up and end, rpmbuild, and
// taking the packages out. overhead-s is what rootfs takes for both beyond
// rpmbuild, overhead-cpu-s the same of processor time, which other work on the
// machine does not change much; ratio is mock's time by that of rootfs.
//
// Of "requirements in the base" the buildroot holds all that the spec requires;
// for the other they are installed.
func BenchmarkOverhead(b *testing.B) {
	r := newRivals(b)
	for _, test := range []struct{ name, requires string }{
		{"requirements in the base", ""},
		{"requirements to be installed", "BuildRequires: autoconf automake libtool unzip\n"},
	} {
		b.Run(test.name, func(b *testing.B) {
			dir := drivertest.Demo(b, "../../testdata/distgit", "libgreet")
			spec := filepath.Join(dir, "libgreet.spec")
			text, err := os.ReadFile(spec)
			if err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(spec, []byte(strings.Replace(string(text), "BuildRequires:", test.requires+"BuildRequires:", 1)), 0o644); err != nil {
				b.Fatal(err)
			}
			r.compare(b, dir)
		})
	}
}

// compare builds a checkout of libgreet by all ways.
func (r *rivals) compare(b *testing.B, dir string) {
	drivers := map[string]builders.Driver{"rootfs": r.own}
	if r.other != nil {
		drivers["mock"] = r.other
	}
	took := map[string]spent{}
	note := func(name string, do func() (srpm, build time.Duration)) {
		before := processorTime(b)
		srpm, build := do()
		took[name] = spent{took[name].srpm + srpm, took[name].build + build, took[name].processor + processorTime(b) - before}
	}
	once := func() {
		note("rpmbuild", func() (srpm, build time.Duration) { return r.bare(b, dir) })
		for name, driver := range drivers {
			note(name, func() (srpm, build time.Duration) {
				path, srpm := r.makeSRPM(b, driver, dir, "libgreet.spec")
				return srpm, r.build(b, driver, path, arch.Host())
			})
		}
	}
	once() // installs what they keep between builds
	clear(took)
	for b.Loop() {
		once()
	}
	n := float64(b.N)
	alone := took["rpmbuild"]
	for name, s := range took {
		b.ReportMetric(s.srpm.Seconds()/n, name+"-srpm-s")
		b.ReportMetric(s.build.Seconds()/n, name+"-build-s")
	}
	own, other := took["rootfs"], took["mock"]
	b.ReportMetric((own.wall()-alone.wall()).Seconds()/n, "overhead-s")
	b.ReportMetric((own.processor-alone.processor).Seconds()/n, "overhead-cpu-s")
	if r.other != nil {
		b.ReportMetric((other.wall()-alone.wall()).Seconds()/n, "mock-overhead-s")
		b.ReportMetric((other.processor-alone.processor).Seconds()/n, "mock-overhead-cpu-s")
		b.ReportMetric(other.wall().Seconds()/own.wall().Seconds(), "ratio")
	}
}

// spent is what one way took.
type spent struct{ srpm, build, processor time.Duration }

func (s spent) wall() time.Duration { return s.srpm + s.build }

// processorTime is what this process and all that it waited for have used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var usage unix.Rusage
		if err := unix.Getrusage(who, &usage); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return sum
}

// bare runs rpmbuild in a copy of the base root, a plain directory that is not
// thrown away, and returns how long -bs and -bb took. Requirements that are not
// there do not matter to the package.
func (r *rivals) bare(b *testing.B, dir string) (srpm, build time.Duration) {
	b.Helper()
	root := r.unpacked(b)
	home := filepath.Join(r.dir, "bare", "builddir")
	if err := r.runner.RemoveAll(b.Context(), home); err != nil {
		b.Fatal(err)
	}
	if err := r.runner.MkdirMapped(b.Context(), home, 1000, 1000, 0o755); err != nil {
		b.Fatal(err)
	}
	run := func(script string) time.Duration {
		var out bytes.Buffer
		start := time.Now()
		result, err := r.runner.Run(b.Context(), sandbox.Spec{
			Root: sandbox.Root{Dir: root}, UID: 1000, GID: 1000, Dir: "/builddir", NoSync: true,
			Mounts: []sandbox.Mount{
				{Source: home, Target: "/builddir"},
				{Source: dir, Target: "/sources", ReadOnly: true},
				{Type: sandbox.TypeFile, Target: "/tmp/home/.rpmmacros", Data: []byte(buildroot.Macros(map[string]string{"dist": ".fc37"}))},
			},
			Env:  []string{"HOME=/tmp/home", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "SOURCE_DATE_EPOCH=" + strconv.Itoa(1_790_000_000)},
			Args: []string{"/bin/bash", "-ec", script}, Stdout: &out, Stderr: &out,
		})
		if err != nil || result.ExitCode != 0 {
			b.Fatalf("%s: %+v, %v\n%s", script, result, err, out.String())
		}
		return time.Since(start)
	}
	run("mkdir -p build/SOURCES build/SRPMS build/RPMS build/BUILD; cp -r /sources/. build/SOURCES/")
	srpm = run("rpmbuild -bs --nodeps build/SOURCES/libgreet.spec")
	return srpm, run("rpmbuild -bb --nodeps --target " + arch.Host() + " build/SOURCES/libgreet.spec")
}

// unpacked is a copy of the base root that rootfs installs.
func (r *rivals) unpacked(b *testing.B) string {
	b.Helper()
	root := filepath.Join(r.dir, "bare", "root")
	if _, err := os.Stat(root); err == nil {
		return root
	}
	r.makeSRPM(b, r.own, drivertest.Demo(b, "../../testdata/distgit", "greet-motd"), "greet-motd.spec")
	from, err := filepath.Glob(filepath.Join(r.dir, "buildroots", "base", "*", "root"))
	if err != nil || len(from) != 1 {
		b.Fatalf("base roots %q, %v; want one", from, err)
	}
	if err := os.Mkdir(filepath.Dir(root), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := r.runner.MkdirMapped(b.Context(), root, 0, 0, 0o755); err != nil {
		b.Fatal(err)
	}
	view, mounts := sandbox.HostView()
	var out bytes.Buffer
	result, err := r.runner.Run(b.Context(), sandbox.Spec{
		Root: view, Mounts: append(mounts, sandbox.Mount{Source: from[0], Target: "/from", ReadOnly: true}, sandbox.Mount{Source: root, Target: "/to"}),
		Env: []string{"PATH=/usr/bin"}, Args: []string{"/usr/bin/cp", "-a", "/from/.", "/to"}, Stderr: &out,
	})
	if err != nil || result.ExitCode != 0 {
		b.Fatalf("copy the base root: %+v, %v\n%s", result, err, out.String())
	}
	return root
}
