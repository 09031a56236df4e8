package web

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mediaTypes are those of the files of packages and repositories. Nothing is
// guessed from content, which strangers write.
var mediaTypes = map[string]string{
	".rpm": "application/x-rpm",
	".xml": "application/xml",
	".gz":  "application/gzip",
	".xz":  "application/x-xz",
	".zst": "application/zstd",
	".bz2": "application/x-bzip2",
	".asc": "text/plain; charset=utf-8",
	".log": "text/plain; charset=utf-8",
}

// filePolicy lets a browser that shows a file do nothing with it: files share
// the origin of the pages.
const filePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

// publicTree is a directory whose files anybody may have.
type publicTree struct {
	root *os.Root
	// cache is the Cache-Control of files.
	cache string
	// url is where the tree is served, with a slash at the end.
	url string
	// listed says that the listing of all of it is there.
	listed bool
	// above are the pages above the tree, from the outermost; the last one is about
	// what the tree holds.
	above []crumb
	// nav is the entry of the navigation that these belong to.
	nav string
}

// fileURL is where a file of the store is served.
func fileURL(stored string) string {
	return (&url.URL{Path: "/" + stored}).EscapedPath()
}

// packageFile answers below /packages/NAME/.
func (s *server) packageFile(w http.ResponseWriter, r *http.Request) error {
	name, rest, err := treePath(r, "name")
	if err != nil {
		return err
	}
	if rest == "" {
		http.Redirect(w, r, "/packages/"+url.PathEscape(name), http.StatusFound)
		return nil
	}
	page := "/packages/" + url.PathEscape(name)
	return s.serveStore(w, r, path.Join("packages", name), rest, publicTree{
		url: page + "/", nav: "packages", above: []crumb{{"Packages", "/packages"}, {name, page}},
	})
}

// scratchFile answers below /scratch/BUILD/.
func (s *server) scratchFile(w http.ResponseWriter, r *http.Request) error {
	build, rest, err := treePath(r, "build")
	if err != nil {
		return err
	}
	return s.serveStore(w, r, path.Join("scratch", build), rest, publicTree{
		url: "/scratch/" + url.PathEscape(build) + "/", listed: true, nav: "builds",
		above: []crumb{{"Builds", "/"}, {"build " + build, "/builds/" + url.PathEscape(build)}},
	})
}

// serveStore answers with a file or a listing of one directory of the store,
// where every name keeps its meaning. The tree begins below blobs and tmp, so
// no link leads there.
func (s *server) serveStore(w http.ResponseWriter, r *http.Request, dir, rest string, tree publicTree) error {
	root, err := openBelow(s.StoreDir, dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tree.root, tree.cache = root, forever
	return s.serveTree(w, r, tree, rest)
}

// generationNumber is how generations are named on disk.
var generationNumber = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// repoFile answers below /repos/TAG/: GENERATION/… for good, latest/… with what
// is the latest by now. The link is read once, so that one answer never mixes
// two generations.
func (s *server) repoFile(w http.ResponseWriter, r *http.Request) error {
	tag, rest, err := treePath(r, "tag")
	if err != nil {
		return err
	}
	if rest == "" {
		if strings.HasSuffix(tag, repoSuffix) {
			return s.showRepo(w, r, tag)
		}
		http.Redirect(w, r, repoURL(tag), http.StatusFound)
		return nil
	}
	generation, rest, below := strings.Cut(rest, "/")
	if !below {
		redirectToDir(w, r)
		return nil
	}
	tree := publicTree{
		url: "/repos/" + url.PathEscape(tag) + "/" + generation + "/", listed: true, cache: forever, nav: "repos",
		above: []crumb{{"Repositories", "/repos"}, {tag, repoURL(tag)}},
	}
	if generation == "latest" {
		if generation, err = s.latestGeneration(tag); err != nil {
			return err
		}
		if tree.cache = "no-cache"; outlives(rest) {
			generation = s.generationWith(tag, generation, rest)
			if namedByDigest.MatchString(path.Base(rest)) {
				tree.cache = forever
			}
		}
	} else {
		tree.above = append(tree.above, crumb{"generation " + generation, strings.TrimSuffix(tree.url, "/")})
	}
	if !generationNumber.MatchString(generation) {
		return errNotFound
	}
	root, err := openBelow(s.ReposDir, path.Join(tag, generation))
	if err != nil {
		return err
	}
	defer root.Close()
	tree.root = root
	return s.serveTree(w, r, tree, rest)
}

// latestGeneration reads which generation of a tag is the latest.
func (s *server) latestGeneration(tag string) (string, error) {
	root, err := os.OpenRoot(s.ReposDir)
	if err != nil {
		return "", notThere(err)
	}
	defer root.Close()
	number, err := root.Readlink(path.Join(tag, "latest"))
	if err != nil {
		return "", notThere(err)
	}
	return number, nil
}

// lookBack is how many generations before the latest a file is looked for.
const lookBack = 1000

// namedByDigest is a document of repodata whose name holds the SHA-256 of its
// content: what it names never changes, wherever it is asked for.
var namedByDigest = regexp.MustCompile(`^[0-9a-f]{64}-[a-z_]+\.[a-z.]+$`)

// outlives reports whether a file of a generation is worth looking for in those
// before it: what repomd.xml names. repomd.xml and what signs it are those of
// the latest, or they are not there, and so is whatever else is guessed.
func outlives(rest string) bool {
	return namedByDigest.MatchString(path.Base(rest)) || strings.HasSuffix(rest, ".rpm")
}

// generationWith is the newest generation that has a file, among the latest and
// those before it that are kept, lookBack at most; the latest if none has. A
// client that read repomd.xml just before a switch asks for what that one named:
// names of metadata carry their digest and those of packages are never used
// again, so the file it finds is the one it means.
func (s *server) generationWith(tag, latest, rest string) string {
	newest, err := strconv.ParseInt(latest, 10, 64)
	if err != nil {
		return latest
	}
	root, err := os.OpenRoot(s.ReposDir)
	if err != nil {
		return latest
	}
	defer root.Close()
	has := func(generation string) bool {
		_, err := root.Lstat(path.Join(tag, generation, rest))
		return err == nil
	}
	if has(latest) {
		return latest
	}
	for _, n := range before(root, tag, newest) {
		if generation := strconv.FormatInt(n, 10); has(generation) {
			return generation
		}
	}
	return latest
}

// before lists the generations before one, the newest first.
func before(root *os.Root, tag string, newest int64) []int64 {
	entries, err := fs.ReadDir(root.FS(), tag)
	if err != nil {
		return nil
	}
	var numbers []int64
	for _, e := range entries {
		if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && n < newest && generationNumber.MatchString(e.Name()) {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b int64) int { return cmp.Compare(b, a) })
	return numbers[:min(len(numbers), lookBack)]
}

// openBelow opens a directory below another one. A link on the way is refused,
// also one that stays within: it would make two names of one thing.
func openBelow(dir, name string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, notThere(err)
	}
	defer root.Close()
	parts := strings.Split(name, "/")
	for i := range parts {
		info, err := root.Lstat(path.Join(parts[:i+1]...))
		if err != nil {
			return nil, notThere(err)
		}
		if !info.IsDir() {
			return nil, errNotFound
		}
	}
	below, err := root.OpenRoot(name)
	if err != nil {
		return nil, notThere(err)
	}
	return below, nil
}

// treePath reads the first part of a path, and the rest, as plain names: none
// of them hidden, none that a server in front of us could read differently.
func treePath(r *http.Request, first string) (name, rest string, err error) {
	name, rest = r.PathValue(first), r.PathValue("path")
	if strings.Contains(strings.ToLower(r.URL.EscapedPath()), "%2f") || strings.ContainsAny(name+rest, "\\\x00") {
		return "", "", errNotFound
	}
	for _, part := range strings.Split(name+"/"+strings.TrimSuffix(rest, "/"), "/") {
		if strings.HasPrefix(part, ".") {
			return "", "", errNotFound
		}
	}
	return name, rest, nil
}

// serveTree answers with what lies at name in the tree. A name that ends with a
// slash is a directory's.
func (s *server) serveTree(w http.ResponseWriter, r *http.Request, tree publicTree, name string) error {
	clean := filepath.ToSlash(filepath.Clean("/" + name))[1:]
	if clean == "" {
		clean = "."
	}
	info, err := tree.root.Lstat(clean)
	if err != nil {
		return notThere(err)
	}
	switch isDir := strings.HasSuffix(name, "/") || name == ""; {
	case info.IsDir() && !isDir:
		redirectToDir(w, r)
		return nil
	case info.IsDir():
		return s.listDir(w, r, tree, clean)
	case isDir || !info.Mode().IsRegular():
		return errNotFound
	}
	file, err := tree.root.OpenFile(clean, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return notThere(err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return fmt.Errorf("web: stat %s: %w", clean, err)
	}
	if !info.Mode().IsRegular() {
		return errNotFound
	}
	header := w.Header()
	header.Set("Content-Security-Policy", filePolicy)
	header.Set("Content-Type", cmp.Or(mediaTypes[path.Ext(clean)], "application/octet-stream"))
	header.Set("Cache-Control", tree.cache)
	header.Set("ETag", fileTag(info))
	modified := info.ModTime()
	if tree.cache != forever && path.Base(path.Dir(clean)) == "repodata" {
		// Switches follow one another within a second, which is all that
		// Last-Modified can tell.
		modified = time.Time{}
	}
	if unit := r.Header.Get("Range"); unit != "" && !strings.HasPrefix(unit, "bytes=") {
		r.Header.Del("Range") // a unit that is not known is ignored: RFC 9110 §14.2
	}
	http.ServeContent(w, r, "", modified, file)
	return nil
}

// fileTag is a strong validator (RFC 9110 §8.8.1): files are replaced, never
// written to, so a new content has a new inode or a new time.
func fileTag(info fs.FileInfo) string {
	inode := uint64(0)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = stat.Ino
	}
	return fmt.Sprintf(`"%x-%x-%x"`, inode, info.Size(), info.ModTime().UnixNano())
}

// notThere tells what is nothing to a client from what is a fault of ours: a
// link that leads out (an error of os.Root, which is no errno), a file where a
// directory should be, a name no file system takes.
func notThere(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return errNotFound
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL:
		return errNotFound
	}
	return fmt.Errorf("web: open file: %w", err)
}

// redirectToDir sends the client to the same path with a slash at its end, so
// that relative links of the listing work.
func redirectToDir(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, (&url.URL{Path: r.URL.Path + "/"}).EscapedPath(), http.StatusFound)
}
