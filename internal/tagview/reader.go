package tagview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

// Reader reads the tag model through a connection, a pool or a transaction, as
// it was at a moment. The zero moment is now. As safe for concurrent use as its
// connection.
type Reader struct {
	Conn db.DBTX
	At   Moment
}

// ErrNoTag says that there is no such tag at the moment.
var ErrNoTag = errors.New("no such tag")

// Tag is a tag with its own settings, not the inherited ones.
type Tag struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// Arches is nil when they are inherited; "" is none.
	Arches *string `json:"arches"`
	Perm   *string `json:"perm"`
	Locked bool    `json:"locked"`
}

const tagColumns = `select t.id, t.name, c.arches, p.name, c.locked
	from tags t join tag_config c on c.tag_id = t.id left join permissions p on p.id = c.perm_id where `

// Tag returns a tag by its name, or an error that is ErrNoTag.
func (r Reader) Tag(ctx context.Context, name string) (Tag, error) {
	rows, err := r.rows(ctx, tagColumns+r.At.valid("c")+" and t.name = $1", name)
	if err != nil {
		return Tag{}, fmt.Errorf("tagview: read tag %s: %w", name, err)
	}
	tag, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Tag])
	if errors.Is(err, pgx.ErrNoRows) {
		return Tag{}, fmt.Errorf("tagview: tag %q: %w", name, ErrNoTag)
	}
	if err != nil {
		return Tag{}, fmt.Errorf("tagview: read tag %s: %w", name, err)
	}
	return tag, nil
}

// Tags returns all tags by name.
func (r Reader) Tags(ctx context.Context) ([]Tag, error) {
	tags, err := query[Tag](ctx, r, tagColumns+r.At.valid("c")+` order by t.name collate "C"`)
	if err != nil {
		return nil, fmt.Errorf("tagview: list tags: %w", err)
	}
	return tags, nil
}

// query collects the rows of a statement as structs, by position. Where many
// rows are to be expected, each is three times as fast.
func query[T any](ctx context.Context, r Reader, sql string, args ...any) ([]T, error) {
	rows, err := r.rows(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// each scans the rows of a statement into the same variables, one after
// another, and calls next for each.
func (r Reader) each(ctx context.Context, into []any, next func(), sql string, args ...any) error {
	rows, err := r.rows(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		next()
		return nil
	})
	return err
}

// rows runs a statement. Those about now have few texts, which the connection
// keeps prepared; those about a moment carry its number, and are used once.
func (r Reader) rows(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if !r.At.IsNow() {
		args = append([]any{pgx.QueryExecModeExec}, args...)
	}
	return r.Conn.Query(ctx, sql, args...)
}

// both runs two queries, at the same time where the connection is a pool.
func (r Reader) both(one, other func() error) error {
	if _, ok := r.Conn.(*pgxpool.Pool); !ok {
		return cmp.Or(one(), other())
	}
	done := make(chan error, 1)
	go func() { done <- other() }()
	return cmp.Or(one(), <-done)
}

// conditions are further conditions of a statement and its parameters.
type conditions struct {
	sql  string
	args []any
}

// add adds " and condition", where ? is the parameter arg. A condition is left
// out of the text where it does not apply, rather than being made true by a
// parameter: only so the planner finds the index that fits it.
func (c *conditions) add(condition string, arg any) {
	c.args = append(c.args, arg)
	c.sql += " and " + strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(c.args)))
}

// ofTags are the conditions that a row belongs to one of some tags, and to a
// package unless it is 0.
func ofTags(alias string, tagIDs []int64, packageID int64) conditions {
	var c conditions
	c.add(alias+".tag_id = any (?::bigint[])", tagIDs)
	if packageID != 0 {
		c.add(alias+".package_id = ?::bigint", packageID)
	}
	return c
}

// TagByID returns a tag; ok is false when there is none at the moment.
func (r Reader) TagByID(ctx context.Context, id int64) (tag Tag, ok bool, err error) {
	tags, err := query[Tag](ctx, r, tagColumns+r.At.valid("c")+" and t.id = $1", id)
	if err != nil {
		return Tag{}, false, fmt.Errorf("tagview: read tag %d: %w", id, err)
	}
	if len(tags) == 0 {
		return Tag{}, false, nil
	}
	return tags[0], true, nil
}
