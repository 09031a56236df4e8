package buildhost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	const memory = "MemTotal:       24000000 kB\nMemFree:          100000 kB\nMemAvailable:    2097152 kB\n"
	for name, test := range map[string]struct {
		health           Health
		meminfo, loadavg string
		unready          string // a part of it
	}{
		"A machine with room takes work":         {Health{MinDisk: 1, MinMemory: 2 << 30}, memory, "7.99 1 1 1/1 1\n", ""},
		"A full disk takes none":                 {Health{MinDisk: 1 << 60}, memory, "0.00 1 1 1/1 1\n", "min_disk is 1073741824.0 GiB"},
		"Little memory takes none":               {Health{MinMemory: 2<<30 + 1}, memory, "0.00 1 1 1/1 1\n", "2.0 GiB of memory are free, min_memory is 2.0 GiB"},
		"A load of 4 for each processor is fine": {Health{MaxLoad: 4}, memory, "8.00 1 1 1/1 1\n", ""},
		"A higher load takes none":               {Health{MaxLoad: 4}, memory, "8.01 1 1 1/1 1\n", "the load average is 8.0, max_load allows 8.0 for 2 processors"},
		"Any load is fine without a limit":       {Health{}, memory, "800.01 1 1 1/1 1\n", ""},
		"Unknown memory takes none":              {Health{}, "MemTotal: 1 kB\n", "0.00 1 1 1/1 1\n", "the free memory can't be told"},
		"Unknown load takes none":                {Health{}, memory, "much\n", "the load can't be told"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proc := t.TempDir()
			for file, text := range map[string]string{"meminfo": test.meminfo, "loadavg": test.loadavg} {
				if err := os.WriteFile(filepath.Join(proc, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			test.health.Proc, test.health.CPUs, test.health.Dirs = proc, 2, []string{t.TempDir()}
			got := test.health.Check()
			if (got.Unready == "") != (test.unready == "") || !strings.Contains(got.Unready, test.unready) {
				t.Errorf("unready: %q, want %q", got.Unready, test.unready)
			}
			if got.DiskFree <= 0 {
				t.Errorf("free disk: %d", got.DiskFree)
			}
		})
	}
	t.Run("A directory that is gone takes none", func(t *testing.T) {
		t.Parallel()
		if got := (Health{Dirs: []string{filepath.Join(t.TempDir(), "gone")}}).Check(); !strings.Contains(got.Unready, "can't be told") {
			t.Errorf("unready: %q", got.Unready)
		}
	})
}
