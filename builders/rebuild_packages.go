package builders

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
)

// makeRepository makes dir/ARCH, a repository of exactly the packages of a
// recorded buildroot: ours from the store, whether they are tagged or not, the
// others from the repositories they came from. Those that can't be had are
// returned; nothing is to be built then.
func (r *Rebuilder) makeRepository(ctx context.Context, dir string, root rootToMake) ([]reproduce.Missing, error) {
	dir = filepath.Join(dir, root.Arch)
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("builders: make repository: %w", err)
	}
	own, err := r.ownPackages(ctx, root.content)
	if err != nil {
		return nil, err
	}
	external := externalRepos{http: r.HTTP, repos: root.recipe.Repos}
	var entries []repomd.Entry
	var missing []reproduce.Missing
	for _, pkg := range root.content {
		entry, err := r.placePackage(ctx, dir, pkg, own[pkg.Nevra], &external)
		var gone *goneError
		switch {
		case errors.As(err, &gone):
			missing = append(missing, reproduce.Missing{Arch: root.Arch, NEVRA: pkg.Nevra, Repo: pkg.Repo, Reason: gone.reason})
		case err != nil:
			return nil, fmt.Errorf("builders: make repository of the buildroot for %s: %w", root.Arch, err)
		default:
			entries = append(entries, entry)
		}
	}
	if len(missing) > 0 {
		return missing, nil
	}
	slices.SortFunc(entries, repomd.Compare)
	// Constant, so that rebuilds of the same buildroot share its base root.
	_, err = repomd.Write(ctx, dir, len(entries), inOrder(entries), repomd.Options{Revision: "1", Timestamp: 1})
	return nil, err
}

func inOrder(entries []repomd.Entry) iter.Seq2[repomd.Entry, error] {
	return func(yield func(repomd.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// goneError says why a package can't be had.
type goneError struct{ reason string }

// Error implements error.
func (e *goneError) Error() string { return e.reason }

// ownPackages finds packages of ours that have the names of a buildroot's: by
// the name that is recorded there.
func (r *Rebuilder) ownPackages(ctx context.Context, content []db.BuildrootContentRow) (map[string][]store.Blob, error) {
	var params db.OwnPackagesParams
	texts := map[string]string{}
	for _, pkg := range content {
		nevra, err := rpmfile.ParseNEVRA(pkg.Nevra)
		if err != nil {
			continue // It is missing by and by.
		}
		params.Names, params.Versions = append(params.Names, nevra.Name), append(params.Versions, nevra.Version)
		params.Releases, params.Arches = append(params.Releases, nevra.Release), append(params.Arches, nevra.Arch)
		texts[nevra.NVRA()] = pkg.Nevra
	}
	rows, err := db.New(r.Pool).OwnPackages(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("builders: look for own packages: %w", err)
	}
	own := map[string][]store.Blob{}
	for _, row := range rows {
		nvra := rpmfile.NEVRA{Name: row.Name, Version: row.Version, Release: row.Release, Arch: row.Arch}.NVRA()
		own[texts[nvra]] = append(own[texts[nvra]], store.Blob{SHA256: row.Sha256, Size: row.Size})
	}
	return own, nil
}

// placePackage puts a package into a repository and describes it. It is the
// recorded one if its header has the recorded digest.
func (r *Rebuilder) placePackage(ctx context.Context, dir string, pkg db.BuildrootContentRow, own []store.Blob, external *externalRepos) (repomd.Entry, error) {
	nevra, err := rpmfile.ParseNEVRA(pkg.Nevra)
	if err != nil {
		return repomd.Entry{}, &goneError{"its recorded name can't be read"}
	}
	href := path.Join("Packages", strings.ToLower(nevra.Name[:1]), nevra.NVRA()+".rpm")
	file := filepath.Join(dir, filepath.FromSlash(href))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return repomd.Entry{}, err
	}
	for _, blob := range own {
		if pkg.Sha256 != "" && blob.SHA256 != pkg.Sha256 {
			continue
		}
		if err := os.Link(r.Store.Path(blob), file); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return repomd.Entry{}, err
		}
		entry, err := describe(file, href, pkg.Digest)
		if err == nil {
			return entry, nil
		}
		if err := os.Remove(file); err != nil {
			return repomd.Entry{}, err
		}
	}
	if err := external.fetch(ctx, nevra, pkg, file); err != nil {
		return repomd.Entry{}, err
	}
	return describe(file, href, pkg.Digest)
}

// describe makes the metadata of a package whose header has the digest, and a
// *goneError of another one.
func describe(file, href, digest string) (repomd.Entry, error) {
	pkg, sum, err := rpmfile.ReadFile(file)
	if err != nil {
		return repomd.Entry{}, &goneError{"what has its name can't be read: " + err.Error()}
	}
	if digest != pkg.HeaderSHA256 && digest != pkg.SigMD5 {
		return repomd.Entry{}, &goneError{"what has its name now is another package"}
	}
	fragments, err := repomd.Render(pkg, repomd.File{Href: href, SHA256: sum.SHA256, Size: sum.Size, Time: pkg.BuildTime})
	if err != nil {
		return repomd.Entry{}, err
	}
	return repomd.Entry{NEVRA: pkg.NEVRA, SHA256: sum.SHA256, Fragments: fragments}, nil
}
