package rootfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// maxListings is how many repositories' lists of packages are remembered.
const maxListings = 8

// listing is a repository's packages: NEVRA → SHA-256 of the file. A NEVRA that
// it has twice, with different bytes, has none.
type listing map[string]string

// origins remembers which repositories have which packages. Safe for concurrent
// use.
type origins struct {
	mu       sync.Mutex
	listings map[[sha256.Size]byte]listing // by the digest of repomd.xml
}

// origin is a look into the repositories of a base root, which goes on beside
// the build.
type origin struct {
	repos []mountedRepo
	// stop ends it and waits for its end.
	stop func()
	done chan struct{}
	// The rest is set once done is closed: a list for each of repos, nil where
	// it could not be read, and why.
	lists []listing
	notes []string
}

// look begins to read the repositories that a base root came from.
func (o *origins) look(ctx context.Context, root *base) *origin {
	ctx, cancel := context.WithCancel(ctx)
	l := &origin{repos: root.repos, done: make(chan struct{}), lists: make([]listing, len(root.repos))}
	l.stop = func() { cancel(); <-l.done }
	go func() {
		defer close(l.done)
		for i, repo := range root.repos {
			list, err := o.list(ctx, root.metadata, repo)
			if err != nil {
				l.notes = append(l.notes, fmt.Sprintf("which packages came from repository %s is not known: %v", repo.Name, err))
			}
			l.lists[i] = list
		}
	}()
	return l
}

// mark notes where packages came from: from the one repository that has them.
// Where several have other bytes under the same name, it can't be known.
func (l *origin) mark(installed []builders.Installed, log io.Writer) {
	<-l.done
	for _, note := range l.notes {
		fmt.Fprintln(log, note)
	}
	for i := range installed {
		if nevra, err := rpmfile.ParseNEVRA(installed[i].NEVRA); err == nil {
			installed[i].Repo, installed[i].SHA256 = l.of(nevra.String())
		}
	}
}

// of is where a package came from; both are empty where that is not known.
func (l *origin) of(nevra string) (repo, sum string) {
	for i, list := range l.lists {
		switch got, there := list[nevra]; {
		case !there || got == sum && sum != "":
		case got == "" || sum != "":
			return "", ""
		default:
			repo, sum = l.repos[i].Name, got
		}
	}
	return repo, sum
}

// list returns the packages of a repository as its repomd.xml, read before,
// says.
func (o *origins) list(ctx context.Context, metadata string, repo mountedRepo) (listing, error) {
	key := sha256.Sum256(repo.repomd)
	o.mu.Lock()
	list, ok := o.listings[key]
	o.mu.Unlock()
	if ok {
		return list, nil
	}
	list, err := readListing(ctx, metadata, repo)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listings == nil || len(o.listings) >= maxListings {
		o.listings = map[[sha256.Size]byte]listing{}
	}
	o.listings[key] = list
	return list, nil
}

func readListing(ctx context.Context, metadata string, repo mountedRepo) (listing, error) {
	md, err := repomd.ReadRepomd(bytes.NewReader(repo.repomd))
	if err != nil {
		return nil, err
	}
	primary, ok := md.Find("primary")
	if !ok {
		return nil, errors.New("its repomd.xml names no primary.xml")
	}
	file, err := openPrimary(metadata, repo, primary.Href)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	list := listing{}
	err = repomd.ReadPackages(primary, &untilDone{ctx, file}, func(p repomd.PrimaryPackage) error {
		if p.ChecksumType != "sha256" {
			return nil
		}
		name := p.NEVRA.String()
		if other, twice := list[name]; twice && other != p.Checksum {
			p.Checksum = ""
		}
		list[name] = p.Checksum
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// openPrimary opens the list of a repository's packages: in its directory, or
// where dnf keeps what it downloaded. Nothing leads out of either, and the digest
// is checked.
func openPrimary(metadata string, repo mountedRepo, href string) (io.ReadCloser, error) {
	if repo.dir != "" {
		return openBelow(repo.dir, href)
	}
	cache, err := os.OpenRoot(metadata)
	if err != nil {
		return nil, err
	}
	defer cache.Close()
	entries, err := fs.ReadDir(cache.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), buildroot.OneWord(repo.Name)+"-") {
			continue
		}
		file, err := openRegular(cache, path.Join(entry.Name(), "repodata", path.Base(href)))
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, errors.New("dnf kept no list of its packages")
}

func openBelow(dir, name string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return openRegular(root, name)
}

// openRegular opens a regular file: a pipe would wait for ever.
func openRegular(root *os.Root, name string) (io.ReadCloser, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path.Base(name))
	}
	return root.Open(name)
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
