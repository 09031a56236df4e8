package main

import (
	"slices"
	"time"
)

// The least of what bounds a build: with less even the smallest package fails,
// whatever it is, so that such a number is a slip.
const (
	leastMemory   = Bytes(64 << 20)
	leastFileSize = Bytes(1 << 20)
	leastDisk     = Bytes(64 << 20)
	leastLog      = Bytes(4 << 10)
	leastPIDs     = 16
	leastCPUs     = 0.01
	mostCPUs      = 10_000
	leastTimeout  = Duration(time.Second)
)

// check notes what no build could live with; path is where the limits are in the
// file and where what their mistakes begin with.
func (l LimitsConfig) check(file *settingsFile, where string, path []any) {
	add := func(key, format string, args ...any) {
		file.add(append(slices.Clone(path), key), where+"limits: "+key+" "+format, args...)
	}
	for _, size := range []struct {
		key            string
		given, atLeast Bytes
		least          string
	}{
		{"memory", l.Memory, leastMemory, "64M"},
		{"file_size", l.FileSize, leastFileSize, "1M"},
		{"disk", l.Disk, leastDisk, "64M"},
		{"log", l.Log, leastLog, "4K"},
	} {
		if size.given < size.atLeast {
			add(size.key, "must be at least %s, not %d bytes", size.least, size.given)
		}
	}
	if l.PIDs < leastPIDs {
		add("pids", "must be at least %d, not %d", leastPIDs, l.PIDs)
	}
	// Not a number is neither.
	if l.CPUs != 0 && !(l.CPUs >= leastCPUs && l.CPUs <= mostCPUs) {
		add("cpus", "must be between %v and %d, or 0 for no limit, not %v", leastCPUs, mostCPUs, l.CPUs)
	}
	if l.Timeout < leastTimeout {
		add("timeout", "must be at least 1s, not %s", time.Duration(l.Timeout))
	}
}
