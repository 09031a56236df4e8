package repopublish

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/distbot/distbot/internal/repomd"
)

// spares are trees with the packages of tags' newest generations, made ahead of
// the next: linking thousands of packages takes longer than everything else of
// a generation in which one of them changed. They are kept in the cache of the
// tag; what an earlier process left is removed. The zero value is ready. Safe
// for concurrent use.
type spares struct {
	mu    sync.Mutex
	byTag map[int64]*spare
	// recent are the tags that have one, the newest last.
	recent []int64
}

// spare is one tree, without metadata.
type spare struct {
	dir    string
	arches map[string][]repomd.Item // in order
	count  int
	// names are those of the files of the generation whose packages they are, and
	// holding is what is recorded of it.
	names   *names
	holding *holding
	// ready is closed when the tree is there; whole says whether it is.
	ready chan struct{}
	whole bool
}

// maxSpare bounds how many packages all spares have together: each takes a name
// in a directory and some 600 bytes of memory.
const maxSpare = 100_000

// nextPrefix is how spare trees are named in the cache of a tag.
const (
	nextPrefix = ".next-"
	gonePrefix = ".gone-" // while it is removed
)

// newest is what is known of the newest generation of a tag that this process has
// made; nil where it has forgotten it.
func (s *spares) newest(tagID int64) (*names, *holding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byTag[tagID]; one != nil {
		return one.names, one.holding
	}
	return nil, nil
}

// take moves the spare of a tag to tree and returns which packages lie there by
// architecture; nil where there is none. The tag's lock is held.
func (s *spares) take(ctx context.Context, tagID int64, tree string) map[string][]repomd.Item {
	s.mu.Lock()
	spare := s.byTag[tagID]
	s.forget(tagID)
	s.mu.Unlock()
	if spare == nil {
		return nil
	}
	select {
	case <-spare.ready:
	case <-ctx.Done():
		return nil
	}
	// Somebody may have removed it, which is no trouble: all can be linked again.
	if !spare.whole || os.Rename(spare.dir, tree) != nil {
		return nil
	}
	return spare.arches
}

// forget takes a tag's spare out of the list. The lock is held.
func (s *spares) forget(tagID int64) {
	delete(s.byTag, tagID)
	s.recent = slices.DeleteFunc(s.recent, func(id int64) bool { return id == tagID })
}

// add lists a spare and returns those that there is no room for any more.
func (s *spares) add(tagID int64, added *spare) (removed []*spare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byTag[tagID]; old != nil {
		removed = append(removed, old)
		s.forget(tagID)
	}
	if added.count > maxSpare {
		return append(removed, added)
	}
	if s.byTag == nil {
		s.byTag = map[int64]*spare{}
	}
	s.byTag[tagID] = added
	s.recent = append(s.recent, tagID)
	total := 0
	for _, one := range s.byTag {
		total += one.count
	}
	for len(s.recent) > 0 && total > maxSpare {
		oldest := s.recent[0]
		removed = append(removed, s.byTag[oldest])
		total -= s.byTag[oldest].count
		s.forget(oldest)
	}
	return removed
}

// prepare makes the spare of a tag, whose newest generation is made and recorded.
// Trouble is no error: without a spare the next generation takes longer.
func (p *Publisher) prepare(ctx context.Context, tagID int64, made *generation) {
	dir := filepath.Join(p.CacheDir, strconv.FormatInt(tagID, 10))
	one := &spare{
		dir: filepath.Join(dir, nextPrefix+rand.Text()), arches: map[string][]repomd.Item{}, count: made.packages(), names: made.names, holding: made.holding(),
		ready: make(chan struct{}),
	}
	defer close(one.ready)
	err := removeSpares(dir)
	wanted := true
	for _, old := range p.spares.add(tagID, one) {
		if old == one {
			wanted = false
			continue
		}
		<-old.ready
		err = errors.Join(err, discard(old.dir))
	}
	if !wanted {
		return
	}
	if err == nil {
		err = p.fill(ctx, one, made)
	}
	if one.whole = err == nil; !one.whole {
		err = errors.Join(err, discard(one.dir))
	}
	if err != nil && ctx.Err() == nil {
		p.Logger.Warn("repopublish: the tree of the next generation is not made ahead", "tag", tagID, "error", err)
	}
}

// fill links the packages of a generation into a spare.
func (p *Publisher) fill(ctx context.Context, one *spare, made *generation) error {
	if err := os.Mkdir(one.dir, 0o755); err != nil {
		return err
	}
	for a, repo := range made.repos {
		if err := mkdirs(one.dir, filepath.Join(a, "Packages")); err != nil {
			return err
		}
		items := slices.Clone(repo.linked)
		if err := p.link(ctx, filepath.Join(one.dir, a), items, formerly(items, repo.linked)); err != nil {
			return err
		}
		one.arches[a] = items
	}
	return nil
}

// removeSpares removes the trees that are in the cache of a tag, as other
// processes leave them.
func removeSpares(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), nextPrefix) {
			if err := discard(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return removeDiscarded(dir)
}

// removeDiscarded removes what was discarded in a directory and is still there,
// after a crash. There need not be such a directory.
func removeDiscarded(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), gonePrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// discard removes a tree. Whose it is finds it whole or not at all.
func discard(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), gonePrefix+rand.Text())
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}
