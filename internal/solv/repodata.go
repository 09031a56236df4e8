package solv

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/distbot/distbot/internal/repomd"
)

// LoadDir returns a pool of the repositories in the given directories, those
// that hold repodata/, each with the name of its directory and no rank. Errors
// are those of New and AddRepodata. Close the pool.
func LoadDir(ctx context.Context, arch string, dirs ...string) (*Pool, error) {
	p, err := New(arch)
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		if err := p.addDir(ctx, dir); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

func (p *Pool) addDir(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("solv: open repository: %w", err)
	}
	p.roots = append(p.roots, root)
	_, err = p.AddRepodata(ctx, dir, Rank{}, root.FS())
	return err
}

// AddRepodata adds a repository from its repodata, which lies in files below
// repodata/ of the file system. Of the documents that repomd.xml names, primary
// is read now and filelists when a question needs it, so that the file system
// must last as long as the pool; both are checked against their checksums. After
// an error the pool can only be closed: it is the context's or the file
// system's, or wraps an error of repomd, ErrMalformed or ErrTooLarge, or is
// ErrClosed.
func (p *Pool) AddRepodata(ctx context.Context, name string, rank Rank, files fs.FS) (*Repo, error) {
	return p.AddRepodataFunc(ctx, name, rank, files, func(repomd.PrimaryPackage) error { return nil })
}

// AddRepodataFunc is AddRepodata that also calls visit for every package, in
// the order of primary.xml, before it is added. An error of visit is wrapped.
func (p *Pool) AddRepodataFunc(ctx context.Context, name string, rank Rank, files fs.FS, visit func(repomd.PrimaryPackage) error) (*Repo, error) {
	repo, err := p.newRepo(name, rank)
	if err != nil {
		return nil, err
	}
	md, err := readRepomd(files)
	if err != nil {
		return nil, fmt.Errorf("solv: repository %s: %w", name, err)
	}
	byChecksum := map[string]int32{}
	if err := readPrimary(ctx, files, md, func(pkg repomd.PrimaryPackage) error {
		if err := visit(pkg); err != nil {
			return err
		}
		byChecksum[pkg.Checksum] = int32(len(p.packages))
		return p.add(repo, &Package{NEVRA: pkg.NEVRA, Dependencies: pkg.Dependencies, Files: pkg.Files})
	}); err != nil {
		return nil, fmt.Errorf("solv: repository %s: %w", name, err)
	}
	repo.files = func(ctx context.Context, visit func(int32, []string) error) error {
		return readFilelists(ctx, files, md, func(list repomd.Filelist) error {
			pkg, ok := byChecksum[list.Checksum]
			if !ok {
				return nil
			}
			return visit(pkg, list.Files)
		})
	}
	return repo, nil
}

// ReadRepodata calls visit for every package of the repository whose repodata
// the file system holds. Errors are those of AddRepodata, or of visit.
func ReadRepodata(ctx context.Context, files fs.FS, visit func(repomd.PrimaryPackage) error) error {
	md, err := readRepomd(files)
	if err != nil {
		return fmt.Errorf("solv: read repodata: %w", err)
	}
	return readPrimary(ctx, files, md, visit)
}

func readRepomd(files fs.FS) (repomd.Repomd, error) {
	f, err := files.Open("repodata/repomd.xml")
	if err != nil {
		return repomd.Repomd{}, err
	}
	defer f.Close()
	return repomd.ReadRepomd(f)
}

func readPrimary(ctx context.Context, files fs.FS, md repomd.Repomd, visit func(repomd.PrimaryPackage) error) error {
	data, ok := md.Find("primary")
	if !ok {
		return fmt.Errorf("repomd.xml names no primary: %w", repomd.ErrMalformed)
	}
	r, err := data.Open(files)
	if err != nil {
		return err
	}
	defer r.Close()
	return repomd.ReadPrimary(r, func(p repomd.PrimaryPackage) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return visit(p)
	})
}

// readFilelists reads nothing where a repository has no file lists: such ones
// provide the files of primary only.
func readFilelists(ctx context.Context, files fs.FS, md repomd.Repomd, visit func(repomd.Filelist) error) error {
	data, ok := md.Find("filelists")
	if !ok {
		return nil
	}
	r, err := data.Open(files)
	if err != nil {
		return err
	}
	defer r.Close()
	return repomd.ReadFilelists(r, func(list repomd.Filelist) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return visit(list)
	})
}
