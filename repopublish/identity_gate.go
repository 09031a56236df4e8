package repopublish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/repopublish/identity"
)

// checkIdentity refuses, by a *RefusedError, modular packages that no stream
// document of their repository lists: clients would not install them.
func (p *Publisher) checkIdentity(ctx context.Context, c *content) error {
	if err := p.readLabels(ctx, c); err != nil {
		return fmt.Errorf("repopublish: read labels of packages: %w", err)
	}
	if len(c.labels) == 0 {
		return nil
	}
	leaveForeign(c)
	var problems []string
	for _, a := range c.arches {
		repo := c.repos[a]
		var modular []identity.RPM
		for i, id := range repo.rpmIDs {
			if label := c.labels[id]; label != "" {
				modular = append(modular, identity.RPM{NEVRA: repo.items[i].NEVRA, Label: label})
			}
		}
		var refused *identity.Error
		if err := identity.Check(modular, repo.documents(), nil); errors.As(err, &refused) {
			for _, problem := range refused.Problems {
				problems = append(problems, a+": "+problem)
			}
		} else if err != nil {
			return err
		}
	}
	return refuseAll(GateModules, problems)
}

// documents are those of the repository; none is an empty index.
func (r *archContent) documents() *modulemd.Index {
	if r.index == nil {
		return &modulemd.Index{}
	}
	return r.index
}

// leaveForeign leaves noarch packages of modules out of the repositories of
// architectures that their module was not built for: their documents list them
// elsewhere only.
func leaveForeign(c *content) {
	listed := map[string]map[string][]*modulemd.Stream{}
	anywhere := map[string]bool{}
	for _, a := range c.arches {
		listed[a] = c.repos[a].documents().ByArtifact()
		for artifact := range listed[a] {
			anywhere[artifact] = true
		}
	}
	for _, a := range c.arches {
		repo := c.repos[a]
		repo.leaveOut(func(i int) bool {
			if repo.items[i].Arch != arch.Noarch || c.labels[repo.rpmIDs[i]] == "" {
				return false
			}
			artifact := modulemd.FormatArtifact(repo.items[i].NEVRA)
			return len(listed[a][artifact]) == 0 && anywhere[artifact]
		})
	}
}

// labelBatch is how many labels are recorded at once.
const labelBatch = 500

// readLabels looks into the headers of packages that nobody has looked at, and
// records whether they are modular: once in a package's life.
func (p *Publisher) readLabels(ctx context.Context, c *content) error {
	ids := slices.Sorted(maps.Keys(c.unread))
	for batch := range slices.Chunk(ids, labelBatch) {
		labels := make([]string, len(batch))
		work, working := errgroup.WithContext(ctx)
		work.SetLimit(runtime.GOMAXPROCS(0))
		for i, id := range batch {
			work.Go(func() (err error) {
				if err = working.Err(); err == nil {
					labels[i], err = p.label(c.unread[id])
				}
				return err
			})
		}
		if err := work.Wait(); err != nil {
			return err
		}
		if err := db.New(p.Pool).SetLabels(ctx, db.SetLabelsParams{Ids: batch, Labels: labels}); err != nil {
			return err
		}
		for i, id := range batch {
			delete(c.unread, id)
			if labels[i] != "" {
				c.labels[id] = labels[i]
			}
		}
	}
	return nil
}

// label is the ModularityLabel of an RPM of the store, fit for the database;
// empty for one that is not modular.
func (p *Publisher) label(blob store.Blob) (string, error) {
	opened, err := p.Store.OpenBlob(blob)
	if err != nil {
		return "", err
	}
	defer opened.Close()
	pkg, err := rpmfile.Read(opened)
	if err != nil {
		return "", err
	}
	return labelText(pkg.ModularityLabel), nil
}

// maxLabel bounds what is kept of a label, in bytes.
const maxLabel = 1000

// labelText is a label of any text as it is kept: what matters is whether there
// is one.
func labelText(label string) string {
	if label == "" {
		return ""
	}
	return cmp.Or(queue.OneLine(label[:min(len(label), maxLabel)]), "(unprintable)")
}
