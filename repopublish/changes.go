package repopublish

import (
	"context"
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
)

// changes are what a generation holds and the newest one of its tag that is
// recorded does not, and the other way round: few packages of thousands, which is
// all that is written of a generation's content.
type changes struct {
	after int64 // the generation that it is compared with; 0 for none
	ended db.EndRPMsParams
	begun db.BeginRPMsParams
}

// holding is what a generation holds, as it is recorded. It does not change.
type holding struct {
	generation int64
	held       []held
	index      map[place]int
}

// place is a package in the repository of an architecture.
type place struct {
	arch string
	rpm  int64
}

// held is a package and what is served of it where that is not the package as it
// was imported, under its usual name; zero where it is.
type held struct {
	place
	sha256, href string
	size         int64
}

func newHolding(generation int64, size int) *holding {
	return &holding{generation: generation, held: make([]held, 0, size), index: make(map[place]int, size)}
}

func (h *holding) add(one held) {
	h.index[one.place] = len(h.held)
	h.held = append(h.held, one)
}

// holdingOf is what is recorded of the newest generation of a tag that was
// published, but for one that is just being.
func holdingOf(ctx context.Context, q *db.Queries, tagID, publishing int64) (*holding, error) {
	// Which one first: where another is recorded meanwhile, it is not the newest
	// when the changes are to be recorded.
	generation, err := q.NewestPublished(ctx, db.NewestPublishedParams{TagID: tagID, Other: publishing})
	if err != nil {
		return nil, fmt.Errorf("find the generation before: %w", err)
	}
	rows, err := q.HeldRPMs(ctx, tagID)
	if err != nil {
		return nil, fmt.Errorf("list packages of the generation before: %w", err)
	}
	h := newHolding(generation, len(rows))
	for _, row := range rows {
		h.add(held{place{row.Arch, row.RpmID}, row.Sha256, row.Href, row.Size})
	}
	return h, nil
}

// holding is what the generation holds.
func (made *generation) holding() *holding {
	h := newHolding(made.id, made.packages())
	for a, repo := range made.repos {
		for i := range repo.rpmIDs {
			h.add(repo.heldAs(a, i))
		}
	}
	return h
}

// heldAs is how a package is recorded.
func (repo *archContent) heldAs(a string, i int) held {
	one, item := held{place: place{a, repo.rpmIDs[i]}}, &repo.items[i]
	if !isUsual(item) {
		one.sha256, one.href, one.size = item.SHA256, item.Href, item.Size
	}
	return one
}

// isUsual says whether a package lies where hrefOf says: signed copies, and those
// whose name another package had first, lie one directory further down.
func isUsual(item *repomd.Item) bool {
	return strings.Count(item.Href, "/") <= strings.Count(usualHref, "/")
}

// changesAfter compares a generation that is about to be published with the one
// before.
func (made *generation) changesAfter(tagID int64, before *holding) *changes {
	c := &changes{
		after: before.generation,
		ended: db.EndRPMsParams{TagID: tagID, GenerationID: made.id}, begun: db.BeginRPMsParams{TagID: tagID, GenerationID: made.id},
	}
	stays := make([]bool, len(before.held))
	for a, repo := range made.repos {
		for i := range repo.rpmIDs {
			now := repo.heldAs(a, i)
			if at, ok := before.index[now.place]; ok && before.held[at] == now {
				stays[at] = true
				continue
			}
			c.begun.RpmIds, c.begun.Arches = append(c.begun.RpmIds, now.rpm), append(c.begun.Arches, now.arch)
			c.begun.Sha256s, c.begun.Sizes, c.begun.Hrefs = append(c.begun.Sha256s, now.sha256), append(c.begun.Sizes, now.size), append(c.begun.Hrefs, now.href)
		}
	}
	for at, one := range before.held {
		if !stays[at] {
			c.ended.RpmIds, c.ended.Arches = append(c.ended.RpmIds, one.rpm), append(c.ended.Arches, one.arch)
		}
	}
	return c
}

// record records the content of a generation that is being published. The tag is
// locked.
func (made *generation) record(ctx context.Context, q *db.Queries, tagID int64) error {
	newest, err := q.NewestPublished(ctx, db.NewestPublishedParams{TagID: tagID, Other: made.id})
	if err != nil {
		return fmt.Errorf("find the generation before: %w", err)
	}
	if newest != made.changes.after {
		before, err := holdingOf(ctx, q, tagID, made.id)
		if err != nil {
			return err
		}
		made.changes = made.changesAfter(tagID, before)
	}
	if len(made.changes.ended.RpmIds) > 0 {
		if err := q.EndRPMs(ctx, made.changes.ended); err != nil {
			return fmt.Errorf("record which packages are gone: %w", err)
		}
	}
	if len(made.changes.begun.RpmIds) > 0 {
		if err := q.BeginRPMs(ctx, made.changes.begun); err != nil {
			return fmt.Errorf("record which packages are new: %w", err)
		}
	}
	return nil
}
