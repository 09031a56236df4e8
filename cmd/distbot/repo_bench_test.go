package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

// BenchmarkRepoCreate compares the whole process with createrepo_c's, in turn on
// the same directory, where one package changed and where nothing is
// known of it yet.
func BenchmarkRepoCreate(b *testing.B) {
	for _, packages := range []int{5000, 20000, 50000} {
		b.Run(fmt.Sprintf("packages=%d", packages), func(b *testing.B) { benchmarkRepoCreate(b, packages) })
	}
}

func benchmarkRepoCreate(b *testing.B, packages int) {
	dir, cache := b.TempDir(), b.TempDir()
	binary := filepath.Join(b.TempDir(), "distbot")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for i := range packages {
		directorytest.Pack(b, dir, i, 1)
	}
	ours, theirs := filepath.Join(dir, "repodata"), b.TempDir()
	distbot := func(args ...string) processUsage {
		return measure(b, binary, append([]string{"repo", "create", dir, "--workers", "2", "--cachedir", cache}, args...)...)
	}
	createrepo := func(args ...string) processUsage {
		return measure(b, rpmtest.Tool(b, "createrepo_c"), append([]string{"-q", "--no-database", "--workers", "2", "-o", theirs, dir}, args...)...)
	}
	compare := func(b *testing.B, prepare func(), distbot, createrepo func() processUsage) {
		var a, c processUsage
		for b.Loop() {
			b.StopTimer()
			prepare()
			b.StartTimer()
			a.add(distbot())
			b.StopTimer()
			c.add(createrepo())
			b.StartTimer()
		}
		n := float64(b.N)
		b.ReportMetric(a.wall.Seconds()*1000/n, "ms")
		b.ReportMetric(a.processor.Seconds()*1000/n, "cpu-ms")
		b.ReportMetric(c.wall.Seconds()*1000/n, "createrepo-ms")
		b.ReportMetric(c.processor.Seconds()*1000/n, "createrepo-cpu-ms")
		b.ReportMetric(c.wall.Seconds()/a.wall.Seconds(), "times-faster")
		b.ReportMetric(float64(a.memory)/1024, "MiB")
		b.ReportMetric(float64(c.memory)/1024, "createrepo-MiB")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("from cold", func(b *testing.B) {
		compare(b, func() {
			for _, d := range []string{ours, filepath.Join(theirs, "repodata")} {
				if err := os.RemoveAll(d); err != nil {
					b.Fatal(err)
				}
			}
		}, func() processUsage { return distbot() }, func() processUsage { return createrepo() })
	})
	release, changed := 1, filepath.Join(dir, "package02500-1.0-1.x86_64.rpm")
	b.Run("one changed", func(b *testing.B) {
		compare(b, func() {
			release++
			if err := os.Remove(changed); err != nil {
				b.Fatal(err)
			}
			changed = directorytest.Pack(b, dir, 2500, release)
		}, func() processUsage { return distbot("--update") }, func() processUsage { return createrepo("--update", "--skip-stat") })
	})
}

// processUsage is what a process, or several, took.
type processUsage struct {
	wall, processor time.Duration
	memory          int64 // KiB at most
}

func (u *processUsage) add(v processUsage) {
	u.wall += v.wall
	u.processor += v.processor
	u.memory = max(u.memory, v.memory)
}

// measure runs a program. The kernel's own count of a child's memory begins with
// that of the process that started it, so it is asked while the program runs.
func measure(b *testing.B, name string, args ...string) processUsage {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), name, args...)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended, most := make(chan struct{}), make(chan int64)
	go func() {
		peak := int64(0)
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			select {
			case <-ended:
				most <- peak
				return
			case <-tick.C:
				peak = max(peak, peakMemory(cmd.Process.Pid))
			}
		}
	}()
	err := cmd.Wait()
	wall := time.Since(start)
	close(ended)
	peak := <-most
	if err != nil {
		b.Fatalf("%s %q: %v", name, args, err)
	}
	return processUsage{wall: wall, processor: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: peak}
}

// peakMemory is the most memory a process has had so far, in KiB; 0 for none.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
