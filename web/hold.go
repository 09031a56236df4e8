package web

import (
	"context"
	"time"

	"github.com/distbot/distbot/internal/db"
)

// hold is that somebody went back to an older generation of a tag: until it
// ends, nothing of what the tag says since is published.
type hold struct {
	Tag string
	// Generation is the one that was gone back to.
	Generation int64
	Actor      string
	Reason     string
	At         time.Time
}

// End is the command that ends it.
func (h hold) End() string { return "distbot repo publish " + h.Tag }

// holdOf is who holds a tag of an overview, nil for nobody.
func holdOf(row db.ReposOverviewRow) *hold {
	if row.HeldAt == nil {
		return nil
	}
	return &hold{Tag: row.Name, Generation: row.HeldGeneration, Actor: row.HeldBy, Reason: row.HeldWhy, At: *row.HeldAt}
}

// holdOfTag reads who holds a tag, nil for nobody.
func (s *server) holdOfTag(ctx context.Context, id int64, name string) (*hold, error) {
	row, err := s.queries.Hold(ctx, id)
	if isNoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &hold{Tag: name, Generation: row.Number, Actor: row.Actor, Reason: row.Reason, At: row.At}, nil
}

// apiHold is a hold for programs.
type apiHold struct {
	Generation int64     `json:"generation"`
	Actor      string    `json:"actor"`
	Reason     string    `json:"reason"`
	At         time.Time `json:"at"`
}

// apiHoldOf is a hold as the API tells it, null for none.
func apiHoldOf(h *hold) *apiHold {
	if h == nil {
		return nil
	}
	return &apiHold{Generation: h.Generation, Actor: h.Actor, Reason: h.Reason, At: utc(h.At)}
}
