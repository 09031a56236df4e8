package bootstrap

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"time"
	"unicode"
)

// maxTreeBytes bounds what one package may unpack to. The largest package of
// a base distribution (a compiler) has some 100 MB.
const maxTreeBytes = 4 << 30

// tree is a package's files as they will lie in the RPM.
type tree struct {
	Root   *os.Root
	Files  map[string]bool // cleaned path without leading slash → is a directory
	Newest time.Time       // newest modification time in the package
}

// merged lists the top-level directories that are links into /usr since the
// usrmerge (Fedora 17, Debian 12). Packages may still carry either form.
func merged(top string) bool {
	switch top {
	case "bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32":
		return true
	}
	return false
}

// usrPath moves a cleaned path without leading slash to its place after the
// usrmerge.
func usrPath(name string) string {
	top, _, _ := strings.Cut(name, "/")
	if merged(top) {
		return "usr/" + name
	}
	return name
}

// dropped reports whether a build root can do without a path. Licences
// (usr/share/doc/*/copyright) are kept: the RPMs are redistributed.
func dropped(name string) bool {
	if rest, ok := strings.CutPrefix(name, "usr/share/doc/"); ok {
		return !strings.HasSuffix(rest, "/copyright") || strings.Count(rest, "/") != 1
	}
	for _, dir := range []string{
		"usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bug",
		"usr/share/doc-base", "usr/share/gtk-doc", "usr/share/menu",
		// Links of distbot-filesystem stand in their place.
		"var/run", "var/lock",
	} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// unpack adds the file system archive of a Debian package to the tree, moved
// to where the usrmerge wants it, without documentation, owners and
// set-id bits: a build root gives no privileges away, and a user namespace
// with a single uid could not install foreign owners.
// It refuses paths that leave the tree, control characters in names (rpm's
// dependency generators read names line by line), and device nodes.
func (t *tree) unpack(archive io.Reader) error {
	r := tar.NewReader(&boundedReader{archive, maxTreeBytes})
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if err := t.add(h, r); err != nil {
			return fmt.Errorf("unpack %q: %w", h.Name, err)
		}
	}
}

func (t *tree) add(h *tar.Header, content io.Reader) error {
	original, err := memberPath(h.Name)
	if err != nil {
		return err
	}
	name := usrPath(original)
	if original == "." || dropped(name) || (merged(original) && h.Typeflag == tar.TypeSymlink) {
		return nil
	}
	if h.ModTime.After(t.Newest) {
		t.Newest = h.ModTime
	}
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if h.Mode&0o1000 != 0 {
			mode |= fs.ModeSticky
		}
		return t.mkdir(name, mode)
	case tar.TypeReg:
		return t.write(name, mode, h.ModTime, content)
	case tar.TypeSymlink:
		return t.symlink(name, moveTarget(original, h.Linkname))
	case tar.TypeLink:
		old, err := memberPath(h.Linkname)
		if err != nil {
			return err
		}
		return t.link(name, usrPath(old))
	}
	return fmt.Errorf("type %q has no place in a package", h.Typeflag)
}

func (t *tree) mkdir(name string, mode fs.FileMode) error {
	if err := t.prepare(name); err != nil {
		return err
	}
	if err := t.Root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	t.Files[name] = true
	return t.Root.Chmod(name, mode)
}

// prepare makes the parents of name.
func (t *tree) prepare(name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	for d := dir; d != "."; d = path.Dir(d) {
		t.Files[d] = true
	}
	return t.Root.MkdirAll(dir, 0o755)
}

func (t *tree) write(name string, mode fs.FileMode, mtime time.Time, content io.Reader) error {
	if err := t.prepare(name); err != nil {
		return err
	}
	f, err := t.Root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	t.Files[name] = false
	return t.Root.Chtimes(name, mtime, mtime)
}

// symlink adds a link.
func (t *tree) symlink(name, target string) error {
	if err := t.prepare(name); err != nil {
		return err
	}
	t.Files[name] = false
	return t.Root.Symlink(target, name)
}

func (t *tree) link(name, old string) error {
	if err := t.prepare(name); err != nil {
		return err
	}
	t.Files[name] = false
	return t.Root.Link(old, name)
}

// paths returns every path of the tree, sorted.
func (t *tree) paths() []string {
	names := make([]string, 0, len(t.Files))
	for name := range t.Files {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// memberPath cleans the name of an archive member.
func memberPath(name string) (string, error) {
	if strings.IndexFunc(name, unicode.IsControl) >= 0 {
		return "", errors.New("name has a control character")
	}
	cleaned := path.Clean(strings.TrimLeft(name, "/"))
	if name == "" || cleaned == ".." || strings.HasPrefix(cleaned, "../") {
		return "", errors.New("name leaves the package")
	}
	return cleaned, nil
}

// moveTarget keeps a link pointing at the same file when the link, its target
// or both are moved by the usrmerge. Links that do not move stay as written.
func moveTarget(link, target string) string {
	if path.IsAbs(target) {
		cleaned := strings.TrimPrefix(path.Clean(target), "/")
		if moved := usrPath(cleaned); moved != cleaned {
			return "/" + moved
		}
		return target
	}
	resolved := path.Join(path.Dir(link), target)
	if strings.HasPrefix(resolved, "../") || (usrPath(link) == link && usrPath(resolved) == resolved) {
		return target
	}
	return relative(path.Dir(usrPath(link)), usrPath(resolved))
}

// relative is filepath.Rel for two cleaned slash paths below one root.
func relative(dir, target string) string {
	from, to := strings.Split(dir, "/"), strings.Split(target, "/")
	for len(from) > 0 && len(to) > 1 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	return strings.Repeat("../", len(from)) + strings.Join(to, "/")
}

// boundedReader fails after n bytes, where io.LimitReader would pretend that
// the archive ended.
type boundedReader struct {
	r io.Reader
	n int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.n <= 0 {
		return 0, errors.New("archive is larger than a package may be")
	}
	if int64(len(p)) > b.n {
		p = p[:b.n]
	}
	n, err := b.r.Read(p)
	b.n -= int64(n)
	return n, err
}
