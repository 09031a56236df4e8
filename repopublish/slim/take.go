package slim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// take puts one RPM into the directory and reads its header there: what the
// source's repodata says of it is not believed, and what happens to the source
// meanwhile does not matter.
func (p *plan) take(ctx context.Context, dir, href string, a available) (*rpmfile.Package, repomd.Entry, error) {
	name := filepath.Join(dir, filepath.FromSlash(href))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w", err)
	}
	f, err := p.place(ctx, name, a)
	if err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w", err)
	}
	defer f.Close()
	pkg, digest, err := rpmfile.ReadAll(f)
	if err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %s: %w", a.Href, err)
	}
	source := p.all.sources[a.source].Name
	switch {
	case a.ChecksumType == repomd.SHA256 && digest.SHA256 != a.Checksum:
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w: %s of %s was changed while it was linked", ErrRefused, a.NEVRA, source)
	case pkg.NEVRA != a.NEVRA:
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w: %s of %s is %s in its header", ErrRefused, a.NEVRA, source, pkg.NEVRA)
	}
	fragments, err := repomd.Render(pkg, repomd.File{Href: href, SHA256: digest.SHA256, Size: digest.Size, Time: pkg.BuildTime})
	if err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w", err)
	}
	return pkg, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: digest.SHA256, Fragments: fragments}, nil
}

// place puts the file of a package at a name and opens it. It is the package's own
// unless a link is asked for; of what was fetched it always is, since the cache is
// everybody's.
func (p *plan) place(ctx context.Context, name string, a available) (*os.File, error) {
	source := p.all.sources[a.source]
	if p.opts.Link && source.Directory() != "" {
		f, err := source.RPM(ctx, a.PrimaryPackage)
		if err != nil {
			return nil, err
		}
		if unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW) == nil {
			return f, nil
		}
		f.Close() // another file system
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	err = source.Copy(ctx, a.PrimaryPackage, f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
