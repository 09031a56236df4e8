package tagview

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Build is a build as a tag has it.
type Build struct {
	ID        int64  `json:"build_id"`
	NVR       string `json:"nvr"`
	PackageID int64  `json:"package_id"`
	Package   string `json:"package_name"`
	Version   string `json:"version"`
	Release   string `json:"release"`
	Epoch     int32  `json:"epoch"`
	State     string `json:"state"`
	// TagID and Tag are the tag it was tagged into.
	TagID int64  `json:"tag_id"`
	Tag   string `json:"tag_name"`
	// Event, TaggedAt and TaggedBy are the tagging's.
	Event      int64      `json:"create_event"`
	TaggedAt   time.Time  `json:"tagged_at"`
	TaggedBy   string     `json:"tagged_by"`
	FinishedAt *time.Time `json:"completion_time"`
}

// BuildQuery selects builds of a tag.
type BuildQuery struct {
	// Inherit follows the tag's inheritance.
	Inherit bool
	// Latest is how many builds of each package are wanted, 0 for all.
	Latest int
	// PackageID is one package, 0 for all.
	PackageID int64
}

// Builds returns the builds of a tag, those of the tag itself first, then of its
// parents in the order of the walk; within a tag the one tagged last comes
// first. Which build is the latest is a matter of that order alone: the nearest
// tag wins, then the last tagging, versions are never compared. Only packages
// that are listed in the tag and not blocked count. A tag that the walk visits
// twice has its builds twice, unless Latest is 1. All of it is Koji's rule
// (listTagged).
func (r Reader) Builds(ctx context.Context, tagID int64, q BuildQuery) ([]Build, error) {
	builds, picked, err := r.builds(ctx, tagID, q, false)
	if err != nil || q.Latest == 0 || len(builds) == picked {
		return builds, err
	}
	// Only complete builds can be tagged, and they stay so while they are. To find
	// out afterwards that one is not, and to ask again, spares reading the builds
	// of all taggings that are not picked.
	builds, _, err = r.builds(ctx, tagID, q, true)
	return builds, err
}

// builds returns the complete ones of the builds that were picked, and how many
// those were: of all, or of complete builds only when that is checked before.
func (r Reader) builds(ctx context.Context, tagID int64, q BuildQuery, checked bool) (builds []Build, picked int, err error) {
	taggings, err := r.taggings(ctx, tagID, q, checked)
	if err != nil {
		return nil, 0, err
	}
	if builds, err = r.describe(ctx, taggings); err != nil {
		return nil, 0, err
	}
	return slices.DeleteFunc(builds, func(b Build) bool { return b.State != stateComplete }), len(taggings), nil
}

// LatestBuildIDs returns the ids of the latest build of each package of a tag,
// inherited ones included: what its repository holds.
func (r Reader) LatestBuildIDs(ctx context.Context, tagID int64) ([]int64, error) {
	q := BuildQuery{Inherit: true, Latest: 1}
	taggings, err := r.taggings(ctx, tagID, q, false)
	if err != nil {
		return nil, err
	}
	ok, err := r.complete(ctx, taggings)
	if err == nil && !ok { // See Builds.
		taggings, err = r.taggings(ctx, tagID, q, true)
	}
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(taggings))
	for i, t := range taggings {
		ids[i] = t.build
	}
	return ids, nil
}

// tagging is a build in a tag.
type tagging struct{ tag, pkg, build, event int64 }

// taggings returns what Builds returns, undescribed: of complete builds only when
// that is to be checked.
func (r Reader) taggings(ctx context.Context, tagID int64, q BuildQuery, checked bool) ([]tagging, error) {
	steps, err := r.Inheritance(ctx, tagID)
	if err != nil {
		return nil, err
	}
	tags := []int64{tagID}
	if q.Inherit {
		tags = chain(tagID, steps)
	}
	once := distinct(tags)
	if q.Latest == 1 {
		tags = once
	}
	var allowed map[int64]bool
	var found map[int64][]tagging
	err = r.both(func() (err error) {
		found, err = r.taggingsOf(ctx, once, q, checked)
		return err
	}, func() (err error) {
		allowed, err = r.allowed(ctx, tagID, steps, q.PackageID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return pick(tags, found, allowed, q.Latest), nil
}

// pick goes through the tags in order and keeps what is allowed, of each
// package the first few.
func pick(tags []int64, found map[int64][]tagging, allowed map[int64]bool, latest int) []tagging {
	picked := make([]tagging, 0, len(allowed))
	count := map[int64]int{}
	if latest > 0 {
		count = make(map[int64]int, len(allowed))
	}
	for _, tag := range tags {
		begin := len(picked)
		for _, t := range found[tag] {
			if !allowed[t.pkg] {
				continue
			}
			if latest > 0 {
				if count[t.pkg] >= latest {
					continue
				}
				count[t.pkg]++
			}
			picked = append(picked, t)
		}
		if latest == 1 { // Then a tag has one tagging of a package, in any order.
			slices.SortFunc(picked[begin:], newestFirst)
		}
	}
	return picked
}

func newestFirst(a, b tagging) int {
	return cmp.Or(cmp.Compare(b.event, a.event), cmp.Compare(b.build, a.build))
}

// complete reports whether all builds that the tags of taggings have are COMPLETE:
// more than was asked for, which costs who is told no a second look.
func (r Reader) complete(ctx context.Context, taggings []tagging) (bool, error) {
	tags := column(taggings, func(t tagging) int64 { return t.tag })
	// An index holds the builds in other states: the planner knows how few of
	// them there are, or how few a tag has.
	list, err := query[struct{ ID int64 }](ctx, r, `select b.id from builds b where b.state <> 'COMPLETE'
		and exists (select from tag_builds tb where tb.build_id = b.id and tb.tag_id = any ($1::bigint[]) and `+r.At.valid("tb")+") limit 1", tags)
	if err != nil {
		return false, fmt.Errorf("tagview: read states of builds: %w", err)
	}
	return len(list) == 0, nil
}

// taggingsOf returns the taggings of tags, each tag's last one first: of
// complete builds only, or of all. With Latest 1 only the last of each package,
// which spares reading the others, and in no order.
func (r Reader) taggingsOf(ctx context.Context, tagIDs []int64, q BuildQuery, onlyComplete bool) (map[int64][]tagging, error) {
	where := ofTags("tb", tagIDs, q.PackageID)
	from := "tag_builds tb"
	if onlyComplete {
		from += " join builds b on b.id = tb.build_id and b.state = 'COMPLETE'"
	}
	// The index tag_builds_newest has the order of distinct on.
	first, order := "", ""
	if q.Latest == 1 {
		first = "distinct on (tb.tag_id, tb.package_id)"
		order = " order by tb.tag_id, tb.package_id, tb.create_event desc, tb.build_id desc"
	}
	found := map[int64][]tagging{}
	var t tagging
	err := r.each(ctx, []any{&t.tag, &t.pkg, &t.build, &t.event}, func() {
		found[t.tag] = append(found[t.tag], t)
	}, "select "+first+" tb.tag_id, tb.package_id, tb.build_id, tb.create_event from "+from+" where "+r.At.valid("tb")+where.sql+order, where.args...)
	if err != nil {
		return nil, fmt.Errorf("tagview: read tagged builds: %w", err)
	}
	if q.Latest != 1 {
		for _, list := range found {
			slices.SortFunc(list, newestFirst)
		}
	}
	return found, nil
}

// describe reads what taggings stand for. Each table is read by itself, in the
// order of its key: a join would look up each row of each table on its own.
func (r Reader) describe(ctx context.Context, taggings []tagging) ([]Build, error) {
	var builds byID[Build]
	var events byID[Event]
	var packages, tags byID[string]
	err := r.both(func() (err error) {
		builds, err = r.buildsOf(ctx, taggings)
		return err
	}, func() (err error) {
		if events, err = r.eventsOf(ctx, taggings); err != nil {
			return err
		}
		if packages, err = r.names(ctx, "packages", column(taggings, func(t tagging) int64 { return t.pkg })); err != nil {
			return err
		}
		tags, err = r.names(ctx, "tags", column(taggings, func(t tagging) int64 { return t.tag }))
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]Build, len(taggings))
	for i, t := range taggings {
		event := events.get(t.event)
		list[i] = *builds.get(t.build)
		list[i].Package, list[i].TagID, list[i].Tag = *packages.get(t.pkg), t.tag, *tags.get(t.tag)
		list[i].Event, list[i].TaggedAt, list[i].TaggedBy = t.event, event.At, event.Actor
	}
	return list, nil
}

// column returns a column of taggings, each value once, in order.
func column(taggings []tagging, of func(tagging) int64) []int64 {
	ids := make([]int64, len(taggings))
	for i, t := range taggings {
		ids[i] = of(t)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// byID holds a value for each of some ids, which are in order: a map that
// costs one allocation.
type byID[T any] struct {
	ids    []int64
	values []T
}

func newByID[T any](ids []int64) byID[T] { return byID[T]{ids: ids, values: make([]T, len(ids))} }

// get returns the value of an id, which must be one of them.
func (m byID[T]) get(id int64) *T {
	i, _ := slices.BinarySearch(m.ids, id)
	return &m.values[i]
}

// buildsOf returns what builds are apart from where they are tagged.
func (r Reader) buildsOf(ctx context.Context, taggings []tagging) (byID[Build], error) {
	builds := newByID[Build](column(taggings, func(t tagging) int64 { return t.build }))
	var b Build
	err := r.each(ctx, []any{&b.ID, &b.NVR, &b.PackageID, &b.Version, &b.Release, &b.Epoch, &b.State, &b.FinishedAt}, func() {
		*builds.get(b.ID) = b
	}, `select id, coalesce(nvr, ''), package_id, version, release, epoch, state, finished_at from builds where `+isAny, builds.ids)
	if err != nil {
		return builds, fmt.Errorf("tagview: read builds: %w", err)
	}
	return builds, nil
}

// eventsOf returns when taggings were made and by whom.
func (r Reader) eventsOf(ctx context.Context, taggings []tagging) (byID[Event], error) {
	events := newByID[Event](column(taggings, func(t tagging) int64 { return t.event }))
	var e Event
	err := r.each(ctx, []any{&e.ID, &e.At, &e.Actor}, func() {
		*events.get(e.ID) = e
	}, "select id, at, actor from events where "+isAny, events.ids)
	if err != nil {
		return events, fmt.Errorf("tagview: read events: %w", err)
	}
	return events, nil
}

// isAny is the condition that a row's id is one of those that are the only
// parameter. There may be very many: hidden in a query of their own the planner
// does not weigh each of them.
const isAny = "id = any ((select $1::bigint[])::bigint[])"

// names returns the names of tags or packages. Where most of a range of ids is
// wanted the whole range is read, which is faster than to look up each.
func (r Reader) names(ctx context.Context, table string, ids []int64) (byID[string], error) {
	names := newByID[string](ids)
	if len(ids) == 0 {
		return names, nil
	}
	where, args := isAny, []any{ids}
	if first, last := ids[0], ids[len(ids)-1]; last-first < 4*int64(len(ids)) {
		where, args = "id between $1::bigint and $2::bigint", []any{first, last}
	}
	var id int64
	var name string
	err := r.each(ctx, []any{&id, &name}, func() {
		if i, ok := slices.BinarySearch(ids, id); ok {
			names.values[i] = name
		}
	}, "select id, name from "+table+" where "+where, args...)
	if err != nil {
		return names, fmt.Errorf("tagview: read names of %s: %w", table, err)
	}
	return names, nil
}
