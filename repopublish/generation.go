package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/distbot/distbot/internal/db"
)

// generation is a generation that was made and switched to, but not recorded.
type generation struct {
	*content
	id, number int64
	took       time.Duration
	// changes are what it differs in from the generation before, as far as this
	// process knows.
	changes *changes
}

// partial is how trees are named while they are written.
const partial = ".partial-"

// latest is the link to the newest generation.
const latest = "latest"

// make writes the next generation of a tag and switches to it. The tag's lock
// is held. An interrupted one leaves a row and a tree that sweep removes; its
// number is never used again.
func (p *Publisher) make(ctx context.Context, dir string, tag db.TagForPublishRow, c *content) (*generation, error) {
	start := time.Now()
	defer func() {
		if err := c.ahead.close(); err != nil {
			p.Logger.Warn("repopublish: close kept metadata", "tag", tag.Name, "error", err)
		}
	}()
	if err := p.sign(ctx, c); err != nil {
		return nil, fmt.Errorf("repopublish: sign packages of %s: %w", tag.Name, err)
	}
	if err := p.checkIdentity(ctx, c); err != nil {
		return nil, err
	}
	names, before := p.spares.newest(tag.ID)
	if err := namesApart(ctx, db.New(p.Pool), tag.Name, c, names); err != nil {
		return nil, fmt.Errorf("repopublish: names of the packages of %s: %w", tag.Name, err)
	}
	newest, err := newestTree(dir)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list generations of %s: %w", tag.Name, err)
	}
	row, err := db.New(p.Pool).InsertGeneration(ctx, db.InsertGenerationParams{
		TagID: tag.ID, Directory: tag.Name, LiesThere: newest, Rev: c.rev, Event: c.event, RollbackOf: c.goesBack, Actor: c.actor, Reason: c.reason,
	})
	if err != nil {
		return nil, fmt.Errorf("repopublish: number a generation of %s: %w", tag.Name, err)
	}
	made := &generation{content: c, id: row.ID, number: row.Number}
	tree := filepath.Join(dir, partial+strconv.FormatInt(row.Number, 10))
	compared := make(chan error, 1)
	go func() { compared <- p.compare(ctx, tag.ID, made, before) }()
	// Here, where River recovers a panic: an RPM that brings one about would end
	// the process again and again.
	err = p.write(ctx, tag.ID, tag.Name, tree, made, c)
	if err = errors.Join(err, <-compared); err != nil {
		// The row is swept with the next success; the tree's space may be what
		// is missing.
		return nil, errors.Join(&unmadeError{row.ID, row.Number, tag.Name, err}, os.RemoveAll(tree))
	}
	if err := switchTo(dir, tree, row.Number); err != nil {
		return nil, fmt.Errorf("repopublish: switch %s to generation %d: %w", tag.Name, row.Number, err)
	}
	made.took = time.Since(start)
	return made, nil
}

// compare finds what a generation differs in from the one before; before is nil
// where it is not known.
func (p *Publisher) compare(ctx context.Context, tagID int64, made *generation, before *holding) (err error) {
	if before == nil {
		if before, err = holdingOf(ctx, db.New(p.Pool), tagID, made.id); err != nil {
			return err
		}
	}
	made.changes = made.changesAfter(tagID, before)
	return nil
}

// unmadeError says which generation could not be written.
type unmadeError struct {
	id, number int64
	tag        string
	err        error
}

// Error implements error.
func (e *unmadeError) Error() string {
	return fmt.Sprintf("repopublish: write generation %d of %s: %v", e.number, e.tag, e.err)
}

// Unwrap returns the cause.
func (e *unmadeError) Unwrap() error { return e.err }

// switchTo gives a finished tree its number and makes it the latest: two
// renames, so that a reader finds the old generation or the new one, never
// neither. A tree that could not become the latest is removed: nobody has seen
// it, and its space may be what is missing.
func switchTo(dir, tree string, number int64) error {
	name := strconv.FormatInt(number, 10)
	numbered := filepath.Join(dir, name)
	// A tree of this number can't be there: what was served once is never
	// replaced.
	if err := os.Rename(tree, numbered); err != nil {
		return errors.Join(err, os.RemoveAll(tree))
	}
	if err := makeLatest(dir, name); err != nil {
		return errors.Join(err, os.RemoveAll(numbered))
	}
	return syncDir(dir)
}

// newestTree is the highest number of the trees in a directory, 0 for none.
func newestTree(dir string) (newest int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		if number, err := strconv.ParseInt(entry.Name(), 10, 64); err == nil {
			newest = max(newest, number)
		}
	}
	return newest, nil
}

// makeLatest points the link to a generation.
func makeLatest(dir, name string) error {
	link := filepath.Join(dir, partial+latest)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(name, link); err != nil {
		return err
	}
	return os.Rename(link, filepath.Join(dir, latest))
}
