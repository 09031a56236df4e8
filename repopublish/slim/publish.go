package slim

import (
	"context"
	"errors"
	"fmt"
	"io"
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

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/identity"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// checkOut refuses to make a repository over something else.
func checkOut(sources []*snapshot.Snapshot, opts Options) error {
	out, err := os.Stat(opts.Out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("slim: %w", err)
	}
	for _, s := range append(slices.Clone(sources), opts.Externals...) {
		if of, err := os.Stat(s.Location); err == nil && os.SameFile(out, of) {
			return fmt.Errorf("slim: %s is where packages are taken from: %w", opts.Out, ErrExists)
		}
	}
	entries, err := os.ReadDir(opts.Out)
	if err != nil {
		return fmt.Errorf("slim: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	_, err = os.Stat(filepath.Join(opts.Out, "repodata", "repomd.xml"))
	switch {
	case !opts.Replace:
		return fmt.Errorf("slim: %s: %w; choose another one, or replace it", opts.Out, ErrExists)
	case err != nil:
		return fmt.Errorf("slim: %s holds no repository that could be replaced: %w", opts.Out, ErrExists)
	}
	return nil
}

// publish writes the repository beside its place and moves it there.
func (p *plan) publish(ctx context.Context) (_ Report, err error) {
	parent := filepath.Dir(filepath.Clean(p.opts.Out))
	dir, err := os.MkdirTemp(parent, ".slim-")
	if err != nil {
		return Report{}, fmt.Errorf("slim: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return Report{}, fmt.Errorf("slim: %w", err)
	}
	if err := p.write(ctx, dir); err != nil {
		return Report{}, err
	}
	if p.opts.Check != nil {
		if err := p.opts.Check(ctx, dir); err != nil {
			return Report{}, err
		}
	}
	return p.report, p.move(dir)
}

// write fills the directory.
func (p *plan) write(ctx context.Context, dir string) error {
	entries := make([]repomd.Entry, len(p.packages))
	rpms := make([]identity.RPM, len(p.packages))
	times := make([]int64, len(p.packages))
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(2 * runtime.GOMAXPROCS(0))
	hrefs := p.hrefs()
	for i, a := range p.packages {
		work.Go(func() error {
			pkg, entry, err := p.take(working, dir, hrefs[i], a)
			if err != nil {
				return err
			}
			entries[i], times[i] = entry, pkg.BuildTime
			rpms[i] = identity.RPM{NEVRA: pkg.NEVRA, Label: pkg.ModularityLabel}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	if err := p.identities(rpms); err != nil {
		return fmt.Errorf("slim: %w", err)
	}
	newest := int64(0)
	for _, t := range times {
		newest = max(newest, t)
	}
	for _, a := range p.packages {
		p.report.Size += a.Size
	}
	p.report.Packages, p.report.Revision = len(entries), strconv.FormatInt(newest, 10)
	slices.SortFunc(entries, repomd.Compare)
	opts := repomd.Options{Revision: p.report.Revision, Timestamp: newest, Compression: p.opts.Compression}
	if len(p.modules) > 0 {
		opts.Modules = p.modules
	}
	md, err := repomd.Write(ctx, dir, len(entries), func(yield func(repomd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}, opts)
	if err != nil {
		return fmt.Errorf("slim: %w", err)
	}
	if err := repomd.CheckWritten(dir, md); err != nil {
		return fmt.Errorf("slim: %w", err)
	}
	return nil
}

// hrefs are the places of the packages; those that only differ in the epoch
// have the same file name and are told apart by their checksums.
func (p *plan) hrefs() []string {
	used := map[string]bool{}
	hrefs := make([]string, len(p.packages))
	for i, a := range p.packages {
		file := a.NVRA() + ".rpm"
		if used[file] {
			file = a.Checksum[:12] + "-" + file
		}
		used[file] = true
		hrefs[i] = path.Join("Packages", strings.ToLower(a.Name[:1]), file)
	}
	return hrefs
}

// take puts one RPM into the directory and reads its header: what the source's
// repodata says of it is not believed.
func (p *plan) take(ctx context.Context, dir, href string, a available) (*rpmfile.Package, repomd.Entry, error) {
	f, err := p.all.sources[a.source].RPM(ctx, a.PrimaryPackage)
	if err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w", err)
	}
	defer f.Close()
	pkg, digest, err := rpmfile.ReadAll(f)
	if err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %s: %w", a.Href, err)
	}
	if pkg.NEVRA != a.NEVRA {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %s of %s is %s in its header: %w", a.NEVRA, p.all.sources[a.source].Name, pkg.NEVRA, ErrRefused)
	}
	fragments, err := repomd.Render(pkg, repomd.File{Href: href, SHA256: digest.SHA256, Size: digest.Size, Time: pkg.BuildTime})
	if err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w", err)
	}
	if err := place(f, filepath.Join(dir, filepath.FromSlash(href))); err != nil {
		return nil, repomd.Entry{}, fmt.Errorf("slim: %w", err)
	}
	return pkg, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: digest.SHA256, Fragments: fragments}, nil
}

// place links the open file, which was checked, to a name, or copies it where it
// can't be linked.
func place(f *os.File, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW) == nil {
		return nil
	}
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(to, f)
	}
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// move gives the directory its name. What was there is removed, once nobody
// finds it any more.
func (p *plan) move(dir string) error {
	if err := os.Remove(p.opts.Out); err != nil && !errors.Is(err, fs.ErrNotExist) && !p.opts.Replace {
		return fmt.Errorf("slim: %w: %w", err, ErrExists)
	}
	flags := uint(unix.RENAME_NOREPLACE)
	if _, err := os.Lstat(p.opts.Out); err == nil {
		flags = unix.RENAME_EXCHANGE // publish removes what is in dir then
	}
	if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, p.opts.Out, flags); err != nil {
		return fmt.Errorf("slim: move the repository to %s: %w", p.opts.Out, err)
	}
	return nil
}
