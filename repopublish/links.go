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
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/store"
)

// before is what is known of the packages of a tree, from another one.
type before struct {
	// origins are the states in which the files of the packages were found to have
	// their bytes, as fileState has them; empty for those that nobody has read.
	origins []string
	// there says that the packages lie in the tree already, and gone are others
	// that do.
	there bool
	gone  []repomd.Item
}

// formerly says what is known of items from packages of which each Origin is
// known. Both are in the order of a repository.
func formerly(items, known []repomd.Item) before {
	b := before{origins: make([]string, len(items))}
	i := 0
	for _, item := range known {
		for i < len(items) && repomd.CompareItems(items[i], item) < 0 {
			i++
		}
		if i < len(items) && repomd.CompareItems(items[i], item) == 0 {
			b.origins[i] = item.Origin
		} else {
			b.gone = append(b.gone, item)
		}
	}
	return b
}

// link makes the packages of a tree those of items: it removes from dir what is
// there and is none of them, and links what is missing from the store, or is not
// as it was left there. Of each item it sets Origin, after its bytes were found
// to be right: now, or by those who know it, when its file was in the same state.
// The error wraps store.ErrDigest for a blob that is not what its name says.
func (p *Publisher) link(ctx context.Context, dir string, items []repomd.Item, known before) error {
	if known.there {
		for _, item := range known.gone {
			if err := removePackage(dir, item.Href); err != nil {
				return err
			}
		}
	}
	if err := makeDirs(dir, items); err != nil {
		return err
	}
	tree, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	const some = 64
	for begin := 0; begin < len(items); begin += some {
		work.Go(func() error {
			for i := begin; i < min(begin+some, len(items)); i++ {
				if err := ctx.Err(); err != nil {
					return context.Cause(ctx)
				}
				if err := p.linkOne(ctx, dir, tree, &items[i], known.origins[i], known.there); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(work.Wait(), unix.Close(tree))
}

// makeDirs makes the directories of packages in dir, which must be there.
func makeDirs(dir string, items []repomd.Item) error {
	made, last := map[string]bool{}, ""
	for _, item := range items {
		name := dirOf(item.Href)
		if name == last || made[name] {
			continue
		}
		last, made[name] = name, true
		if err := mkdirs(dir, filepath.FromSlash(name)); err != nil {
			return err
		}
	}
	return nil
}

// dirOf is the directory of a package in its repository, whose hrefs are clean
// and never of one element.
func dirOf(href string) string { return href[:strings.LastIndexByte(href, '/')] }

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
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
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

// linkOne sees that one package lies in the tree whose directory is open, and
// reads it unless its file has the origin that is known. One that should be there
// and is not as it was left is linked anew.
func (p *Publisher) linkOne(ctx context.Context, dir string, tree int, item *repomd.Item, origin string, there bool) error {
	if there && origin != "" {
		switch size, lies, err := fileState(tree, item.Href); {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case err == nil && size == item.Size && lies == origin:
			item.Origin = origin
			return nil
		case err == nil:
			if err := os.Remove(filepath.Join(dir, filepath.FromSlash(item.Href))); err != nil {
				return err
			}
		}
	}
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
	size, state, err := fileState(tree, item.Href)
	if err != nil {
		return err
	}
	item.Origin = state
	if copied || size == item.Size && state == origin {
		return nil
	}
	if err := p.Store.Verify(ctx, blob); err != nil {
		return fmt.Errorf("%s: %w", item.NEVRA, err)
	}
	if size != item.Size {
		return fmt.Errorf("%s has %d bytes, %d are recorded: %w", item.NEVRA, size, item.Size, store.ErrDigest)
	}
	return nil
}

// fileState is the state of a package's file in a tree whose directory is open, and
// its size, which the state has, too. There is no time of change in it, which
// every link sets.
func fileState(tree int, href string) (size int64, state string, err error) {
	var stat unix.Stat_t
	if err := unix.Fstatat(tree, href, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return 0, "", &fs.PathError{Op: "lstat", Path: href, Err: err}
	}
	b := strconv.AppendInt(make([]byte, 0, 40), stat.Size, 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, stat.Mtim.Nano(), 36)
	b = append(b, ' ')
	return stat.Size, string(strconv.AppendUint(b, stat.Ino, 36)), nil
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
