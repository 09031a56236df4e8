package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/internal/autospec"
	"github.com/distbot/distbot/internal/db"
)

// Bounds of one package's files.
const (
	maxPackageFiles     = 20_000
	maxPackageFileBytes = 1 << 30
	maxPackageBytes     = 4 << 30
)

// Checkout brings the files of commits to build hosts. Safe for concurrent
// use.
type Checkout struct {
	*Planner
	// Lookaside is nil where none is configured.
	Lookaside *Lookaside
}

// Prepare writes the package's files at a commit of a recorded repository, and
// every file its sources file names, into dir, which is empty, and a line for
// each step to log. Where the spec uses %autorelease or %autochangelog, the
// package's history is written to the new file history, for autospec.Decode.
// Errors have a method Temporary that says whether trying again may help.
func (c *Checkout) Prepare(ctx context.Context, repositoryID int64, ref, commit, dir, history string, log io.Writer) error {
	row, err := db.New(c.Pool).GetRepository(ctx, repositoryID)
	if err != nil {
		return &prepareError{temporary: true, err: fmt.Errorf("distgit: read repository %d: %w", repositoryID, err)}
	}
	repository := forge.Repository{ID: row.ForgeRepoID, FullName: row.FullName, CloneURL: row.CloneUrl}
	if err := c.prepare(ctx, row.Forge, repository, ref, commit, dir, history, log); err != nil {
		var temporary *TemporaryError
		return &prepareError{temporary: errors.As(err, &temporary) || errors.Is(err, ErrCommitNotFound), err: err}
	}
	return nil
}

func (c *Checkout) prepare(ctx context.Context, host string, repository forge.Repository, ref, commit, dir, history string, log io.Writer) error {
	remote, err := c.remote(host, repository)
	if err != nil {
		return err
	}
	if err := c.Mirrors.Fetch(ctx, remote, Want{Ref: pullRef(ref), Commit: commit}); err != nil {
		return err
	}
	tree, err := c.Mirrors.Tree(ctx, remote, commit)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("distgit: open source directory: %w", err)
	}
	defer root.Close()
	fmt.Fprintf(log, "%s at %s (%s)\n%q by %q\n", repository.FullName, commit, ref, tree.Commit().Subject, tree.Commit().Author)
	for _, skipped := range tree.Skipped() {
		fmt.Fprintf(log, "left out: %q: %s\n", skipped.Name, skipped.Reason)
	}
	limits := ExportLimits{Files: maxPackageFiles, FileBytes: maxPackageFileBytes, TotalBytes: maxPackageBytes}
	if err := tree.Export(ctx, root, limits); err != nil {
		return err
	}
	fmt.Fprintf(log, "%d files checked out\n", len(tree.Files()))
	if err := c.writeHistory(ctx, remote, tree, history, log); err != nil {
		return err
	}
	return c.fetchSources(ctx, tree, repository.Name(), root, log)
}

// writeHistory writes the history of a package whose spec is computed from it.
func (c *Checkout) writeHistory(ctx context.Context, remote Remote, tree *Tree, name string, log io.Writer) error {
	spec, err := FindSpec(tree)
	if err != nil {
		return err
	}
	text, err := tree.ReadFile(spec, maxSpecBytes)
	if err != nil {
		return err
	}
	if !autospec.ReadFeatures(text).Uses() {
		return nil
	}
	history, err := c.Mirrors.History(ctx, remote, tree.Commit().Hash, spec)
	if err != nil {
		return err
	}
	err = writeFileAtomic(name, history.Encode)
	if err != nil {
		return fmt.Errorf("distgit: write history: %w", classify(ctx, err))
	}
	fmt.Fprintf(log, "%d commits for %%autorelease and %%autochangelog\n", len(history.Commits))
	return nil
}

// fetchSources brings what the sources file names, if there is one.
func (c *Checkout) fetchSources(ctx context.Context, tree *Tree, name string, root *os.Root, log io.Writer) error {
	if !tree.has(SourcesFile) {
		return nil
	}
	text, err := tree.ReadFile(SourcesFile, maxSourcesBytes)
	if err != nil {
		return err
	}
	sources, err := ParseSources(text)
	if err != nil {
		return err
	}
	if len(sources) > 0 && c.Lookaside == nil {
		return fmt.Errorf("distgit: the sources file names %s, and no lookaside is configured", sources[0].Name)
	}
	for _, source := range sources {
		path, err := c.Lookaside.Fetch(ctx, name, source)
		if err != nil {
			return err
		}
		n, err := copyInto(root, source.Name, path)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("distgit: the repository has %s, and its sources file names it too (line %d): it is not clear which is meant", source.Name, source.Line)
		}
		if err != nil {
			return fmt.Errorf("distgit: copy source %s: %w", source.Name, classify(ctx, err))
		}
		fmt.Fprintf(log, "%s: %d bytes, %s verified\n", source.Name, n, source.Type)
	}
	return nil
}

// copyInto copies a file of the cache to a new file in root. The error wraps
// fs.ErrExist when there is one of that name.
func copyInto(root *os.Root, name, from string) (n int64, err error) {
	source, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(file, source)
	return n, errors.Join(err, file.Close())
}

// pullRef is the ref to fetch besides the branches: that of a pull request.
func pullRef(ref string) string {
	if strings.HasPrefix(ref, "refs/pull/") {
		return ref
	}
	return ""
}

// prepareError is an error that says whether trying again may help.
type prepareError struct {
	temporary bool
	err       error
}

// Error implements error.
func (e *prepareError) Error() string { return plain(e.err) }

// Unwrap returns the cause.
func (e *prepareError) Unwrap() error { return e.err }

// Temporary says whether trying again may help.
func (e *prepareError) Temporary() bool { return e.temporary }
