package web

import (
	"context"
	"net/url"
	"strconv"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/tagview"
)

// generationLine is a generation of a tag's repository, in a list or alone.
type generationLine struct {
	db.GenerationsOfTagRow
	Tag string
	// Current says that it is the latest.
	Current bool
	// Held says that somebody holds the tag at it.
	Held bool
	// Requirements is what the check of them found, nil where none was asked for.
	Requirements *generations.Closure
}

// NumberText is the number as text.
func (g generationLine) NumberText() string { return strconv.FormatInt(g.Number, 10) }

// URL is the page of the generation.
func (g generationLine) URL() string {
	return "/repos/" + url.PathEscape(g.Tag) + "/" + g.NumberText()
}

// TreeURL is where its files are.
func (g generationLine) TreeURL() string {
	return "/repos/" + url.PathEscape(g.Directory) + "/" + g.NumberText() + "/"
}

// Files says that its files are there.
func (g generationLine) Files() bool { return g.State == "published" }

// Shown is the state as it is shown.
func (g generationLine) Shown() string {
	if g.Current {
		return "latest"
	}
	return g.State
}

// LastEvent is the last event of the tag that the generation shows: 0 while it
// is good for every later one, and where it is none of the tag's own moments.
func (g generationLine) LastEvent() int64 {
	return generations.LastEvent(g.Event, g.UntilEvent, g.RollbackOf != 0)
}

// EventURL is the tag as it was at the generation's event.
func (g generationLine) EventURL() string {
	return asOf{Past: &tagview.Event{ID: g.Event}}.TagURL(g.Tag)
}

// BeforeURL is the page of the generation that it replaced.
func (g generationLine) BeforeURL() string {
	return generationLine{Tag: g.Tag, GenerationsOfTagRow: db.GenerationsOfTagRow{Number: g.BeforeNumber}}.URL()
}

// MorePackages and MoreBytes are how much it has more than the one before.
func (g generationLine) MorePackages() string {
	return signed(int64(g.Packages)-int64(g.BeforePackages), func(n int64) string { return strconv.FormatInt(n, 10) })
}

// MoreBytes is how much larger it is than the one before.
func (g generationLine) MoreBytes() string {
	return signed(g.Bytes-g.BeforeBytes, func(n int64) string { return size(n) })
}

// signed writes a difference with its sign; nothing for none.
func signed(n int64, write func(int64) string) string {
	switch {
	case n > 0:
		return "+" + write(n)
	case n < 0:
		return "−" + write(-n)
	}
	return ""
}

// actorsShown is how many of those who caused a generation are named.
const actorsShown = 5

// Who are those whose changes it was the first to show, or who went back.
func (g generationLine) Who() []string {
	if g.RollbackOf != 0 {
		return []string{g.Actor}
	}
	return g.Actors[:min(len(g.Actors), actorsShown)]
}

// MoreActors tells that there are others.
func (g generationLine) MoreActors() bool { return g.RollbackOf == 0 && len(g.Actors) > actorsShown }

// lineOf is a row of a tag.
func lineOf(repo repoLine, row db.GenerationsOfTagRow) generationLine {
	line := generationLine{
		GenerationsOfTagRow: row, Tag: repo.Name, Current: row.State == "published" && row.Number == repo.Generation,
		Requirements: generations.ReadClosure(row.Closure),
	}
	line.Held = line.Current && repo.Held != nil
	return line
}

// listGenerations reads generations of a tag before one, the newest first, and
// whether there are more.
func (s *server) listGenerations(ctx context.Context, repo repoLine, before *int64, limit int64) (lines []generationLine, more bool, err error) {
	rows, err := s.queries.GenerationsOfTag(ctx, db.GenerationsOfTagParams{TagID: repo.ID, Before: before, MaxRows: int32(limit) + 1})
	if err != nil {
		return nil, false, err
	}
	if more = int64(len(rows)) > limit; more {
		rows = rows[:limit]
	}
	for _, row := range rows {
		lines = append(lines, lineOf(repo, row))
	}
	return lines, more, nil
}

// generationOf reads one generation of a tag, which is or was published.
func (s *server) generationOf(ctx context.Context, tag, number int64) (db.GenerationsOfTagRow, error) {
	rows, err := s.queries.GenerationsOfTag(ctx, db.GenerationsOfTagParams{TagID: tag, Number: &number, MaxRows: 1})
	if err != nil {
		return db.GenerationsOfTagRow{}, err
	}
	if len(rows) == 0 || rows[0].PublishedAt == nil {
		return db.GenerationsOfTagRow{}, errNotFound
	}
	return rows[0], nil
}
