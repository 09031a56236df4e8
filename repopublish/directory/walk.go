package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
}

// originOf is the state of a file.
func originOf(info fs.FileInfo) string {
	b := strconv.AppendInt(nil, info.Size(), 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, info.ModTime().UnixNano(), 36)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		b = append(b, ' ')
		b = strconv.AppendInt(b, stat.Ctim.Nano(), 36)
		b = append(b, ' ')
		b = strconv.AppendUint(b, stat.Ino, 36)
	}
	return string(b)
}

// walk finds the RPMs, in the order of their paths. Symbolic links are
// followed, as createrepo_c does.
func walk(ctx context.Context, opts Options) ([]file, error) {
	var files []file
	var visit func(dir, href string, depth int) error
	visit = func(dir, href string, depth int) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if depth > maxDepth {
			return fmt.Errorf("directory: %q is more than %d directories deep", href, maxDepth)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		for _, e := range entries {
			name, at := e.Name(), path.Join(href, e.Name())
			full := dir + string(filepath.Separator) + name
			rpm := strings.HasSuffix(name, ".rpm")
			link := e.Type()&fs.ModeSymlink != 0
			if !rpm && !e.IsDir() && !link || depth == 0 && (name == "repodata" || name == ".repodata") || excluded(opts.Exclude, name, at) {
				continue
			}
			var info fs.FileInfo
			if link {
				info, err = os.Stat(full)
			} else if rpm {
				info, err = e.Info()
			}
			switch {
			case errors.Is(err, fs.ErrNotExist) && !rpm:
				continue // a link to nowhere
			case err != nil:
				return fmt.Errorf("directory: %w", err)
			case e.IsDir() || link && info.IsDir():
				err = visit(full, at, depth+1)
			case rpm && info.Mode().IsRegular():
				files = append(files, file{path: full, href: at, origin: originOf(info)})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return files, visit(opts.Dir, "", 0)
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
