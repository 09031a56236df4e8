package tags

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
)

// Editor changes the tag model. Safe for concurrent use.
type Editor struct {
	Pool *pgxpool.Pool
	Jobs queue.Inserter
	// OpenTagging lets every user tag into tags that are not locked and require
	// no permission (Koji's default). Otherwise tagging needs the permission tag,
	// or the one the tag requires.
	OpenTagging bool
}

// Edit is a change being made: one transaction, one event, one user. Not safe
// for concurrent use. Its operations return a *RefusedError when a rule forbids them.
type Edit struct {
	User User

	tx          pgx.Tx
	q           *db.Queries
	jobs        queue.Inserter
	openTagging bool
	what        string
	event       int64          // of the next write; 0 wants a new one
	made        int64          // the newest event
	touched     map[int64]bool // tags whose own content changed
	settings    bool           // more changes than packages and builds
	links       bool           // the lock on all links is held
	tagged      []tagged       // builds that were tagged
	locked      map[int64]bool // tags whose rows are locked
}

// tries is how often a change is made again that the database broke off because
// another one was in its way.
const tries = 5

// SQLSTATEs of broken-off transactions.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

// Do makes a change: all that do asks for, or nothing when it returns an error,
// which Do returns. do may be called again after a conflict with another change.
// Repositories whose content changes are made anew, those of tags that inherit
// included. The event is 0 when nothing changed.
func (e *Editor) Do(ctx context.Context, user, what string, do func(*Edit) error) (event int64, err error) {
	for try := 1; ; try++ {
		err = pgx.BeginFunc(ctx, e.Pool, func(tx pgx.Tx) error {
			edit, err := e.Begin(ctx, tx, user, what)
			if err != nil {
				return err
			}
			if err := do(edit); err != nil {
				return err
			}
			event = edit.made
			_, err = edit.Finish(ctx)
			return err
		})
		var broken *pgconn.PgError
		if errors.As(err, &broken) && (broken.Code == deadlockDetected || broken.Code == serializationFailure) && try < tries {
			continue
		}
		if err != nil {
			return 0, err
		}
		return event, nil
	}
}

// Begin starts a change as part of tx; Finish must be called at its end.
func (e *Editor) Begin(ctx context.Context, tx pgx.Tx, user, what string) (*Edit, error) {
	u, err := ReadUser(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	return &Edit{
		User: u, tx: tx, q: db.New(tx), jobs: e.Jobs, openTagging: e.OpenTagging, what: what,
		touched: map[int64]bool{}, locked: map[int64]bool{},
	}, nil
}

// Read reads what the change has made so far.
func (e *Edit) Read() tagview.Reader { return tagview.Reader{Conn: e.tx} }

// Event is the newest event of the change, 0 as long as nothing changed.
func (e *Edit) Event() int64 { return e.made }

// write returns the change's event, which is made with the first write after a
// lock that others may have held, and notes that a tag changes; 0 for what is no
// tag's.
func (e *Edit) write(ctx context.Context, tagID int64) (int64, error) {
	e.settings = e.settings || tagID != 0
	return e.writeContent(ctx, tagID)
}

// writeContent is write for a tag whose packages or builds change, and nothing
// else.
func (e *Edit) writeContent(ctx context.Context, tagID int64) (int64, error) {
	if tagID != 0 {
		e.touched[tagID] = true
	}
	if e.event == 0 {
		event, err := e.q.InsertEvent(ctx, db.InsertEventParams{Actor: e.User.Name, What: e.what})
		if err != nil {
			return 0, fmt.Errorf("tags: make event: %w", err)
		}
		e.event, e.made = event, event
	}
	return e.event, nil
}

// lock makes others wait who would change what these tags hold, themselves or
// by inheritance, or who inherits from whom. Every change locks before it looks:
// of two that concern the same package the second sees what the first did.
func (e *Edit) lock(ctx context.Context, tagIDs ...int64) error {
	if !e.links {
		if _, err := e.tx.Exec(ctx, "lock table tag_inheritance in row share mode"); err != nil {
			return fmt.Errorf("tags: lock inheritance: %w", err)
		}
	}
	below, err := e.Read().Progeny(ctx, tagIDs...)
	if err != nil {
		return err
	}
	ids := below.Closure(tagIDs...)
	// Others may have changed what is locked only now, with events newer than
	// this change's: it goes on with a newer one. Nobody has while the lock on
	// all links is held.
	if !e.links && slices.ContainsFunc(ids, func(id int64) bool { return !e.locked[id] }) {
		e.event = 0
	}
	if _, err := e.q.LockTagsByID(ctx, ids); err != nil {
		return fmt.Errorf("tags: lock tags: %w", err)
	}
	for _, id := range ids {
		e.locked[id] = true
	}
	return nil
}

// lockLinks makes everybody wait who changes anything about tags.
func (e *Edit) lockLinks(ctx context.Context) error {
	if e.links {
		return nil
	}
	e.links, e.event = true, 0
	if _, err := e.tx.Exec(ctx, "lock table tag_inheritance in exclusive mode"); err != nil {
		return fmt.Errorf("tags: lock inheritance: %w", err)
	}
	return nil
}

// tagged is a build that a change tagged.
type tagged struct{ build, tag int64 }

// Finish ends a change: it works out the settings of the tags it concerns, and
// has their repositories made. It returns the wanted revision of each.
func (e *Edit) Finish(ctx context.Context) (revs map[int64]int64, err error) {
	if len(e.touched) == 0 {
		return map[int64]int64{}, nil
	}
	affected, err := e.affected(ctx)
	if err != nil {
		return nil, err
	}
	if e.links {
		if _, err := e.q.LockTagsByID(ctx, affected); err != nil {
			return nil, fmt.Errorf("tags: lock tags: %w", err)
		}
	}
	for _, id := range affected {
		if !e.settings {
			break
		}
		err := e.settle(ctx, id)
		if errors.Is(err, tagview.ErrTooManyWays) {
			return nil, &RefusedError{Fault: FaultGeneric, Text: "after this change " + tagview.ErrTooManyWays.Error() + ": nobody could read the tag", Err: err}
		}
		if err != nil {
			return nil, err
		}
	}
	var settings int32
	if e.settings {
		settings = 1
	}
	var event *int64
	if e.made != 0 {
		event = &e.made
	}
	raised, err := e.q.RaiseRevs(ctx, db.RaiseRevsParams{Ids: affected, Settings: settings, Event: event})
	if err != nil {
		return nil, fmt.Errorf("tags: mark repositories stale: %w", err)
	}
	revs = map[int64]int64{}
	for _, tag := range raised {
		revs[tag.ID] = tag.WantRev
		if _, err := queue.Insert(ctx, e.tx, e.jobs, queue.PublishArgs{TagID: tag.ID}); err != nil {
			return nil, err
		}
	}
	for _, t := range e.tagged {
		// The revision that will hold the build, for those who wait for it.
		rev, ok := revs[t.tag]
		if !ok {
			return nil, fmt.Errorf("tags: build %d was tagged into tag %d, whose repository is not made anew", t.build, t.tag)
		}
		n, err := e.q.SetTaggedRev(ctx, db.SetTaggedRevParams{ID: t.build, DestTag: t.tag, TaggedRev: &rev})
		if err != nil {
			return nil, fmt.Errorf("tags: note revision of build %d: %w", t.build, err)
		}
		if n > 0 {
			if err := queue.Follow(ctx, e.tx, e.jobs, t.build); err != nil {
				return nil, err
			}
		}
	}
	return revs, nil
}

// affected returns the touched tags and those whose walk meets one of them.
func (e *Edit) affected(ctx context.Context) ([]int64, error) {
	// Whoever locked has found all that inherit, and nobody has changed it since.
	candidates := slices.Sorted(maps.Keys(e.locked))
	if e.links {
		touched := slices.Sorted(maps.Keys(e.touched))
		below, err := e.Read().Progeny(ctx, touched...)
		if err != nil {
			return nil, err
		}
		candidates = below.Closure(touched...)
	}
	above, err := e.Read().Ancestry(ctx, candidates...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(candidates, func(id int64) bool {
		return !e.touched[id] && !slices.ContainsFunc(above.Walk(id), func(s tagview.Step) bool { return e.touched[s.ParentID] })
	}), nil
}
