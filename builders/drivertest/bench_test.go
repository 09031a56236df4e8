package drivertest_test

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/builders/mock"
	"github.com/distbot/distbot/builders/rootfs"
	"github.com/distbot/distbot/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

// rivals are drivers that build the same. Where there is no mock, or the user is
// not root, other is nil.
type rivals struct {
	dir    string
	runner *sandbox.Runner
	own    *rootfs.Driver
	other  *mock.Driver
	base   builders.Repo
}

func newRivals(b *testing.B) *rivals {
	b.Helper()
	//nolint:usetesting // mock's user may not pass the parent of b.TempDir
	dir, err := os.MkdirTemp("", "distbot-drivers-bench-")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	r := &rivals{dir: dir, base: builders.Repo{Name: "base", URL: "file://" + filepath.Join(dir, "base"), Cost: 1}}
	if r.runner, err = sandbox.New(b.Context(), sandbox.Config{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, mapped := range []string{"buildroots", "bare"} {
			if err := r.runner.RemoveAll(context.WithoutCancel(b.Context()), filepath.Join(dir, mapped)); err != nil {
				b.Log(err)
			}
		}
		os.RemoveAll(dir)
	})
	if err := drivertest.Base(b.Context(), filepath.Join(dir, "base")); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if r.own, err = rootfs.New(rootfs.Config{Dir: filepath.Join(dir, "buildroots"), Runner: r.runner, Logger: log}); err != nil {
		b.Fatal(err)
	}
	program, err := exec.LookPath(cmp.Or(os.Getenv("DISTBOT_MOCK"), "mock"))
	if err == nil && os.Geteuid() == 0 {
		if r.other, err = mock.New(b.Context(), mock.Config{Dir: filepath.Join(dir, "mock"), Runner: r.runner, Logger: log, Program: program}); err != nil {
			b.Fatal(err)
		}
	}
	return r
}

// makeSRPM makes the source package of a checkout, and returns its path and how
// long that took.
func (r *rivals) makeSRPM(b *testing.B, driver builders.Driver, dir, spec string) (string, time.Duration) {
	b.Helper()
	order := drivertest.Order(b, drivertest.BuildGroup, r.base)
	start := time.Now()
	_, err := driver.SRPM(b.Context(), builders.SRPMOrder{Order: order, SourceDir: dir, Spec: spec})
	took := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	names := drivertest.Names(b, order.ResultDir)
	if len(names) != 1 {
		b.Fatalf("source packages %q, want one", names)
	}
	return filepath.Join(order.ResultDir, names[0]), took
}

// build makes the packages of a source package, and returns how long that took.
func (r *rivals) build(b *testing.B, driver builders.Driver, srpm, target string) time.Duration {
	b.Helper()
	order := drivertest.Order(b, drivertest.BuildGroup, r.base)
	start := time.Now()
	if _, err := driver.Build(b.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: target}); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkDrivers builds one small noarch package by rootfs and by mock in
// turn, as the machine may have other work, with what they keep between builds
// there. ratio is mock's time by that of rootfs.
func BenchmarkDrivers(b *testing.B) {
	r := newRivals(b)
	srpm, _ := r.makeSRPM(b, r.own, drivertest.Demo(b, "../../testdata/distgit", "greet-motd"), "greet-motd.spec")
	r.build(b, r.own, srpm, "noarch")
	if r.other != nil {
		r.build(b, r.other, srpm, "noarch")
	}
	var ownTime, otherTime time.Duration
	for b.Loop() {
		ownTime += r.build(b, r.own, srpm, "noarch")
		if r.other != nil {
			otherTime += r.build(b, r.other, srpm, "noarch")
		}
	}
	n := float64(b.N)
	b.ReportMetric(ownTime.Seconds()/n, "rootfs-s")
	if r.other != nil {
		b.ReportMetric(otherTime.Seconds()/n, "mock-s")
		b.ReportMetric(otherTime.Seconds()/ownTime.Seconds(), "ratio")
	}
}
