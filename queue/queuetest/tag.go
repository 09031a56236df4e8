package queuetest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// List puts packages on a tag's list, so that builds of them may be there.
func List(tb testing.TB, pool *pgxpool.Pool, tag int64, packages ...int64) {
	tb.Helper()
	Tx(tb, pool, func(tx pgx.Tx) error { return list(context.Background(), tx, tag, packages) })
}

func list(ctx context.Context, tx pgx.Tx, tag int64, packages []int64) error {
	_, err := tx.Exec(ctx, `with event as (insert into events (actor, what) values ('test', 'list packages') returning id),
		entry as (insert into tag_packages (tag_id, package_id, create_event)
			select $1, p.id, e.id from unnest($2::bigint[]) as p (id), event e
			on conflict do nothing returning tag_id, package_id, create_event)
		insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
		select e.tag_id, e.package_id, u.id, e.create_event from entry e, users u where u.name = 'distbot'
		on conflict do nothing`, tag, packages)
	return err
}

// TagBuild tags a build in tx, lists its package, and wants the repositories of
// the tag and of all that inherit from it made anew.
func TagBuild(ctx context.Context, tx pgx.Tx, jobs queue.Inserter, tag, build int64) error {
	q := db.New(tx)
	row, err := q.GetBuild(ctx, build)
	if err != nil {
		return err
	}
	if err := list(ctx, tx, tag, []int64{row.PackageID}); err != nil {
		return err
	}
	event, err := q.InsertEvent(ctx, db.InsertEventParams{Actor: "test", What: "tag"})
	if err != nil {
		return err
	}
	if err := q.InsertTagging(ctx, db.InsertTaggingParams{TagID: tag, BuildID: build, PackageID: row.PackageID, CreateEvent: event}); err != nil {
		return err
	}
	rev, err := Raise(ctx, tx, jobs, tag)
	if err != nil {
		return err
	}
	_, err = q.SetTaggedRev(ctx, db.SetTaggedRevParams{ID: build, DestTag: tag, TaggedRev: &rev})
	return err
}

// Raise wants the repositories of a tag and of all that inherit from it made
// anew, and returns the tag's wanted revision.
func Raise(ctx context.Context, tx pgx.Tx, jobs queue.Inserter, tag int64) (rev int64, err error) {
	rows, err := tx.Query(ctx, `with recursive affected (id) as (
			select $1::bigint union
			select i.tag_id from tag_inheritance i join affected a on i.parent_id = a.id where i.revoke_event is null)
		select id from affected order by id`, tag)
	if err != nil {
		return 0, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, err
	}
	q := db.New(tx)
	if _, err := q.LockTagsByID(ctx, ids); err != nil {
		return 0, err
	}
	raised, err := q.RaiseRevs(ctx, db.RaiseRevsParams{Ids: ids, Settings: 1})
	if err != nil {
		return 0, err
	}
	for _, t := range raised {
		if t.ID == tag {
			rev = t.WantRev
		}
		if _, err := queue.Insert(ctx, tx, jobs, queue.PublishArgs{TagID: t.ID}); err != nil {
			return 0, err
		}
	}
	return rev, nil
}

// Group gives a tag a group of mandatory packages.
func Group(tb testing.TB, pool *pgxpool.Pool, tag int64, group string, packages ...string) {
	tb.Helper()
	Exec(tb, pool, `with event as (insert into events (actor, what) values ('test', 'add group') returning id),
		g as (insert into groups (name) values ($2) on conflict (name) do update set name = excluded.name returning id),
		config as (insert into group_config (group_id, tag_id, exported, display_name, uservisible, biarchonly, create_event)
			select g.id, $1, true, $2, true, false, event.id from g, event on conflict do nothing)
		insert into group_package_listing (group_id, tag_id, package, type, create_event)
		select g.id, $1, unnest($3::text[]), 'mandatory', event.id from g, event`, tag, group, packages)
}

// DropGroup takes a group from a tag.
func DropGroup(tb testing.TB, pool *pgxpool.Pool, tag int64, group string) {
	tb.Helper()
	Exec(tb, pool, `update group_config c set revoke_event = c.create_event from groups g
		where g.id = c.group_id and g.name = $2 and c.tag_id = $1 and c.revoke_event is null`, tag, group)
}
