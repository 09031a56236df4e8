package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// maxDepth bounds how deep RPMs lie, also where symbolic links lead in circles.
const maxDepth = 32

// file is one RPM.
type file struct {
	path string // for opening
	href string // relative to the directory, with slashes
	// origin tells a file from what it was before: size, times, and place on
	// the disk.
	origin string
	// err is why it can't even be looked at.
	err error
}

// originOf is the state of a file.
func originOf(stat *unix.Stat_t) string {
	b := make([]byte, 0, 48)
	b = strconv.AppendInt(b, stat.Size, 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, stat.Mtim.Nano(), 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, stat.Ctim.Nano(), 36)
	b = append(b, ' ')
	b = strconv.AppendUint(b, stat.Ino, 36)
	return string(b)
}

// entry is what a directory has under one name.
type entry struct {
	name string
	link bool
	stat unix.Stat_t
	err  error
}

// walk finds the RPMs, in the order of their paths. Symbolic links are
// followed, as createrepo_c does.
func walk(ctx context.Context, opts Options) ([]file, error) {
	var files []file
	var within []place // the directories that are being visited
	var visit func(dir, href string, depth int) error
	visit = func(dir, href string, depth int) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if depth > maxDepth {
			return fmt.Errorf("directory: %q is more than %d directories deep", href, maxDepth)
		}
		here, err := placeOf(dir)
		if err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		if slices.Contains(within, here) {
			return fmt.Errorf("directory: the symbolic link %q leads to a directory that it is in: remove it, or leave it out with --exclude %q", href, href)
		}
		within = append(within, here)
		defer func() { within = within[:len(within)-1] }()
		entries, err := list(dir, func(name string) bool {
			return (depth > 0 || name != "repodata" && name != ".repodata") && !excluded(opts.Exclude, name, path.Join(href, name))
		})
		if err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		for _, e := range entries {
			rpm, kind := strings.HasSuffix(e.name, ".rpm"), e.stat.Mode&unix.S_IFMT
			full, at := dir+string(filepath.Separator)+e.name, path.Join(href, e.name)
			switch {
			case errors.Is(e.err, fs.ErrNotExist) && e.link && !rpm:
				continue // a link to nowhere
			case e.err != nil && rpm:
				files = append(files, file{path: full, href: at, err: e.err})
			case e.err != nil:
				return fmt.Errorf("directory: %w", &fs.PathError{Op: "stat", Path: full, Err: e.err})
			case kind == unix.S_IFDIR:
				err = visit(full, at, depth+1)
			case rpm && kind == unix.S_IFREG:
				files = append(files, file{path: full, href: at, origin: originOf(&e.stat)})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return files, visit(opts.Dir, "", 0)
}

// place tells a directory from all others.
type place struct{ dev, ino uint64 }

func placeOf(dir string) (place, error) {
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return place{}, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	return place{stat.Dev, stat.Ino}, nil
}

// list returns the directories, RPMs and symbolic links of a directory that are
// wanted, by their names. Of links there is the state of what they lead to.
func list(dir string, want func(name string) bool) ([]*entry, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var entries []*entry
	for _, e := range all {
		link := e.Type()&fs.ModeSymlink != 0
		if (link || e.IsDir() || strings.HasSuffix(e.Name(), ".rpm")) && want(e.Name()) {
			entries = append(entries, &entry{name: e.Name(), link: link})
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	// Asking is most of the work of a run that finds nothing new.
	fd := int(d.Fd())
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	const some = 256
	for part := range slices.Chunk(entries, some) {
		work.Go(func() error {
			for _, e := range part {
				e.err = statAt(fd, e.name, &e.stat)
			}
			return nil
		})
	}
	return entries, work.Wait()
}

// statAt asks for a file of an open directory, through symbolic links.
func statAt(dir int, name string, stat *unix.Stat_t) error {
	for {
		if err := unix.Fstatat(dir, name, stat, 0); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// excluded says whether a file is left out by its name or its path.
func excluded(patterns []string, name, at string) bool {
	for _, p := range patterns {
		for _, s := range [...]string{name, at} {
			if ok, err := path.Match(p, s); ok && err == nil {
				return true
			}
		}
	}
	return false
}
