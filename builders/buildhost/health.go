package buildhost

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/queue"
)

// Health looks whether a machine is fit for work. Its method is safe for
// concurrent use.
type Health struct {
	// Dirs are where builds write; the file system with the least space counts.
	Dirs []string
	// MinDisk is how many bytes must be free there, and MinMemory how many of
	// memory; 0 asks for nothing.
	MinDisk, MinMemory int64
	// MaxLoad is the load average for each processor above which the machine is
	// not fit; 0 for any. Koji's is 4.
	MaxLoad float64
	// Proc is where the kernel tells of load and memory. Default /proc.
	Proc string
	// CPUs is how many processors there are. Default: those of this machine.
	CPUs int
}

// Check tells what the machine is like. What can't be found out is a reason to
// take no work.
func (h Health) Check() queue.HostStatus {
	var status queue.HostStatus
	for _, check := range []func(*queue.HostStatus) string{h.disk, h.memory, h.load} {
		if why := check(&status); why != "" && status.Unready == "" {
			status.Unready = why
		}
	}
	return status
}

func (h Health) disk(status *queue.HostStatus) string {
	fullest := ""
	for _, dir := range h.Dirs {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			return fmt.Sprintf("the free space of %s can't be told: %v", dir, err)
		}
		// Blocks are at most a petabyte's worth.
		free := int64(fs.Bavail) * fs.Bsize
		if fullest == "" || free < status.DiskFree {
			fullest, status.DiskFree = dir, free
		}
	}
	if fullest != "" && status.DiskFree < h.MinDisk {
		return fmt.Sprintf("%s of disk are free, min_disk is %s: %s", size(status.DiskFree), size(h.MinDisk), fullest)
	}
	return ""
}

func (h Health) memory(status *queue.HostStatus) string {
	text, err := os.ReadFile(filepath.Join(cmp.Or(h.Proc, "/proc"), "meminfo"))
	if err != nil {
		return "the free memory can't be told: " + err.Error()
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "MemAvailable:" {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			break
		}
		status.MemoryFree = kilobytes << 10
		if status.MemoryFree < h.MinMemory {
			return fmt.Sprintf("%s of memory are free, min_memory is %s", size(status.MemoryFree), size(h.MinMemory))
		}
		return ""
	}
	return "the free memory can't be told: meminfo has no MemAvailable"
}

func (h Health) load(status *queue.HostStatus) string {
	text, err := os.ReadFile(filepath.Join(cmp.Or(h.Proc, "/proc"), "loadavg"))
	if err != nil {
		return "the load can't be told: " + err.Error()
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 32)
	if err != nil {
		return "the load can't be told: " + err.Error()
	}
	status.LoadAverage = float32(load)
	cpus := cmp.Or(h.CPUs, runtime.NumCPU())
	if most := h.MaxLoad * float64(cpus); most > 0 && load > most {
		return fmt.Sprintf("the load average is %.1f, max_load allows %.1f for %d processors", load, most, cpus)
	}
	return ""
}

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
