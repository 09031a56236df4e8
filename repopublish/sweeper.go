package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/flock"
)

// sweepEvery is how often what removed tags left is looked for.
const sweepEvery = time.Hour

// Sweeper removes what no publisher comes by any more: the generations of tags
// that were removed KeepFor ago or longer, what lies under names that tags had
// before and is given up by now, and the metadata that is kept of removed tags.
// Numbers are not given again, so nothing else is ever served in its place. Any
// number may run, in whatever processes.
type Sweeper struct {
	*Publisher
}

// Run sweeps at once and every hour until ctx ends. Before that it has lost
// repositories made again, see Publisher.Restore.
func (s *Sweeper) Run(ctx context.Context) {
	if err := s.Restore(ctx); err != nil && ctx.Err() == nil {
		s.Logger.Error("repopublish: restore repositories", "error", err)
	}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("repopublish: sweep", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sweep sweeps once. What one directory can't be relieved of does not keep it
// from the others.
func (s *Sweeper) Sweep(ctx context.Context) error {
	q := db.New(s.Pool)
	// The rows first: what the database calls published is there.
	if _, err := q.ExpireOfRemovedTags(ctx, s.KeepFor.Seconds()); err != nil {
		return fmt.Errorf("repopublish: expire generations of removed tags: %w", err)
	}
	live, err := q.LiveTags(ctx)
	if err != nil {
		return fmt.Errorf("repopublish: list tags: %w", err)
	}
	names, ids := map[string]bool{}, map[string]bool{}
	for _, tag := range live {
		names[tag.Name], ids[strconv.FormatInt(tag.ID, 10)] = true, true
	}
	var errs []error
	for _, name := range directories(s.ReposDir, &errs) {
		if !names[name] {
			errs = append(errs, s.sweepName(ctx, name))
		}
	}
	for _, id := range directories(s.CacheDir, &errs) {
		if _, err := strconv.ParseInt(id, 10, 64); err == nil && !ids[id] {
			errs = append(errs, discard(filepath.Join(s.CacheDir, id)))
		}
	}
	errs = append(errs, removeDiscarded(s.CacheDir), removeOld(filepath.Join(s.CacheDir, externalDir), keepExternal))
	return errors.Join(errs...)
}

// externalDir is where the metadata of external repositories are kept in CacheDir,
// and keepExternal for how long: what is still needed then is fetched once more.
const (
	externalDir  = "external"
	keepExternal = 14 * 24 * time.Hour
)

// removeOld removes the files below a directory that were written long ago.
func removeOld(dir string, age time.Duration) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < age {
			return err
		}
		return os.Remove(path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was fetched, or somebody else was quicker
	}
	return err
}

// directories lists the directories in one, hidden ones left out.
func directories(dir string, errs *[]error) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		*errs = append(*errs, fmt.Errorf("repopublish: list directories: %w", err))
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names
}

// sweepName removes what is given up of a name that no tag has; with the last
// generation, all of it.
func (s *Sweeper) sweepName(ctx context.Context, name string) error {
	dir := filepath.Join(s.ReposDir, name)
	if _, err := os.Lstat(filepath.Join(dir, lockFile)); err != nil {
		return nil // no publisher made it
	}
	lock, err := flock.Try(filepath.Join(dir, lockFile), flock.Exclusive)
	if lock == nil || err != nil {
		return err
	}
	defer lock.Release()
	// Now that nobody publishes there: a tag may have got the name meanwhile.
	q := db.New(s.Pool)
	if live, err := q.LiveTags(ctx); err != nil || slices.ContainsFunc(live, func(t db.LiveTagsRow) bool { return t.Name == name }) {
		return err
	}
	kept, err := q.KeptGenerations(ctx, name)
	if err != nil {
		return fmt.Errorf("repopublish: list generations of %s: %w", name, err)
	}
	if given, err := s.giveUpLatest(ctx, name, kept); err != nil || !given {
		return err
	}
	if err := removeTrees(dir, kept); err != nil || len(kept) > 0 {
		return err
	}
	s.Logger.Info("repopublish: removed what a tag had left", "name", name)
	lock.Remove()
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Logger.Warn("repopublish: directory is not empty", "name", name, "error", err)
	}
	return nil
}

// giveUpLatest removes the link to the newest generation of a name where that is
// not kept. It says whether the trees that are not kept may go, too.
func (s *Sweeper) giveUpLatest(ctx context.Context, name string, kept []int64) (bool, error) {
	link := filepath.Join(s.ReposDir, name, latest)
	newest, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	number, parseErr := strconv.ParseInt(newest, 10, 64)
	if err := errors.Join(err, parseErr); err != nil {
		return false, fmt.Errorf("repopublish: read the latest generation of %s: %w", name, err)
	}
	if slices.Contains(kept, number) {
		return true, nil
	}
	recorded, err := db.New(s.Pool).GenerationIsRecorded(ctx, db.GenerationIsRecordedParams{Directory: name, Number: number})
	if err != nil {
		return false, fmt.Errorf("repopublish: read generation %d of %s: %w", number, name, err)
	}
	// Versions before names were recorded left trees that no row tells of.
	if info, err := os.Lstat(link); err != nil || !recorded && time.Since(info.ModTime()) < s.KeepFor {
		return false, err
	}
	if err := os.Remove(link); err != nil {
		return false, fmt.Errorf("repopublish: remove %s of %s: %w", latest, name, err)
	}
	return true, nil
}
