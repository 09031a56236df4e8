package repopublish

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
)

// fragmentFormat is of the kept metadata, which is not told from that of another
// place in the repository: also another place raises it.
const fragmentFormat = repomd.RenderFormat

// fragmentBatch is how many packages' metadata are read or written at once.
const fragmentBatch = 200

// describe gives the cache the metadata it lacks: from the database, where that
// of every package is kept once it was rendered, or from the RPMs. The error is
// a *RefusedError of GatePackages where packages can't be in a repository: it
// names those of the first batch that has any.
func (p *Publisher) describe(ctx context.Context, cache *repomd.Cache, items []repomd.Item) error {
	var missing []repomd.Item
	for _, item := range items {
		if !cache.Has(item) {
			missing = append(missing, item)
		}
	}
	for len(missing) > 0 {
		batch := missing[:min(len(missing), fragmentBatch)]
		missing = missing[len(batch):]
		if err := p.describeBatch(ctx, cache, batch); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) describeBatch(ctx context.Context, cache *repomd.Cache, items []repomd.Item) error {
	sums := make([]string, len(items))
	for i, item := range items {
		sums[i] = item.SHA256
	}
	rows, err := db.New(p.Pool).FragmentsOf(ctx, db.FragmentsOfParams{Sha256s: sums, Format: fragmentFormat})
	if err != nil {
		return fmt.Errorf("read metadata of packages: %w", err)
	}
	known := make(map[string]repomd.Fragments, len(rows))
	for _, row := range rows {
		known[row.Sha256] = repomd.Fragments{Primary: row.Primary, Filelists: row.Filelists, Other: row.Other}
	}
	fragments, refused := make([]repomd.Fragments, len(items)), make([]error, len(items))
	put := db.PutFragmentsParams{Format: fragmentFormat}
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, item := range items {
		if f, ok := known[item.SHA256]; ok {
			fragments[i] = f
			continue
		}
		work.Go(func() (err error) {
			fragments[i], err = p.render(item)
			if errors.Is(err, errNotPublishable) {
				refused[i], err = err, nil
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	var problems []string
	for _, err := range refused {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if err := refuseAll(GatePackages, problems); err != nil {
		return err
	}
	for i, item := range items {
		if err := cache.Put(item, fragments[i]); err != nil {
			return err
		}
		if _, ok := known[item.SHA256]; !ok {
			known[item.SHA256] = fragments[i]
			put.Sha256s = append(put.Sha256s, item.SHA256)
			put.Primaries = append(put.Primaries, fragments[i].Primary)
			put.Filelists = append(put.Filelists, fragments[i].Filelists)
			put.Others = append(put.Others, fragments[i].Other)
		}
	}
	if len(put.Sha256s) == 0 {
		return nil
	}
	if err := db.New(p.Pool).PutFragments(ctx, put); err != nil {
		return fmt.Errorf("keep metadata of packages: %w", err)
	}
	return nil
}

// errNotPublishable says that a package is to blame, and not what it is read
// from: to read it again would not help.
var errNotPublishable = errors.New("no repository can have the package")

// render reads an RPM of the store and makes its metadata, which is read again
// before anybody gets it. The error wraps errNotPublishable where that can't be,
// which is asked of packages before they are accepted, too: these are of before
// that, or of before what is asked now.
func (p *Publisher) render(item repomd.Item) (repomd.Fragments, error) {
	opened, err := p.Store.OpenBlob(store.Blob{SHA256: item.SHA256, Size: item.Size})
	if err != nil {
		return repomd.Fragments{}, err
	}
	defer opened.Close()
	// All of it: what is said of a package is true of these bytes only.
	pkg, digest, err := rpmfile.ReadAll(opened)
	if err != nil {
		return repomd.Fragments{}, fmt.Errorf("read %s: %w", item.NEVRA, err)
	}
	if digest.SHA256 != item.SHA256 {
		return repomd.Fragments{}, fmt.Errorf("read %s: bytes have %s: %w", item.NEVRA, digest.SHA256, store.ErrDigest)
	}
	fragments, err := repomd.Describe(pkg, item)
	switch {
	case errors.Is(err, repomd.ErrTooLarge), errors.Is(err, repomd.ErrMalformed), errors.Is(err, repomd.ErrUnprintable):
		return repomd.Fragments{}, fmt.Errorf("%s: %w: %w; untag its build", item.NEVRA, errNotPublishable, err)
	case err != nil:
		return repomd.Fragments{}, fmt.Errorf("describe %s: %w", item.NEVRA, err)
	}
	return fragments, nil
}
