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

// BenchmarkDrivers builds one small noarch package by rootfs and by mock in
// turn, as the machine may have other work, with what they keep between builds
// there. ratio is mock's time by that of rootfs. Where there is no mock, or the
// user is not root, rootfs is measured alone.
func BenchmarkDrivers(b *testing.B) {
	program, err := exec.LookPath(cmp.Or(os.Getenv("DISTBOT_MOCK"), "mock"))
	withMock := err == nil && os.Geteuid() == 0
	//nolint:usetesting // mock's user may not pass the parent of b.TempDir
	dir, err := os.MkdirTemp("", "distbot-drivers-bench-")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	runner, err := sandbox.New(b.Context(), sandbox.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := runner.RemoveAll(context.WithoutCancel(b.Context()), filepath.Join(dir, "buildroots")); err != nil {
			b.Log(err)
		}
		os.RemoveAll(dir)
	})
	if err := drivertest.Base(b.Context(), filepath.Join(dir, "base")); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	own, err := rootfs.New(rootfs.Config{Dir: filepath.Join(dir, "buildroots"), Runner: runner, Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	var other *mock.Driver
	if withMock {
		if other, err = mock.New(b.Context(), mock.Config{Dir: filepath.Join(dir, "mock"), Runner: runner, Logger: log, Program: program}); err != nil {
			b.Fatal(err)
		}
	}
	base := builders.Repo{Name: "base", URL: "file://" + filepath.Join(dir, "base"), Cost: 1}
	order := drivertest.Order(b, drivertest.BuildGroup, base)
	_, err = own.SRPM(b.Context(), builders.SRPMOrder{Order: order, SourceDir: drivertest.Demo(b, "../../testdata/distgit", "greet-motd"), Spec: "greet-motd.spec"})
	if err != nil {
		b.Fatal(err)
	}
	srpm := filepath.Join(order.ResultDir, "greet-motd-2.0-3.fc37.src.rpm")
	build := func(driver builders.Driver) time.Duration {
		order := drivertest.Order(b, drivertest.BuildGroup, base)
		start := time.Now()
		if _, err := driver.Build(b.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"}); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	build(own)
	if withMock {
		build(other)
	}
	var ownTime, otherTime time.Duration
	for b.Loop() {
		ownTime += build(own)
		if withMock {
			otherTime += build(other)
		}
	}
	n := float64(b.N)
	b.ReportMetric(ownTime.Seconds()/n, "rootfs-s")
	if withMock {
		b.ReportMetric(otherTime.Seconds()/n, "mock-s")
		b.ReportMetric(otherTime.Seconds()/ownTime.Seconds(), "ratio")
	}
}
