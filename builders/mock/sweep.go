package mock

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/flock"
)

// sweepTime bounds how long New clears away.
const sweepTime = 5 * time.Minute

// sweep cleans up after jobs of processes that ended. What a living process
// works on is locked.
func (d *Driver) sweep(ctx context.Context) {
	entries, err := os.ReadDir(d.jobsDir())
	if err != nil {
		d.config.Logger.Warn("mock: look for leftovers", "error", err)
		return
	}
	swept := map[string]bool{}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), flock.Suffix)
		if strings.HasPrefix(name, "cache-") || swept[name] {
			continue
		}
		swept[name] = true
		d.sweepJob(ctx, name)
	}
}

// sweepJob cleans up after one job unless somebody works on it.
func (d *Driver) sweepJob(ctx context.Context, name string) {
	j := &job{driver: d, name: name, dir: filepath.Join(d.jobsDir(), name)}
	lock, err := flock.Try(j.dir+flock.Suffix, flock.Exclusive)
	if err != nil {
		d.config.Logger.Warn("mock: look for leftovers", "error", err)
	}
	if lock == nil {
		return
	}
	defer lock.Remove()
	root, err := os.ReadFile(j.path("root"))
	if err != nil || string(root) != filepath.Base(string(root)) {
		// It did not come so far as to have a root.
		if err := os.RemoveAll(j.dir); err != nil {
			d.config.Logger.Warn("mock: directory left behind", "dir", j.dir, "error", err)
		}
		return
	}
	j.root.root = string(root)
	j.remove(ctx)
}
