package tagview

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
)

// Moment is a point in the history of tags: now (the zero value), or the state
// that an event left.
type Moment struct{ event int64 }

// At is the moment right after an event. It does not look whether there is
// such an event, see Reader.Event.
func At(event int64) Moment { return Moment{event: event} }

// IsNow reports whether the moment moves with the clock.
func (m Moment) IsNow() bool { return m.event == 0 }

// Event is the event of a past moment, 0 for now.
func (m Moment) Event() int64 { return m.event }

// valid is the SQL condition that a row of the aliased table was valid: made at
// or before the event, not revoked until after it. The event's own changes are
// seen (Koji's rule). Now has a text of its own, which the partial indexes fit.
func (m Moment) valid(alias string) string {
	if m.IsNow() {
		return alias + ".revoke_event is null"
	}
	event := strconv.FormatInt(m.event, 10)
	return "(" + alias + ".create_event <= " + event + " and (" + alias + ".revoke_event is null or " + alias + ".revoke_event > " + event + "))"
}

// ErrNoEvent says that there is no event of that number, or none before that
// time.
var ErrNoEvent = errors.New("no such event")

// Event is one change of the tag model.
type Event struct {
	ID    int64     `json:"id"`
	At    time.Time `json:"ts"`
	Actor string    `json:"actor"`
	What  string    `json:"what"`
}

// GetEvent returns an event, or an error that is ErrNoEvent.
func GetEvent(ctx context.Context, conn db.DBTX, id int64) (Event, error) {
	return oneEvent(ctx, conn, fmt.Sprintf("event %d", id), "select id, at, actor, what from events where id = $1", id)
}

// EventBefore returns the last event strictly before a time (Koji's --ts), or
// an error that is ErrNoEvent.
func EventBefore(ctx context.Context, conn db.DBTX, at time.Time) (Event, error) {
	return oneEvent(ctx, conn, "event before "+at.UTC().Format(time.RFC3339),
		"select id, at, actor, what from events where at < $1 order by at desc, id desc limit 1", at)
}

func oneEvent(ctx context.Context, conn db.DBTX, what, sql string, arg any) (Event, error) {
	rows, err := conn.Query(ctx, sql, arg)
	if err != nil {
		return Event{}, fmt.Errorf("tagview: read %s: %w", what, err)
	}
	event, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Event])
	if errors.Is(err, pgx.ErrNoRows) {
		return Event{}, fmt.Errorf("tagview: %s: %w", what, ErrNoEvent)
	}
	if err != nil {
		return Event{}, fmt.Errorf("tagview: read %s: %w", what, err)
	}
	return event, nil
}
