package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/store"
)

// packages are the packages that lie in the tree of one architecture, by their
// hrefs. Their Origin is the state of the file that was found to have the
// package's bytes.
type packages map[string]repomd.Item

// packagesOf remembers items by their hrefs.
func packagesOf(items []repomd.Item) packages {
	there := make(packages, len(items))
	for _, item := range items {
		there[item.Href] = item
	}
	return there
}

// link makes the packages of a tree those of items: it removes from dir what is
// there and is none of them, and links what is missing from the store, or is not
// as it was left there. Of each item it sets Origin, after its bytes were found
// to be right: now, or by those who know it, when its file was in the same state.
// The error wraps store.ErrDigest for a blob that is not what its name says.
func (p *Publisher) link(ctx context.Context, dir string, items []repomd.Item, there, known packages) error {
	for href, item := range there {
		if _, ok := slices.BinarySearchFunc(items, item, repomd.CompareItems); !ok {
			if err := removePackage(dir, href); err != nil {
				return err
			}
			delete(there, href)
		}
	}
	made := map[string]bool{}
	for _, item := range items {
		if letter := filepath.Dir(filepath.FromSlash(item.Href)); !made[letter] {
			made[letter] = true
			if err := mkdirs(dir, letter); err != nil {
				return err
			}
		}
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	const some = 64
	for part := range slices.Chunk(items, some) {
		work.Go(func() error {
			for i := range part {
				if err := ctx.Err(); err != nil {
					return context.Cause(ctx)
				}
				item := &part[i]
				lies, err := stillLies(dir, item, there)
				if err == nil && !lies {
					err = p.linkOne(ctx, dir, item, known[item.Href])
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return work.Wait()
}

// stillLies says whether the file of a package lies in a tree as it was left
// there. Another one in its place is removed.
func stillLies(dir string, item *repomd.Item, there packages) (bool, error) {
	left, ok := there[item.Href]
	if !ok {
		return false, nil
	}
	file := filepath.Join(dir, filepath.FromSlash(item.Href))
	var stat unix.Stat_t
	switch err := unix.Lstat(file, &stat); {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case err != nil:
		return false, &fs.PathError{Op: "lstat", Path: file, Err: err}
	case stat.Size == item.Size && originOf(&stat) == left.Origin:
		item.Origin = left.Origin
		return true, nil
	}
	return false, os.Remove(file)
}

// mkdirs makes a directory in dir, which must be there, and those above it.
func mkdirs(dir, name string) error {
	if name == "." {
		return nil
	}
	if err := mkdirs(dir, filepath.Dir(name)); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, name), 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// removePackage removes a file and the directories it leaves empty.
func removePackage(dir, href string) error {
	name := filepath.FromSlash(href)
	err := os.Remove(filepath.Join(dir, name))
	for err == nil {
		if name = filepath.Dir(name); filepath.Dir(name) == "." {
			return nil
		}
		err = os.Remove(filepath.Join(dir, name))
	}
	if errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}

// linkOne links one package, and reads it unless it is known.
func (p *Publisher) linkOne(ctx context.Context, dir string, item *repomd.Item, known repomd.Item) error {
	blob := store.Blob{SHA256: item.SHA256, Size: item.Size}
	file := filepath.Join(dir, filepath.FromSlash(item.Href))
	err := os.Link(p.Store.Path(blob), file)
	copied := errors.Is(err, unix.EMLINK)
	if copied {
		// A package that many generations, architectures and tags have: ext4
		// links a file 65,000 times.
		err = p.copyOne(file, item)
	}
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Lstat(file, &stat); err != nil {
		return &fs.PathError{Op: "lstat", Path: file, Err: err}
	}
	item.Origin = originOf(&stat)
	if copied {
		return nil
	}
	if known.SHA256 == item.SHA256 && known.Origin == item.Origin && stat.Size == item.Size {
		return nil
	}
	if err := p.Store.Verify(ctx, blob); err != nil {
		return fmt.Errorf("%s: %w", item.NEVRA, err)
	}
	if stat.Size != item.Size {
		return fmt.Errorf("%s has %d bytes, %d are recorded: %w", item.NEVRA, stat.Size, item.Size, store.ErrDigest)
	}
	return nil
}

// originOf is the state of a package's file. It has no time of change, which
// every link sets.
func originOf(stat *unix.Stat_t) string {
	b := strconv.AppendInt(make([]byte, 0, 40), stat.Size, 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, stat.Mtim.Nano(), 36)
	b = append(b, ' ')
	return string(strconv.AppendUint(b, stat.Ino, 36))
}

// copyOne copies a package, and reads it on the way. The copy is durable.
func (p *Publisher) copyOne(file string, item *repomd.Item) error {
	from, err := p.Store.OpenBlob(store.Blob{SHA256: item.SHA256, Size: item.Size})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	sum, err := repomd.NewHash(repomd.SHA256)
	if err != nil {
		return errors.Join(err, to.Close())
	}
	_, err = io.Copy(io.MultiWriter(to, sum), from)
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return err
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != item.SHA256 {
		return fmt.Errorf("%s: bytes have %s: %w", item.NEVRA, got, store.ErrDigest)
	}
	return nil
}
