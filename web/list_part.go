package web

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// wholeLists is how many lists may be read whole at a time: those of a large tag
// take some ten megabytes before they are cut to a page.
const wholeLists = 4

// wholeList waits until a list may be read whole. release must be called when
// its rest is done with.
func (s *server) wholeList(ctx context.Context) (release func(), err error) {
	select {
	case s.wholeLists <- struct{}{}:
		return func() { <-s.wholeLists }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listPart says which part of a list a page shows, counted from 1.
type listPart struct {
	From, To, Total int
	Older, Newest   string
	next            *int64
}

// start is where in a list a page begins, 0 for its beginning.
func (q *query) start() int64 {
	if n := q.number("start", 0, 1<<31); n != nil {
		return *n
	}
	return 0
}

// partOf cuts a list to what a page shows of it.
func partOf[T any](list []T, start, limit int64, path string, values url.Values) ([]T, listPart) {
	total := int64(len(list))
	start = min(start, total)
	end := min(start+limit, total)
	part := listPart{From: int(start) + 1, To: int(end), Total: int(total)}
	if end < total {
		part.next = &end
		part.Older = older(path, values, "start", strconv.FormatInt(end, 10))
	}
	if start > 0 {
		part.Newest = newest(path, values, "start")
	}
	return list[start:end], part
}

// isNoRows tells that the database has no such row.
func isNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
