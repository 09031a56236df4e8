package repopublish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
	Events []GenerationEvent `json:"events"`
}

// ArchDifference is what changed for one architecture, in order of names.
type ArchDifference struct {
	Arch     string          `json:"arch"`
	Packages []PackageChange `json:"packages"`
}

// PackageChange is a package that came, went, or was replaced: one of From and To
// is empty where there is none. They are E:V-R, several are separated by commas,
// the same twice is another RPM of that name.
type PackageChange struct {
	Name string `json:"name"`
	Arch string `json:"arch"`
	From string `json:"from"`
	To   string `json:"to"`
}

// GenerationEvent is a change of the tag that a generation was the first to
// show.
type GenerationEvent struct {
	Rev   int64  `json:"rev"`
	Event int64  `json:"event"`
	At    string `json:"at"` // RFC 3339
	Actor string `json:"actor"`
	What  string `json:"what"`
}

// Diff compares two generations of a tag, also ones whose files are removed. The
// error wraps ErrNoTag or is a *NoGenerationError.
func Diff(ctx context.Context, conn db.DBTX, tagName string, from, to int64) (Difference, error) {
	d := Difference{Tag: tagName, From: from, To: to, Arch: []ArchDifference{}, Events: []GenerationEvent{}}
	q := db.New(conn)
	tag, err := q.LiveTag(ctx, tagName)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, fmt.Errorf("%w: %q", ErrNoTag, tagName)
	}
	if err != nil {
		return d, fmt.Errorf("repopublish: read tag %s: %w", tagName, err)
	}
	var sides [2]db.RepoGeneration
	var rpms [2]map[string]map[rpmKey][]db.RPMsOfGenerationRow
	for i, number := range []int64{from, to} {
		if sides[i], rpms[i], err = contentOf(ctx, q, tag, number); err != nil {
			return d, err
		}
	}
	arches := slices.Compact(slices.Sorted(slices.Values(slices.Concat(sides[0].Arches, sides[1].Arches))))
	for _, a := range arches {
		if changes := changesOf(rpms[0][a], rpms[1][a]); len(changes) > 0 {
			d.Arch = append(d.Arch, ArchDifference{Arch: a, Packages: changes})
		}
	}
	events, err := q.GenerationEvents(ctx, db.GenerationEventsParams{TagID: tag.ID, After: sides[0].Rev, Upto: sides[1].Rev})
	if err != nil {
		return d, fmt.Errorf("repopublish: read events of %s: %w", tagName, err)
	}
	for _, e := range events {
		d.Events = append(d.Events, GenerationEvent{Rev: e.Rev, Event: *e.Event, At: e.At.UTC().Format("2006-01-02T15:04:05Z07:00"), Actor: e.Actor, What: e.What})
	}
	return d, nil
}

type rpmKey struct{ name, arch string }

// contentOf lists a generation's packages by architecture of the repository,
// name and architecture.
func contentOf(ctx context.Context, q *db.Queries, tag db.LiveTagRow, number int64) (db.RepoGeneration, map[string]map[rpmKey][]db.RPMsOfGenerationRow, error) {
	g, err := q.Generation(ctx, db.GenerationParams{TagID: tag.ID, Number: number})
	if errors.Is(err, pgx.ErrNoRows) {
		return g, nil, &NoGenerationError{Tag: tag.Name, Number: number}
	}
	if err != nil {
		return g, nil, fmt.Errorf("repopublish: read generation %d of %s: %w", number, tag.Name, err)
	}
	rows, err := q.RPMsOfGeneration(ctx, g.ID)
	if err != nil {
		return g, nil, fmt.Errorf("repopublish: list packages of generation %d of %s: %w", number, tag.Name, err)
	}
	all := map[string]map[rpmKey][]db.RPMsOfGenerationRow{}
	for _, row := range rows {
		if all[row.RepoArch] == nil {
			all[row.RepoArch] = map[rpmKey][]db.RPMsOfGenerationRow{}
		}
		k := rpmKey{row.Name, row.Arch}
		all[row.RepoArch][k] = append(all[row.RepoArch][k], row)
	}
	return g, all, nil
}

// changesOf compares the packages of one architecture.
func changesOf(from, to map[rpmKey][]db.RPMsOfGenerationRow) []PackageChange {
	var changes []PackageChange
	both := map[rpmKey]bool{}
	for _, side := range []map[rpmKey][]db.RPMsOfGenerationRow{from, to} {
		for k := range side {
			both[k] = true
		}
	}
	for k := range both {
		same := func(a, b db.RPMsOfGenerationRow) bool { return a.ID == b.ID }
		if !slices.EqualFunc(from[k], to[k], same) {
			changes = append(changes, PackageChange{Name: k.name, Arch: k.arch, From: versions(from[k]), To: versions(to[k])})
		}
	}
	slices.SortFunc(changes, func(a, b PackageChange) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch)) })
	return changes
}

func versions(rows []db.RPMsOfGenerationRow) (list string) {
	for i, row := range rows {
		if i > 0 {
			list += ","
		}
		list += rpmfile.NEVRA{Epoch: int(row.Epoch), Version: row.Version, Release: row.Release}.EVR()
	}
	return list
}
