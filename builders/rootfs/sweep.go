package rootfs

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

// sweep removes what processes that ended left: overlays, base roots and
// metadata that were not finished. What a living process uses is locked.
func (d *Driver) sweep(ctx context.Context) {
	for dir, remove := range map[string]func(context.Context, string){
		d.buildsDir():        d.removeTree,
		d.bases.roots.dir:    d.bases.roots.removeUnfinished,
		d.bases.metadata.dir: d.bases.metadata.removeUnfinished,
	} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			d.config.Logger.Warn("rootfs: look for leftovers", "error", err)
			continue
		}
		swept := map[string]bool{}
		for _, entry := range entries {
			name := entry.Name()
			for _, suffix := range []string{flock.Suffix, complete, partial} {
				name = strings.TrimSuffix(name, suffix)
			}
			if swept[name] {
				continue
			}
			swept[name] = true
			d.sweepOne(ctx, filepath.Join(dir, name), remove)
		}
	}
}

// sweepOne removes path and its lock unless somebody holds it.
func (d *Driver) sweepOne(ctx context.Context, path string, remove func(context.Context, string)) {
	if _, err := os.Lstat(path + complete); err == nil {
		return
	}
	lock, err := flock.Try(path+flock.Suffix, flock.Exclusive)
	if err != nil {
		d.config.Logger.Warn("rootfs: look for leftovers", "error", err)
	}
	if lock == nil {
		return
	}
	defer lock.Remove()
	remove(ctx, path)
}
