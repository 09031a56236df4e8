package rootfs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/sandbox"
)

// bases keeps the base roots. Roots are found by what they were made of, so
// one is never wrong; a root of other repository content has another key.
type bases struct {
	driver *Driver
	dir    string

	mu    sync.Mutex
	inUse map[string]int
	made  map[string]*sync.Mutex
}

// base is a base root that is in use until it is released.
type base struct {
	bases   *bases
	key     string
	dir     string
	repoKey string
	// repos are the repositories it came from, as they are mounted.
	repos []mountedRepo
}

// complete is the name of the file that a finished root has beside it.
const complete = ".complete"

// get returns the base root for a recipe, installed first if nobody has.
// Progress goes to log.
func (b *bases) get(ctx context.Context, recipe builders.Recipe, log io.Writer) (*base, error) {
	repos, repoKey, err := b.driver.readRepos(ctx, recipe)
	if err != nil {
		return nil, err
	}
	key := rootKey(recipe, repoKey, b.driver.config.Runner.Mapping().ID())
	root := &base{bases: b, key: key, dir: filepath.Join(b.dir, key), repoKey: repoKey, repos: repos}
	b.acquire(key)
	if err := b.ensure(ctx, root, recipe, log); err != nil {
		b.release(key)
		return nil, err
	}
	now := time.Now()
	// The time of last use, for the one to go first.
	if err := os.Chtimes(root.dir+complete, now, now); err != nil {
		b.driver.config.Logger.Warn("rootfs: note use of base root", "key", key, "error", err)
	}
	b.prune(ctx)
	return root, nil
}

func (r *base) release() { r.bases.release(r.key) }

func (b *bases) acquire(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inUse == nil {
		b.inUse, b.made = map[string]int{}, map[string]*sync.Mutex{}
	}
	b.inUse[key]++
	if b.made[key] == nil {
		b.made[key] = new(sync.Mutex)
	}
}

func (b *bases) release(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inUse[key]--; b.inUse[key] == 0 {
		delete(b.inUse, key)
		delete(b.made, key)
	}
}

// ensure installs the root unless it is there. One build at a time does it,
// the others of the same key wait for it.
func (b *bases) ensure(ctx context.Context, root *base, recipe builders.Recipe, log io.Writer) error {
	b.mu.Lock()
	making := b.made[root.key]
	b.mu.Unlock()
	making.Lock()
	defer making.Unlock()
	// Other processes on this host share the directory.
	unlock, err := lockFile(ctx, root.dir+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(root.dir + complete); err == nil {
		fmt.Fprintf(log, "base root %.12s of %s is cached\n", root.key, recipe.Tag)
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	start := time.Now()
	fmt.Fprintf(log, "base root %.12s of %s: installing %s\n", root.key, recipe.Tag, strings.Join(recipe.Install, " "))
	if err := b.install(ctx, root, recipe, log); err != nil {
		return err
	}
	fmt.Fprintf(log, "base root %.12s of %s: installed in %.1f s\n", root.key, recipe.Tag, time.Since(start).Seconds())
	return nil
}

// install makes the root under a temporary name and renames it, so that an
// interrupted one is never used.
func (b *bases) install(ctx context.Context, root *base, recipe builders.Recipe, log io.Writer) (err error) {
	runner := b.driver.config.Runner
	if err := runner.RemoveAll(ctx, root.dir); err != nil {
		return err
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	tmp := filepath.Join(b.dir, partial+hex.EncodeToString(random[:]))
	if err := runner.MkdirMapped(ctx, tmp, 0, 0, 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			err = errors.Join(err, runner.RemoveAll(clean, tmp))
		}
	}()
	install := dnf{driver: b.driver, repos: root.repos, root: sandbox.Mount{Source: tmp, Target: installRoot}, log: log}
	if err := install.run(ctx, append([]string{"install"}, recipe.Install...)...); err != nil {
		return err
	}
	if err := os.Rename(tmp, root.dir); err != nil {
		return fmt.Errorf("rootfs: name base root: %w", err)
	}
	if err := os.WriteFile(root.dir+complete, nil, 0o644); err != nil {
		return fmt.Errorf("rootfs: finish base root: %w", err)
	}
	return nil
}

// partial is how roots are named while they are made.
const partial = ".partial-"

// prune removes the least used roots above the number that is kept, and what
// interrupted installs left more than a day ago.
func (b *bases) prune(ctx context.Context) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return
	}
	type candidate struct {
		key  string
		used time.Time
	}
	var roots []candidate
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		if key, ok := strings.CutSuffix(entry.Name(), complete); ok {
			roots = append(roots, candidate{key, info.ModTime()})
		}
		if strings.HasPrefix(entry.Name(), partial) && time.Since(info.ModTime()) > 24*time.Hour {
			b.remove(ctx, filepath.Join(b.dir, entry.Name()))
		}
	}
	slices.SortFunc(roots, func(x, y candidate) int { return cmp.Compare(y.used.UnixNano(), x.used.UnixNano()) })
	for _, root := range roots[min(len(roots), b.driver.config.KeepRoots):] {
		b.drop(ctx, root.key)
	}
}

// drop removes a root that nobody uses.
func (b *bases) drop(ctx context.Context, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inUse[key] > 0 {
		return
	}
	dir := filepath.Join(b.dir, key)
	if err := os.Remove(dir + complete); err != nil {
		return
	}
	b.remove(ctx, dir)
}

func (b *bases) remove(ctx context.Context, dir string) {
	if err := b.driver.config.Runner.RemoveAll(ctx, dir); err != nil {
		b.driver.config.Logger.Warn("rootfs: remove base root", "dir", filepath.Base(dir), "error", err)
	}
}

// lockFile takes an exclusive lock that ends with the process, as soon as it
// is free.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("rootfs: open lock: %w", err)
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("rootfs: lock: %w", err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
