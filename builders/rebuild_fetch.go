package builders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of what is fetched from external repositories, in bytes.
const (
	maxFetchedMetadata = 512 << 20
	maxFetchedPackage  = 4 << 30
)

// externalRepos are the repositories of a recorded recipe as they are now. Not
// safe for concurrent use.
type externalRepos struct {
	http  *http.Client
	repos []recordedRepo

	lists map[string]map[string][]repomd.PackagePlace
	// broken says why a repository can't be read, by name.
	broken map[string]string
}

// fetch brings a package to a file. It returns a *goneError when none of the
// repositories has it any more, or can't be read.
func (e *externalRepos) fetch(ctx context.Context, nevra rpmfile.NEVRA, pkg db.BuildrootContentRow, file string) error {
	var reasons []string
	for _, repo := range e.repos {
		if pkg.Repo != "" && repo.Name != pkg.Repo {
			continue
		}
		list, err := e.list(ctx, repo)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			reasons = append(reasons, fmt.Sprintf("%s can't be read: %v", repo.Name, err))
			continue
		}
		other := false
		for _, place := range list[nevra.String()] {
			if pkg.Sha256 != "" && place.SHA256 != pkg.Sha256 {
				other = true
				continue
			}
			if err := e.get(ctx, repo, place, file); err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				reasons = append(reasons, fmt.Sprintf("%s does not give it: %v", repo.Name, err))
				continue
			}
			return nil
		}
		if other {
			reasons = append(reasons, repo.Name+" has other bytes under its name now")
		}
	}
	switch {
	case len(reasons) > 0:
		return &goneError{strings.Join(reasons, "; ")}
	case pkg.Repo != "":
		return &goneError{pkg.Repo + " does not have it any more"}
	}
	return &goneError{"none of the repositories has it any more"}
}

// list reads which packages a repository has, once.
func (e *externalRepos) list(ctx context.Context, repo recordedRepo) (map[string][]repomd.PackagePlace, error) {
	if why, ok := e.broken[repo.Name]; ok {
		return nil, errors.New(why)
	}
	if list, ok := e.lists[repo.Name]; ok {
		return list, nil
	}
	list, err := e.read(ctx, repo)
	if err != nil {
		if e.broken == nil {
			e.broken = map[string]string{}
		}
		e.broken[repo.Name] = err.Error()
		return nil, err
	}
	if e.lists == nil {
		e.lists = map[string]map[string][]repomd.PackagePlace{}
	}
	e.lists[repo.Name] = list
	return list, nil
}

func (e *externalRepos) read(ctx context.Context, repo recordedRepo) (map[string][]repomd.PackagePlace, error) {
	body, err := e.open(ctx, repo, "repodata/repomd.xml")
	if err != nil {
		return nil, err
	}
	md, err := repomd.ReadRepomd(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	primary, ok := md.Find("primary")
	if !ok {
		return nil, errors.New("its repomd.xml names no primary.xml")
	}
	if body, err = e.open(ctx, repo, primary.Href); err != nil {
		return nil, err
	}
	defer body.Close()
	list := map[string][]repomd.PackagePlace{}
	err = repomd.ReadPackages(primary, io.LimitReader(body, maxFetchedMetadata), func(p repomd.PrimaryPackage) error {
		if p.ChecksumType == "sha256" {
			name := p.NEVRA.String()
			list[name] = append(list[name], repomd.PackagePlace{SHA256: p.Checksum, Href: p.Href, Size: p.Size})
		}
		return nil
	})
	return list, err
}

// get copies a package to a file, which is then what the repository says.
func (e *externalRepos) get(ctx context.Context, repo recordedRepo, place repomd.PackagePlace, file string) (err error) {
	body, err := e.open(ctx, repo, place.Href)
	if err != nil {
		return err
	}
	defer body.Close()
	to, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file))
		}
	}()
	sum := sha256.New()
	limit := min(place.Size, maxFetchedPackage)
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(body, limit+1))
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n > limit || got != place.SHA256 {
		return errors.New("its file is not what its metadata says")
	}
	return nil
}

// open opens a file of a repository on this host or on the network. URLs may
// hold a password: errors do not.
func (e *externalRepos) open(ctx context.Context, repo recordedRepo, name string) (io.ReadCloser, error) {
	if dir, ok := strings.CutPrefix(repo.URL, "file://"); ok {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, bare(err)
		}
		defer root.Close()
		file, err := root.Open(filepath.FromSlash(name))
		return file, bare(err)
	}
	where, err := url.Parse(repo.URL)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.JoinPath(name).String(), nil)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, bare(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("it answers %s for %s", response.Status, path.Base(name)), response.Body.Close())
	}
	return response.Body, nil
}

// bare is an error without the path or the URL that it was about.
func bare(err error) error {
	var web *url.Error
	if errors.As(err, &web) {
		return web.Err
	}
	var file *os.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("%s: %w", filepath.Base(file.Path), file.Err)
	}
	return err
}
