package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// bases keeps the base roots, by the packages that they hold, and the metadata
// that they are resolved from, by the content of the repositories.
type bases struct {
	driver *Driver
	roots  *shelf
	// metadata holds what metadata.go says.
	metadata *shelf
}

// base is a base root that is in use until it is released.
type base struct {
	// dir is the root itself.
	dir     string
	repoKey string
	// metadata is what dnf keeps of the repositories.
	metadata string
	// repos are the repositories it came from, as they are mounted.
	repos []mountedRepo
	// used are the directories that dir and metadata are in.
	used []*shelved
}

func (r *base) release() {
	for _, one := range r.used {
		one.release()
	}
}

// errRepoChanged says that a repository changed while it was read.
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

// find returns the base root for what the repositories hold now. Of the same
// content it is the same; of another one, dnf says which packages it has.
func (b *bases) find(ctx context.Context, recipe builders.Recipe, log *diagnosis.Log) (_ *base, err error) {
	root := &base{}
	if root.repos, root.repoKey, err = b.driver.readRepos(ctx, recipe); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			root.release()
		}
	}()
	rootKey := func(of ...string) string {
		return rootKey(recipe.Arch, b.driver.config.Runner.Mapping().ID(), bootID(), of...)
	}
	content := rootKey(append([]string{"content", root.repoKey}, recipe.Install...)...)
	metadata, err := b.metadata.use(ctx, content, log, func(ctx context.Context, dir string) error {
		return b.resolve(ctx, root, recipe, dir, log)
	})
	if err != nil {
		return nil, err
	}
	root.used, root.metadata = append(root.used, metadata), filepath.Join(metadata.dir, cacheDir)
	key := content
	packages, err := readResolution(metadata.dir)
	if err != nil {
		return nil, err
	}
	if packages != nil {
		key = rootKey(append([]string{"packages"}, packages...)...)
	}
	dir, err := b.roots.use(ctx, key, log, func(ctx context.Context, dir string) error {
		return b.install(ctx, root, recipe, dir, log)
	})
	if err != nil {
		return nil, err
	}
	root.used, root.dir = append(root.used, dir), filepath.Join(dir.dir, rootDir)
	fmt.Fprintf(log, "base root %.12s of tag %s\n", key, recipe.Tag)
	return root, nil
}

// Names in the directory of a base root: what it is, and where dnf writes while
// it installs one.
const (
	rootDir     = "root"
	downloadDir = "downloads"
	workDir     = "work"
)

// install makes a base root in dir.
func (b *bases) install(ctx context.Context, root *base, recipe builders.Recipe, dir string, log *diagnosis.Log) error {
	start := time.Now()
	fmt.Fprintf(log, "# installing a base root for tag %s: %s\n", recipe.Tag, strings.Join(recipe.Install, " "))
	if err := b.makeDirs(ctx, dir, rootDir, downloadDir, workDir); err != nil {
		return err
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	install := dnf{
		machine: b.driver.machines[recipe.Arch], step: diagnosis.StepRoot, repos: root.repos, log: log,
		root: sandbox.Mount{Source: path(rootDir), Target: installRoot}, cache: cacheOver(root.metadata, path(downloadDir), path(workDir)),
		budget: b.newBudget("installing the base root", path(rootDir), path(downloadDir)),
	}
	err := install.run(ctx, append([]string{"install"}, recipe.Install...)...)
	if err := b.judge(ctx, root, recipe, err); err != nil {
		return err
	}
	b.driver.removeTree(ctx, path(downloadDir))
	b.driver.removeTree(ctx, path(workDir))
	fmt.Fprintf(log, "# done in %.2f s\n", time.Since(start).Seconds())
	return nil
}

// makeDirs makes dir and directories in it that dnf may write to.
func (b *bases) makeDirs(ctx context.Context, dir string, names ...string) error {
	if err := os.Mkdir(dir, 0o711); err != nil {
		return fmt.Errorf("rootfs: make base root: %w", err)
	}
	for _, name := range names {
		if err := b.driver.config.Runner.MkdirMapped(ctx, filepath.Join(dir, name), 0, 0, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// newBudget is for work that no package is to blame for.
func (b *bases) newBudget(what string, dirs ...string) *budget {
	budget := b.driver.newBudget(what, dirs...)
	budget.blameless = true
	return budget
}

// judge makes errRepoChanged of the end of a run of dnf, be it a success or not,
// when the repositories don't hold any more what the keys were made of: dnf read
// them later.
func (b *bases) judge(ctx context.Context, root *base, recipe builders.Recipe, err error) error {
	_, repoKey, readErr := b.driver.readRepos(ctx, recipe)
	switch {
	case readErr == nil && repoKey != root.repoKey:
		return errRepoChanged
	case err == nil:
		return readErr
	}
	return err
}
