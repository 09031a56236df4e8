package tagview

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// HistoryQuery selects changes. Of those fields that are set all must apply;
// tables that have nothing to do with one of them are left out.
type HistoryQuery struct {
	// Tag is a tag's name, of a removed tag too. A link of inheritance belongs to
	// both its ends, a target to both its tags.
	Tag string
	// Package is a package's name, Build an NVR.
	Package, Build string
	// User is who made the change.
	User string
	// Tables are the tables by Koji's names (see HistoryTables), all when empty.
	Tables []string
	// After and Before are events between which the changes lie, 0 for any. For
	// times see EventBefore.
	After, Before int64
	// Active leaves out all but what is in force; what replaced something else
	// counts as added then.
	Active bool
	// Limit is how many changes are wanted at most, the newest; 0 is 500, and
	// never more than 10,000. The changes of one event are never separated: when
	// there are more of them than that, all are returned.
	Limit int
}

const (
	defaultHistory = 500
	maxHistory     = 10_000
)

// History is a part of the history of tags.
type History struct {
	// Changes come in the order in which they were made.
	Changes []Change `json:"changes"`
	// Before is the next query's Before, for the changes before these; 0 when
	// there are none.
	Before int64 `json:"before,omitempty"`
}

// Action is what a change did to a row of a table.
type Action string

// The actions.
const (
	Added   Action = "added"
	Removed Action = "removed"
	Changed Action = "changed"
)

// Change is one change of the tag model.
type Change struct {
	Event  `json:"event"`
	Table  string `json:"table"`
	Action Action `json:"action"`
	// Active says that what was made is in force.
	Active bool `json:"active"`
	// Tag, Package and Build are what it is about; "" where it is not.
	Tag     string `json:"tag,omitempty"`
	Package string `json:"package,omitempty"`
	Build   string `json:"build,omitempty"`
	// Other is a parent, owner, key, group, requirement, target, repository or
	// permission, as the table has it.
	Other string `json:"other,omitempty"`
	// Values are the row's, those it had before it was removed, or has now; Was
	// those it had before it was changed.
	Values json.RawMessage `json:"values"`
	Was    json.RawMessage `json:"was,omitempty"`
}

// ErrNoSubject says that there is no package or build of that name.
var ErrNoSubject = errors.New("no such package or build")

// HistoryTables are the names of all tables, as Koji has them.
func HistoryTables() []string {
	var names []string
	for _, t := range historyTables() {
		names = append(names, t.name)
	}
	return names
}

// History returns changes (Koji's queryHistory, with the rows of each event put
// together as its list-history does). An unknown tag is ErrNoTag, an unknown
// package or build ErrNoSubject.
func (r Reader) History(ctx context.Context, q HistoryQuery) (History, error) {
	scope, err := r.scope(ctx, q)
	if err != nil {
		return History{}, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultHistory
	}
	limit = min(limit, maxHistory)
	found, floor, err := r.changes(ctx, q, scope, limit)
	if err != nil {
		return History{}, err
	}
	if len(found) == 0 && floor > 0 { // The newest event has more than that.
		q.After, q.Before = floor-1, floor+1
		if found, _, err = r.changes(ctx, q, scope, 0); err != nil {
			return History{}, err
		}
	}
	page, more := newest(found, limit)
	history := History{Changes: page}
	if (more || floor > 0) && len(page) > 0 {
		history.Before = page[0].Event.ID
	}
	return history, r.dateChanges(ctx, page)
}

// newest returns the newest changes, oldest first, of whole events.
func newest(changes []Change, limit int) (page []Change, more bool) {
	cut := max(0, len(changes)-limit)
	if cut > 0 {
		// Forward to the beginning of an event, or back if it is the only one.
		at := cut
		for at < len(changes) && changes[at].Event.ID == changes[at-1].Event.ID {
			at++
		}
		if at == len(changes) {
			for at = cut; at > 0 && changes[at-1].Event.ID == changes[cut].Event.ID; {
				at--
			}
		}
		cut = at
	}
	return changes[cut:], cut > 0
}

// scope is what a query's names stand for.
type scope struct {
	tag, pkg int64
	builds   []int64
}

func (r Reader) scope(ctx context.Context, q HistoryQuery) (scope, error) {
	var s scope
	if q.Tag != "" {
		ids, err := r.ids(ctx, "select id from tags where name = $1", q.Tag)
		if err != nil {
			return s, err
		}
		if len(ids) == 0 {
			return s, fmt.Errorf("tagview: tag %q: %w", q.Tag, ErrNoTag)
		}
		s.tag = ids[0]
	}
	if q.Package != "" {
		ids, err := r.ids(ctx, "select id from packages where name = $1", q.Package)
		if err != nil {
			return s, err
		}
		if len(ids) == 0 {
			return s, fmt.Errorf("tagview: package %q: %w", q.Package, ErrNoSubject)
		}
		s.pkg = ids[0]
	}
	if q.Build != "" {
		ids, err := r.ids(ctx, "select id from builds where nvr = $1 and not scratch", q.Build)
		if err != nil {
			return s, err
		}
		if len(ids) == 0 {
			return s, fmt.Errorf("tagview: build %q: %w", q.Build, ErrNoSubject)
		}
		s.builds = ids
	}
	for _, table := range q.Tables {
		if !slices.Contains(HistoryTables(), table) {
			return s, fmt.Errorf("tagview: no table %q has a history: they are %s", table, strings.Join(HistoryTables(), ", "))
		}
	}
	return s, nil
}

func (r Reader) ids(ctx context.Context, sql, name string) ([]int64, error) {
	list, err := query[struct{ ID int64 }](ctx, r, sql, name)
	if err != nil {
		return nil, fmt.Errorf("tagview: look up %s: %w", name, err)
	}
	var ids []int64
	for _, row := range list {
		ids = append(ids, row.ID)
	}
	return ids, nil
}

// changes reads changes, oldest first, up to limit of each table and side, or
// all when it is 0. Those of the event floor and before may not be complete and
// are left out.
func (r Reader) changes(ctx context.Context, q HistoryQuery, s scope, limit int) (list []Change, floor int64, err error) {
	merged := map[changeKey]*Change{}
	for _, table := range historyTables() {
		if len(q.Tables) > 0 && !slices.Contains(q.Tables, table.name) {
			continue
		}
		for _, side := range []string{"create_event", "revoke_event"} {
			sql, args, ok := table.statement(r.At, q, s, side, limit)
			if !ok {
				continue
			}
			rows, err := query[historyRow](ctx, r, sql, args...)
			if err != nil {
				return nil, 0, fmt.Errorf("tagview: read history of %s: %w", table.name, err)
			}
			if limit > 0 && len(rows) > limit {
				floor = max(floor, rows[len(rows)-1].Event)
			}
			for _, row := range rows {
				row.mergeInto(merged, table.name, side == "create_event")
			}
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(merged), changeKey.compare) {
		if key.event > floor {
			list = append(list, *merged[key])
		}
	}
	return list, floor, nil
}

// changesOf returns what one event changed about a package's list entries and
// builds, and about inheritance.
func (r Reader) changesOf(ctx context.Context, event, packageID int64) ([]Change, error) {
	var all []Change
	for _, part := range []struct {
		scope  scope
		tables []string
	}{
		{scope{pkg: packageID}, []string{"tag_packages", "tag_listing"}},
		{scope{}, []string{"tag_inheritance"}},
	} {
		list, _, err := r.changes(ctx, HistoryQuery{Tables: part.tables, After: event - 1, Before: event + 1}, part.scope, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, r.dateChanges(ctx, all)
}

// changeKey tells the row that was changed, whatever its version.
type changeKey struct {
	event      int64
	table, key string
}

func (k changeKey) compare(other changeKey) int {
	return cmp.Or(cmp.Compare(k.event, other.event), cmp.Compare(k.table, other.table), cmp.Compare(k.key, other.key))
}

type historyRow struct {
	Event                           int64
	Active                          bool
	Key, Tag, Package, Build, Other string
	Values                          json.RawMessage
}

// mergeInto adds a row that was made or revoked to the changes.
func (h historyRow) mergeInto(changes map[changeKey]*Change, table string, made bool) {
	key := changeKey{h.Event, table, h.Key}
	c := changes[key]
	if c == nil {
		c = &Change{
			Event: Event{ID: h.Event}, Table: table, Action: Removed, Tag: h.Tag, Package: h.Package, Build: h.Build, Other: h.Other, Values: h.Values,
		}
		if made {
			c.Action, c.Active = Added, h.Active
		}
		changes[key] = c
		return
	}
	// Made rows come first.
	c.Action, c.Was = Changed, h.Values
}

// dateChanges says when changes were made and by whom.
func (r Reader) dateChanges(ctx context.Context, changes []Change) error {
	ids := map[int64]bool{}
	for _, c := range changes {
		ids[c.Event.ID] = true
	}
	events, err := query[Event](ctx, r, "select id, at, actor, what from events where id = any ($1::bigint[])", slices.Collect(maps.Keys(ids)))
	if err != nil {
		return fmt.Errorf("tagview: read events: %w", err)
	}
	byID := map[int64]Event{}
	for _, e := range events {
		byID[e.ID] = e
	}
	for i := range changes {
		changes[i].Event = byID[changes[i].Event.ID]
	}
	return nil
}

// String says what was done, without when and by whom, in the words of Koji's
// list-history, and of a change what is different: "inheritance line c->p
// updated: maxdepth none -> 1, priority 0 -> 5".
func (c Change) String() string {
	for _, t := range historyTables() {
		if t.name == c.Table {
			return strings.NewReplacer("{tag}", c.Tag, "{package}", c.Package, "{build}", c.Build, "{other}", c.Other).Replace(t.words[c.Action]) + c.differences()
		}
	}
	return c.Table + " " + string(c.Action)
}

// Line is a line of Koji's list-history, with the number of the event if it is
// wanted.
func (c Change) Line(zone *time.Location, event bool) string {
	line := c.At.In(zone).Format(time.ANSIC)
	if event {
		line += fmt.Sprintf(" [eid %d]", c.ID)
	}
	line += ": " + c.String()
	if len(c.Differences()) > 0 { // So that the name is no part of a value.
		line += ","
	}
	line += " by " + c.Actor
	if c.Active {
		line += " [still active]"
	}
	return line
}
