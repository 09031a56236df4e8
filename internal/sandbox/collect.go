package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// collector copies regular files out of a hostile directory.
type collector struct {
	ctx     context.Context
	dest    *os.Root
	opt     CollectOptions
	res     CollectResult
	entries int
	bytes   int64
}

// collect copies the regular files below opt.Sub of dir into dest. All
// defaults of opt are filled in.
func collect(ctx context.Context, dir, dest string, opt CollectOptions) (*CollectResult, error) {
	base, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer unix.Close(base)
	fd, err := unix.Openat2(base, opt.Sub, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", opt.Sub, err)
	}
	start := os.NewFile(uintptr(fd), opt.Sub)
	defer start.Close()
	root, err := os.OpenRoot(dest)
	if err != nil {
		return nil, fmt.Errorf("open destination: %w", err)
	}
	defer root.Close()
	c := &collector{ctx: ctx, dest: root, opt: opt}
	if err := c.directory(start, ".", 1); err != nil {
		return nil, err
	}
	return &c.res, nil
}

func (c *collector) directory(dir *os.File, rel string, depth int) error {
	if depth > c.opt.MaxDepth {
		return fmt.Errorf("%q: %w: more than %d levels of directories", rel, ErrTooLarge, c.opt.MaxDepth)
	}
	// One more than allowed shows that there are too many, without reading
	// millions of names.
	names, err := dir.Readdirnames(c.opt.MaxFiles - c.entries + 1)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read directory %q: %w", rel, err)
	}
	if c.entries += len(names); c.entries > c.opt.MaxFiles {
		return fmt.Errorf("%w: more than %d entries", ErrTooLarge, c.opt.MaxFiles)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.ctx.Err(); err != nil {
			return context.Cause(c.ctx)
		}
		if err := c.entry(int(dir.Fd()), name, path.Join(rel, name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) entry(dir int, name, rel string, depth int) error {
	if !printable(name) {
		c.res.Skipped = append(c.res.Skipped, strconv.Quote(rel))
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat %q: %w", rel, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		sub, err := openDirAt(dir, name)
		if err != nil {
			return err
		}
		defer sub.Close()
		if err := c.dest.Mkdir(rel, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
		return c.directory(sub, rel, depth+1)
	case unix.S_IFREG:
		return c.file(dir, name, rel)
	}
	c.res.Skipped = append(c.res.Skipped, rel)
	return nil
}

func (c *collector) file(dir int, name, rel string) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %q: %w", rel, err)
	}
	in := os.NewFile(uintptr(fd), rel)
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return fmt.Errorf("open %q: %w", rel, err)
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("open %q: not a regular file any more", rel)
	}
	out, err := c.dest.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	left := c.opt.MaxBytes - c.bytes
	n, err := io.Copy(out, io.LimitReader(in, left+1))
	if err != nil {
		return fmt.Errorf("copy %q: %w", rel, err)
	}
	if n > left {
		return fmt.Errorf("%q: %w: more than %d bytes", rel, ErrTooLarge, c.opt.MaxBytes)
	}
	c.bytes += n
	c.res.Files = append(c.res.Files, CollectedFile{Path: rel, Size: n})
	return out.Close()
}

// printable says whether a name can be shown and stored as it is.
func printable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
