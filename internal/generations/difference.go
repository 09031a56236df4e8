package generations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
)

// Difference is what changed between two generations of a tag.
type Difference struct {
	Tag  string           `json:"tag"`
	From int64            `json:"from"`
	To   int64            `json:"to"`
	Arch []ArchDifference `json:"arches"`
	// Events are the changes of the tag between them, oldest first, where the
	// second shows a later state than the first.
	Events []Event `json:"events"`
}

// ArchDifference is what changed for one architecture, in order of names.
type ArchDifference struct {
	Arch     string          `json:"arch"`
	Packages []PackageChange `json:"packages"`
}

// PackageChange is a package that came, went, or was replaced: one of From and To
// is empty where there is none. They are E:V-R, several are separated by commas,
// the same twice is another RPM of that name or, where the builds are the same,
// another copy of it: one that was signed with another key, or is not signed.
type PackageChange struct {
	Name string `json:"name"`
	Arch string `json:"arch"`
	From string `json:"from"`
	To   string `json:"to"`
	// FromBuild and ToBuild are the builds that these are of, 0 where there is
	// none; of several the one whose package is the newest here.
	FromBuild int64 `json:"from_build"`
	ToBuild   int64 `json:"to_build"`
}

// Event is a change of the tag that a generation was the first to
// show.
type Event struct {
	Rev   int64     `json:"rev"`
	Event int64     `json:"event"`
	At    time.Time `json:"at"` // UTC, whole seconds
	Actor string    `json:"actor"`
	What  string    `json:"what"`
}

// Diff compares two generations of a tag, also ones whose files are removed.
// Signed copies are compared where those of both are recorded, see PackageChange.
// The database reads the lists of both whole; what is returned, and held in
// memory, is what differs. The error wraps ErrNoTag or is a *MissingError.
func Diff(ctx context.Context, conn db.DBTX, tagName string, from, to int64) (Difference, error) {
	d, _, err := diff(ctx, conn, tagName, from, to, nil, nil)
	return d, err
}

// More is what a difference has beyond the part that was read.
type More struct{ Packages, Events int }

// DiffPart is Diff of the first packages, in their order, and the newest events,
// at most so many, both from 1.
func DiffPart(ctx context.Context, conn db.DBTX, tagName string, from, to, packages, events int64) (Difference, More, error) {
	return diff(ctx, conn, tagName, from, to, &packages, &events)
}

func diff(ctx context.Context, conn db.DBTX, tagName string, from, to int64, packages, newest *int64) (d Difference, more More, err error) {
	d = Difference{Tag: tagName, From: from, To: to, Arch: []ArchDifference{}, Events: []Event{}}
	q := db.New(conn)
	tag, err := q.LiveTag(ctx, tagName)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, more, fmt.Errorf("%w: %q", ErrNoTag, tagName)
	}
	if err != nil {
		return d, more, fmt.Errorf("generations: read tag %s: %w", tagName, err)
	}
	var sides [2]db.RepoGeneration
	for i, number := range []int64{from, to} {
		if sides[i], err = published(ctx, q, tag, number); err != nil {
			return d, more, err
		}
	}
	rows, err := q.GenerationDifference(ctx, db.GenerationDifferenceParams{Older: sides[0].ID, Newer: sides[1].ID, Max: packages})
	if err != nil {
		return d, more, fmt.Errorf("generations: compare generations %d and %d of %s: %w", from, to, tagName, err)
	}
	d.Arch = changes(rows)
	if len(rows) > 0 {
		more.Packages = int(rows[0].Total)
		for _, a := range d.Arch {
			more.Packages -= len(a.Packages)
		}
	}
	events, err := q.GenerationEvents(ctx, db.GenerationEventsParams{TagID: tag.ID, After: sides[0].Rev, Upto: sides[1].Rev, Max: newest})
	if err != nil {
		return d, more, fmt.Errorf("generations: read events of %s: %w", tagName, err)
	}
	if len(events) > 0 {
		more.Events = int(events[0].Total) - len(events)
	}
	for _, e := range slices.Backward(events) {
		d.Events = append(d.Events, Event{Rev: e.Rev, Event: *e.Event, At: e.At.UTC().Truncate(time.Second), Actor: e.Actor, What: e.What})
	}
	return d, more, nil
}

// published reads a generation that is or was there for clients.
func published(ctx context.Context, q *db.Queries, tag db.LiveTagRow, number int64) (db.RepoGeneration, error) {
	g, err := q.Generation(ctx, db.GenerationParams{TagID: tag.ID, Number: number})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return g, &MissingError{Tag: tag.Name, Number: number}
	case err != nil:
		return g, fmt.Errorf("generations: read generation %d of %s: %w", number, tag.Name, err)
	case g.PublishedAt == nil:
		return g, &MissingError{Tag: tag.Name, Number: number, State: "building"}
	}
	return g, nil
}

// changes puts rows together, which are in order, those of one package beside
// one another.
func changes(rows []db.GenerationDifferenceRow) []ArchDifference {
	list := []ArchDifference{}
	for i, row := range rows {
		if len(list) == 0 || list[len(list)-1].Arch != row.RepoArch {
			list = append(list, ArchDifference{Arch: row.RepoArch})
		}
		packages := &list[len(list)-1].Packages
		if i == 0 || rows[i-1].RepoArch != row.RepoArch || rows[i-1].Name != row.Name || rows[i-1].Arch != row.Arch {
			*packages = append(*packages, PackageChange{Name: row.Name, Arch: row.Arch})
		}
		change := &(*packages)[len(*packages)-1]
		side, build := &change.From, &change.FromBuild
		if row.IsNewer {
			side, build = &change.To, &change.ToBuild
		}
		if *side != "" {
			*side += ","
		}
		*side += rpmfile.NEVRA{Epoch: int(row.Epoch), Version: row.Version, Release: row.Release}.EVR()
		*build = row.BuildID
	}
	return list
}
