package web

import (
	"context"
	"net/http"

	"github.com/distbot/distbot/internal/db"
)

// listTargets reads the targets whose names come after another, and whether
// there are more.
func (s *server) listTargets(ctx context.Context, at asOf, after *string, limit int64) (rows []db.TargetsOverviewRow, more bool, err error) {
	rows, err = s.queries.TargetsOverview(ctx, db.TargetsOverviewParams{Event: at.Event(), After: after, MaxRows: int32(limit) + 1})
	if more = len(rows) > int(limit); more {
		rows = rows[:limit]
	}
	return rows, more, err
}

// targetListView is what the page of all targets shows.
type targetListView struct {
	asOf
	Targets []db.TargetsOverviewRow
	Older   string
	Newest  string
}

// targets is the page of all targets.
func (s *server) targets(r *http.Request) (*view, error) {
	q := queryOf(r)
	at, err := s.asOf(r, q)
	if err != nil {
		return nil, err
	}
	after := q.text("after")
	if q.err != nil {
		return nil, q.err
	}
	rows, more, err := s.listTargets(r.Context(), at, after, pageRows)
	if err != nil {
		return nil, err
	}
	data := targetListView{asOf: at, Targets: rows}
	if more {
		data.Older = older("/targets", q.values, "after", rows[len(rows)-1].Name)
	}
	if after != nil {
		data.Newest = newest("/targets", q.values, "after")
	}
	return &view{page: "targets", Title: "Targets", Nav: "tags", Data: data}, nil
}
