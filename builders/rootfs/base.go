package rootfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/flock"
	"github.com/distbot/distbot/internal/sandbox"
)

// bases keeps the base roots. Roots are found by what they were made of, so
// one is never wrong; a root of other repository content has another key.
//
// For each KEY there are KEY, the root; KEY.complete, the mark of a finished
// one, whose time is that of the last use; KEY.partial, one that is being
// installed; and KEY.lock, which is shared by those who use the root and held
// alone by who installs or removes it. All of it holds between processes.
type bases struct {
	driver *Driver
	dir    string
}

const (
	complete = ".complete"
	partial  = ".partial"
)

// base is a base root that is in use until it is released.
type base struct {
	dir     string
	repoKey string
	// repos are the repositories it came from, as they are mounted.
	repos []mountedRepo
	lock  *flock.Lock
}

func (r *base) release() { r.lock.Release() }

// errRepoChanged says that a repository changed while a root was installed
// from it.
var errRepoChanged = errors.New("rootfs: a repository changed while the base root was installed from it")

// get returns the base root for a recipe, installed first if nobody has.
// Progress goes to log.
func (b *bases) get(ctx context.Context, recipe builders.Recipe, log *diagnosis.Log) (*base, error) {
	var err error
	for range 3 {
		var root *base
		if root, err = b.find(ctx, recipe, log); !errors.Is(err, errRepoChanged) {
			return root, err
		}
		fmt.Fprintln(log, "a repository changed meanwhile; once more")
	}
	return nil, err
}

// find returns the base root for what the repositories hold now.
func (b *bases) find(ctx context.Context, recipe builders.Recipe, log *diagnosis.Log) (*base, error) {
	repos, repoKey, err := b.driver.readRepos(ctx, recipe)
	if err != nil {
		return nil, err
	}
	key := rootKey(recipe, repoKey, b.driver.config.Runner.Mapping().ID(), bootID())
	root := &base{dir: filepath.Join(b.dir, key), repoKey: repoKey, repos: repos}
	name := fmt.Sprintf("base root %.12s of tag %s", key, recipe.Tag)
	for {
		if root.lock, err = b.take(ctx, root, flock.Shared, log); err != nil {
			return nil, err
		}
		now := time.Now()
		if err = os.Chtimes(root.dir+complete, now, now); err == nil {
			fmt.Fprintf(log, "%s\n", name)
			return root, nil
		}
		root.lock.Release()
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("rootfs: note use of base root: %w", err)
		}
		if err := b.make(ctx, root, recipe, log); err != nil {
			return nil, err
		}
	}
}

// take takes the lock of a root, and says so when that takes longer.
func (b *bases) take(ctx context.Context, root *base, how int, log *diagnosis.Log) (*flock.Lock, error) {
	l, err := flock.Try(root.dir+flock.Suffix, how)
	if l != nil || err != nil {
		return l, err
	}
	fmt.Fprintln(log, "waiting for another build that installs the base root")
	return flock.Take(ctx, root.dir+flock.Suffix, how)
}

// make installs the root unless another build did while this one waited.
func (b *bases) make(ctx context.Context, root *base, recipe builders.Recipe, log *diagnosis.Log) error {
	lock, err := b.take(ctx, root, flock.Exclusive, log)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(root.dir + complete); err == nil {
		lock.Release()
		return nil
	}
	start := time.Now()
	fmt.Fprintf(log, "# installing a base root for tag %s: %s\n", recipe.Tag, strings.Join(recipe.Install, " "))
	if err := b.install(ctx, root, recipe, log); err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		b.removeUnfinished(clean, root.dir)
		lock.Remove()
		return err
	}
	lock.Release()
	fmt.Fprintf(log, "# done in %.2f s\n", time.Since(start).Seconds())
	b.prune(ctx)
	return nil
}

// install makes the root under another name, renames it, and marks it as
// finished, so that an interrupted one is never used.
func (b *bases) install(ctx context.Context, root *base, recipe builders.Recipe, log *diagnosis.Log) error {
	runner := b.driver.config.Runner
	b.removeUnfinished(ctx, root.dir)
	tmp := root.dir + partial
	if err := runner.MkdirMapped(ctx, tmp, 0, 0, 0o755); err != nil {
		return err
	}
	budget := b.driver.newBudget("installing the base root", tmp)
	budget.blameless = true
	install := dnf{machine: b.driver.machines[recipe.Arch], step: diagnosis.StepRoot, repos: root.repos, log: log, budget: budget, root: sandbox.Mount{Source: tmp, Target: installRoot}}
	if err := install.run(ctx, append([]string{"install"}, recipe.Install...)...); err != nil {
		return err
	}
	// dnf read the repositories later than what the key was made of.
	if _, repoKey, err := b.driver.readRepos(ctx, recipe); err != nil {
		return err
	} else if repoKey != root.repoKey {
		return errRepoChanged
	}
	if err := os.Rename(tmp, root.dir); err != nil {
		return fmt.Errorf("rootfs: name base root: %w", err)
	}
	if err := os.WriteFile(root.dir+complete, nil, 0o644); err != nil {
		return fmt.Errorf("rootfs: finish base root: %w", err)
	}
	return nil
}

// removeUnfinished removes what there is of a root that has no mark.
func (b *bases) removeUnfinished(ctx context.Context, dir string) {
	b.driver.removeTree(ctx, dir+partial)
	b.driver.removeTree(ctx, dir)
}

// prune removes the least used roots above the number that is kept, unless
// somebody uses them.
func (b *bases) prune(ctx context.Context) {
	roots, err := b.finished()
	if err != nil {
		b.driver.config.Logger.Warn("rootfs: look for base roots", "error", err)
		return
	}
	for _, root := range roots[min(len(roots), b.driver.config.KeepRoots):] {
		dir := filepath.Join(b.dir, root.key)
		lock, err := flock.Try(dir+flock.Suffix, flock.Exclusive)
		if err != nil {
			b.driver.config.Logger.Warn("rootfs: look for base roots", "error", err)
		}
		if lock == nil {
			continue
		}
		// Without its mark a root is not used any more.
		if err := os.Remove(dir + complete); err == nil {
			b.removeUnfinished(ctx, dir)
		}
		lock.Remove()
	}
}

// usedRoot is a finished root and when it was used last.
type usedRoot struct {
	key  string
	used time.Time
}

// finished lists the finished roots, the last used one first.
func (b *bases) finished() ([]usedRoot, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, err
	}
	var roots []usedRoot
	for _, entry := range entries {
		key, ok := strings.CutSuffix(entry.Name(), complete)
		if !ok {
			continue
		}
		if info, err := entry.Info(); err == nil { // else it was just removed
			roots = append(roots, usedRoot{key, info.ModTime()})
		}
	}
	slices.SortFunc(roots, func(x, y usedRoot) int { return cmp.Compare(y.used.UnixNano(), x.used.UnixNano()) })
	return roots, nil
}
