package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tagview"
)

// generation is a generation that was made and switched to, but not recorded.
type generation struct {
	id, number int64
	arches     []string
	packages   int
	rpmIDs     []int64
	rpmArches  []string
	builds     map[int64]bool // those that have packages in it
	took       time.Duration
}

// partial is how trees are named while they are written.
const partial = ".partial-"

// latest is the link to the newest generation.
const latest = "latest"

// make writes the next generation of a tag and switches to it. The tag's lock
// is held. An interrupted one leaves a row and a tree that sweep removes; its
// number is never used again.
func (p *Publisher) make(ctx context.Context, dir string, tag db.TagForPublishRow) (*generation, error) {
	start := time.Now()
	q := db.New(p.Pool)
	// What is wanted was read before: a build that is tagged from now on may
	// be seen here, and is published once more then.
	content := tagview.Reader{Conn: p.Pool}
	builds, err := content.LatestBuildIDs(ctx, tag.ID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list builds of %s: %w", tag.Name, err)
	}
	rpms, err := q.RPMsOfBuilds(ctx, builds)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list packages of %s: %w", tag.Name, err)
	}
	groups, err := content.Groups(ctx, tag.ID, true)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list groups of %s: %w", tag.Name, err)
	}
	comps, err := compsOf(groups)
	if err != nil {
		return nil, fmt.Errorf("repopublish: groups of %s: %w", tag.Name, err)
	}
	row, err := q.InsertGeneration(ctx, db.InsertGenerationParams{TagID: tag.ID, Rev: tag.WantRev})
	if err != nil {
		return nil, fmt.Errorf("repopublish: number a generation of %s: %w", tag.Name, err)
	}
	made := &generation{id: row.ID, number: row.Number, arches: tag.Arches, builds: map[int64]bool{}}
	tree := filepath.Join(dir, partial+strconv.FormatInt(row.Number, 10))
	if err := p.write(ctx, tree, made, rpms, comps); err != nil {
		// The row is swept with the next success; the tree's space may be what
		// is missing.
		return nil, errors.Join(fmt.Errorf("repopublish: write generation %d of %s: %w", row.Number, tag.Name, err), os.RemoveAll(tree))
	}
	if err := switchTo(dir, tree, row.Number); err != nil {
		return nil, fmt.Errorf("repopublish: switch %s to generation %d: %w", tag.Name, row.Number, err)
	}
	made.took = time.Since(start)
	return made, nil
}

// write writes the whole tree: for each architecture the packages, as links to
// the store, and their metadata.
func (p *Publisher) write(ctx context.Context, tree string, made *generation, rpms []db.RPMsOfBuildsRow, comps []byte) error {
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	// A tag without architectures has a repository, too: an empty one.
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	for _, a := range made.arches {
		dir := filepath.Join(tree, a)
		if err := os.MkdirAll(filepath.Join(dir, "Packages"), 0o755); err != nil {
			return err
		}
		var entries []repomd.Entry
		for _, rpm := range rpms {
			if rpm.Source || !arch.Serves(a, rpm.Arch) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			entry, err := p.place(dir, rpm)
			if errors.Is(err, errTwice) {
				// Two builds have a package of one name: the older one's stays,
				// and the rest of the tag must not wait for the mistake.
				p.Logger.Warn("repopublish: package left out", "generation", made.number, "build", rpm.BuildID, "reason", err)
				continue
			}
			if err != nil {
				return err
			}
			entries = append(entries, entry)
			made.rpmIDs, made.rpmArches = append(made.rpmIDs, rpm.ID), append(made.rpmArches, a)
			made.builds[rpm.BuildID] = true
		}
		slices.SortFunc(entries, repomd.Compare)
		_, err := repomd.Write(ctx, dir, len(entries), sequence(entries), repomd.Options{
			// The number orders generations for clients; real time would make
			// equal content differ.
			Revision: strconv.FormatInt(made.number, 10), Timestamp: made.number, Comps: comps,
		})
		if err != nil {
			return err
		}
		made.packages += len(entries)
	}
	return syncTree(tree)
}

// errTwice says that a package of the same name is in the tree already.
var errTwice = errors.New("the tag has a package of this name already")

// place links one package into the tree and returns its metadata.
func (p *Publisher) place(dir string, rpm db.RPMsOfBuildsRow) (repomd.Entry, error) {
	blob := store.Blob{SHA256: rpm.Sha256, Size: rpm.Size}
	nevra := rpmfile.NEVRA{Name: rpm.Name, Epoch: int(rpm.Epoch), Version: rpm.Version, Release: rpm.Release, Arch: rpm.Arch}
	href := path.Join("Packages", strings.ToLower(rpm.Name[:1]), nevra.NVRA()+".rpm")
	file := filepath.Join(dir, filepath.FromSlash(href))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return repomd.Entry{}, err
	}
	if err := os.Link(p.Store.Path(blob), file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return repomd.Entry{}, fmt.Errorf("%s: %w", nevra, errTwice)
		}
		return repomd.Entry{}, err
	}
	key := renderedKey{sha256: rpm.Sha256, href: href, time: rpm.BuildTime}
	if entry, ok := p.rendered.get(key); ok {
		return entry, nil
	}
	opened, err := p.Store.OpenBlob(blob)
	if err != nil {
		return repomd.Entry{}, err
	}
	defer opened.Close()
	pkg, err := rpmfile.Read(opened)
	if err != nil {
		return repomd.Entry{}, fmt.Errorf("read %s: %w", nevra, err)
	}
	fragments, err := repomd.Render(pkg, repomd.File{Href: href, SHA256: rpm.Sha256, Size: rpm.Size, Time: rpm.BuildTime})
	if err != nil {
		return repomd.Entry{}, fmt.Errorf("describe %s: %w", nevra, err)
	}
	entry := repomd.Entry{NEVRA: pkg.NEVRA, SHA256: rpm.Sha256, Fragments: fragments}
	p.rendered.put(key, entry)
	return entry, nil
}

func sequence(entries []repomd.Entry) iter.Seq2[repomd.Entry, error] {
	return func(yield func(repomd.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// syncTree makes everything below a directory durable before anything points to
// it: its directories, since packages and metadata were synced when they were
// written. Asking for the whole file system would wait for what builds write.
func syncTree(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// switchTo gives a finished tree its number and makes it the latest: two
// renames, so that a reader finds the old generation or the new one, never
// neither. A tree that could not become the latest is removed: nobody has seen
// it, and its space may be what is missing.
func switchTo(dir, tree string, number int64) error {
	name := strconv.FormatInt(number, 10)
	numbered := filepath.Join(dir, name)
	// Only a tag that had this name before, and has another one now, can have
	// left a tree of this number.
	if err := os.RemoveAll(numbered); err != nil {
		return errors.Join(err, os.RemoveAll(tree))
	}
	if err := os.Rename(tree, numbered); err != nil {
		return errors.Join(err, os.RemoveAll(tree))
	}
	if err := makeLatest(dir, name); err != nil {
		return errors.Join(err, os.RemoveAll(numbered))
	}
	return syncDir(dir)
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
