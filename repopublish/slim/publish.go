package slim

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/identity"
)

// publish writes the repository beside its place and moves it there.
func (p *plan) publish(ctx context.Context) (_ Report, err error) {
	work, warnings, err := newWorkdir(ctx, filepath.Dir(p.out.path))
	p.report.Warnings = append(p.report.Warnings, warnings...)
	if err != nil {
		return Report{}, fmt.Errorf("slim: %w", err)
	}
	dir, kept := work.path, false
	defer func() {
		if kept {
			work.keep()
			return
		}
		err = errors.Join(err, work.remove())
	}()
	if err := p.write(ctx, dir); err != nil {
		return Report{}, err
	}
	if p.opts.Check != nil {
		if err := p.opts.Check(ctx, dir); err != nil {
			return Report{}, err
		}
	}
	if err := p.out.move(dir); err != nil {
		return Report{}, fmt.Errorf("slim: %w", err)
	}
	// What was there is in dir now.
	if p.out.replaced != nil {
		if strange, err := p.out.replaced.stranger(dir); err != nil || strange != "" {
			kept = true
			p.report.Warnings = append(p.report.Warnings, fmt.Sprintf("%s got other files (%s) while it was replaced; what it was is in %s now", p.out.path, strange, dir))
		}
	}
	return p.report, nil
}

// write fills the directory.
func (p *plan) write(ctx context.Context, dir string) error {
	entries := make([]repomd.Entry, len(p.packages))
	rpms := make([]identity.RPM, len(p.packages))
	times := make([]int64, len(p.packages))
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(2 * runtime.GOMAXPROCS(0))
	hrefs := p.hrefs()
	var done atomic.Int64
	for i, a := range p.packages {
		work.Go(func() error {
			pkg, entry, err := p.take(working, dir, hrefs[i], a)
			if err != nil {
				return err
			}
			entries[i], times[i] = entry, pkg.BuildTime
			rpms[i] = identity.RPM{NEVRA: pkg.NEVRA, Label: pkg.ModularityLabel}
			if n := done.Add(1); p.opts.Progress != nil {
				p.opts.Progress(int(n), len(p.packages))
			}
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
	opts := repomd.Options{Revision: p.report.Revision, Timestamp: newest, Compression: p.opts.Compression, Comps: p.comps, Updateinfo: p.updateinfo}
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
