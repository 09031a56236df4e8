package tagview

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (x *explainer) readTag(ctx context.Context, name string) (err error) {
	x.tag, err = x.r.Tag(ctx, name)
	return err
}

// readSubject looks up the package, or the build and its package.
func (x *explainer) readSubject(ctx context.Context, subject string) error {
	ids, err := x.r.ids(ctx, "select id from packages where name = $1", subject)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		x.pkgID, x.Package = ids[0], subject
		return nil
	}
	type row struct {
		ID         int64
		NVR, State string
		PackageID  int64
		Package    string
	}
	// Of several builds of a name the one that has it for good.
	found, err := query[row](ctx, x.r, `select b.id, b.nvr, b.state, p.id, p.name from builds b join packages p on p.id = b.package_id
		where b.nvr = $1 and not b.scratch order by (b.state in ('BUILDING', 'COMPLETE', 'DELETED')) desc, b.id desc limit 1`, subject)
	if err != nil {
		return fmt.Errorf("tagview: look up %s: %w", subject, err)
	}
	if len(found) == 0 {
		return x.noSubject(ctx, subject)
	}
	x.Build = &ExplainedBuild{ID: found[0].ID, NVR: found[0].NVR, State: found[0].State}
	x.pkgID, x.Package = found[0].PackageID, found[0].Package
	return nil
}

// noSubject is ErrNoSubject with the package that is perhaps meant.
func (x *explainer) noSubject(ctx context.Context, subject string) error {
	parts := strings.Split(subject, "-")
	if len(parts) < 3 {
		return fmt.Errorf("tagview: %q: %w", subject, ErrNoSubject)
	}
	name := strings.Join(parts[:len(parts)-2], "-")
	ids, err := x.r.ids(ctx, "select id from packages where name = $1", name)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("tagview: %q: %w, nor is there a package %s", subject, ErrNoSubject, name)
	}
	return fmt.Errorf("tagview: %q: %w, but there is the package %s", subject, ErrNoSubject, name)
}

// readWalk walks, and loads the links that were removed as well.
func (x *explainer) readWalk(ctx context.Context) (err error) {
	if x.graph, err = x.r.Ancestry(ctx, x.tag.ID); err != nil {
		return err
	}
	x.steps, err = x.graph.walk(x.tag.ID, func(p Pruned) { x.pruned = append(x.pruned, p) })
	if err != nil {
		return fmt.Errorf("tagview: explain %s: %w", x.Tag, err)
	}
	x.names = map[int64]string{x.tag.ID: x.Tag}
	x.addNames(x.graph)
	x.visits = map[int64][]int{x.tag.ID: {0}}
	x.Tags = append(x.Tags, ExplainedTag{Tag: x.Tag, id: x.tag.ID})
	for i := range x.steps {
		step := &x.steps[i]
		x.Tags = append(x.Tags, ExplainedTag{Tag: step.Parent, Step: step, Again: len(x.visits[step.ParentID]) > 0, id: step.ParentID})
		x.visits[step.ParentID] = append(x.visits[step.ParentID], i+1)
	}
	x.former, err = query[formerLink](ctx, x.r, `select i.tag_id, i.parent_id, c.name, p.name, e.id, e.at, e.actor, e.what
		from tag_inheritance i join tags c on c.id = i.tag_id join tags p on p.id = i.parent_id join events e on e.id = i.revoke_event
		where i.tag_id = any ($1::bigint[])`+x.r.At.reached("i.revoke_event")+` order by i.revoke_event desc`, x.visited())
	if err != nil {
		return fmt.Errorf("tagview: read removed links: %w", err)
	}
	return nil
}

// reached is the condition that an event lies at or before the moment.
func (m Moment) reached(column string) string {
	if m.IsNow() {
		return ""
	}
	return fmt.Sprintf(" and %s <= %d", column, m.event)
}

func (x *explainer) addNames(g Graph) {
	for _, links := range g.parents {
		for _, link := range links {
			x.names[link.ChildID], x.names[link.ParentID] = link.Child, link.Parent
		}
	}
}

// visited are the ids of the tags of the walk.
func (x *explainer) visited() []int64 { return slices.Sorted(maps.Keys(x.visits)) }

// reachable are the tags of the walk, and those that links lead to which it
// does not follow.
func (x *explainer) reachable() []int64 { return slices.Sorted(maps.Keys(x.names)) }

// readFormerLinks finds the tags behind links that were removed.
func (x *explainer) readFormerLinks(ctx context.Context) error {
	var lost []int64
	x.former = slices.DeleteFunc(x.former, func(f formerLink) bool {
		_, known := x.names[f.Parent]
		return known
	})
	for _, f := range x.former {
		lost = append(lost, f.Parent)
	}
	if len(lost) == 0 {
		return nil
	}
	behind, err := x.r.Ancestry(ctx, lost...)
	if err != nil {
		return err
	}
	for _, f := range x.former {
		x.names[f.Parent] = f.ParentName
	}
	x.addNames(behind)
	for child, links := range behind.parents {
		if _, known := x.graph.parents[child]; !known {
			x.graph.parents[child] = links
		}
	}
	return nil
}

// readEntries reads what the package lists say of the package.
func (x *explainer) readEntries(ctx context.Context) error {
	type row struct {
		Tag     int64
		Owner   string
		Blocked *bool
		Event   *int64
		At      *time.Time
		Actor   *string
		What    *string
	}
	list, err := query[row](ctx, x.r, `select o.tag_id, u.name, l.blocked, e.id, e.at, e.actor, e.what
		from tag_package_owners o join users u on u.id = o.owner_id
		left join tag_packages l on l.tag_id = o.tag_id and l.package_id = o.package_id and `+x.r.At.valid("l")+`
		left join events e on e.id = l.create_event
		where `+x.r.At.valid("o")+` and o.tag_id = any ($1::bigint[]) and o.package_id = $2::bigint`, x.reachable(), x.pkgID)
	if err != nil {
		return fmt.Errorf("tagview: read package lists: %w", err)
	}
	x.entries, x.owners = map[int64]ExplainedEntry{}, map[int64]string{}
	for _, e := range list {
		if e.Blocked == nil {
			x.owners[e.Tag] = e.Owner
			continue
		}
		x.entries[e.Tag] = ExplainedEntry{
			Tag: x.names[e.Tag], Blocked: *e.Blocked, Owner: e.Owner, By: Event{ID: *e.Event, At: *e.At, Actor: *e.Actor, What: *e.What}, tagID: e.Tag,
		}
	}
	for i := range x.Tags {
		if entry, ok := x.entries[x.Tags[i].id]; ok {
			x.Tags[i].Entry = &entry
		}
	}
	return x.readFormerEntry(ctx)
}

// readFormerEntry finds the entry that was removed last.
func (x *explainer) readFormerEntry(ctx context.Context) error {
	type row struct {
		Tag string
		Event
	}
	list, err := query[row](ctx, x.r, `select t.name, e.id, e.at, e.actor, e.what
		from tag_packages l join tags t on t.id = l.tag_id join events e on e.id = l.revoke_event
		where l.package_id = $1::bigint and l.tag_id = any ($2::bigint[])`+x.r.At.reached("l.revoke_event")+`
		order by l.revoke_event desc, t.name collate "C" limit 1`, x.pkgID, x.visited())
	if err != nil {
		return fmt.Errorf("tagview: read removed entries: %w", err)
	}
	for _, e := range list {
		x.formerEntry = &ExplainedEntry{Tag: e.Tag, By: e.Event}
	}
	return nil
}

// readBuilds reads which builds of the package are tagged where.
func (x *explainer) readBuilds(ctx context.Context) error {
	found, err := x.r.taggingsOf(ctx, x.reachable(), BuildQuery{PackageID: x.pkgID}, false)
	if err != nil {
		return err
	}
	var taggings []tagging
	for _, tag := range distinct(chain(x.tag.ID, x.steps)) {
		taggings = append(taggings, found[tag]...)
	}
	builds, err := x.r.describe(ctx, taggings)
	if err != nil {
		return err
	}
	for _, b := range builds {
		x.Builds = append(x.Builds, Candidate{Build: b, position: x.visits[b.TagID][0]})
	}
	for i := range x.Tags {
		x.Tags[i].Builds = len(found[x.Tags[i].id])
	}
	x.beyond = map[int64]bool{}
	for tag := range x.names {
		if _, listed := x.entries[tag]; len(x.visits[tag]) == 0 && (listed || len(found[tag]) > 0) {
			x.beyond[tag] = true
		}
	}
	complete, err := x.r.taggingsOf(ctx, slices.Sorted(maps.Keys(x.beyond)), BuildQuery{PackageID: x.pkgID}, true)
	if err != nil {
		return err
	}
	x.completeBeyond = map[int64]bool{}
	for tag := range complete {
		x.completeBeyond[tag] = true
	}
	return nil
}

// readTaggings reads where the build that was asked for is and was tagged.
func (x *explainer) readTaggings(ctx context.Context) (err error) {
	if x.Build == nil {
		return nil
	}
	x.history, err = query[buildTagging](ctx, x.r, `select t.id, t.name, `+x.r.At.valid("tb")+`, coalesce(tb.revoke_event, 0), e.at, coalesce(e.actor, '')
		from tag_builds tb join tags t on t.id = tb.tag_id left join events e on e.id = tb.revoke_event
		where tb.build_id = $1::bigint`+x.r.At.reached("tb.create_event")+` order by t.name collate "C", tb.id`, x.Build.ID)
	if err != nil {
		return fmt.Errorf("tagview: read taggings of %s: %w", x.Build.NVR, err)
	}
	for _, h := range x.history {
		if h.Valid && len(x.visits[h.Tag]) == 0 {
			x.Build.Elsewhere = append(x.Build.Elsewhere, h.Name)
		}
	}
	return nil
}

// skip finds the links the walk does not follow that lead to something.
func (x *explainer) skip() {
	seen := map[[2]int64]bool{}
	add := func(child, parent int64, s SkippedLink) {
		if len(x.visits[parent]) > 0 || seen[[2]int64{child, parent}] {
			return
		}
		seen[[2]int64{child, parent}] = true
		if s.Behind = x.behind(parent); len(s.Behind) > 0 {
			x.Skipped = append(x.Skipped, s)
		}
	}
	if len(x.beyond) == 0 {
		return
	}
	for _, p := range x.pruned {
		add(p.ChildID, p.ParentID, SkippedLink{Child: p.Child, Parent: p.Parent, Reason: p.Reason})
	}
	for _, f := range x.former { // The last removed first.
		add(f.Child, f.Parent, SkippedLink{Child: f.ChildName, Parent: f.ParentName, Reason: PrunedRemoved, Removed: &f.Event})
	}
}

// behind are the names of a tag and those it inherits from that have something
// and that the walk does not visit, the nearest first.
func (x *explainer) behind(tag int64) []string {
	var names []string
	queue, seen := []int64{tag}, map[int64]bool{tag: true}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if x.beyond[at] {
			names = append(names, x.names[at])
		}
		for _, link := range x.graph.parents[at] {
			if !seen[link.ParentID] && len(x.visits[link.ParentID]) == 0 {
				seen[link.ParentID] = true
				queue = append(queue, link.ParentID)
			}
		}
	}
	return names
}

// readLastChange finds the last event that changed something that matters here:
// an entry for the package, a tagging of a build of it, or a link on the way to
// either.
func (x *explainer) readLastChange(ctx context.Context) error {
	children, parents := x.ways()
	rows, err := query[struct{ Event int64 }](ctx, x.r, `select coalesce(max(x.event), 0) from (
			select unnest(array[create_event, revoke_event]) from tag_packages where package_id = $1::bigint and tag_id = any ($2::bigint[])
			union all
			select unnest(array[create_event, revoke_event]) from tag_builds where package_id = $1::bigint and tag_id = any ($2::bigint[])
			union all
			select unnest(array[create_event, revoke_event]) from tag_inheritance
			where (tag_id, parent_id) in (select * from unnest($3::bigint[], $4::bigint[]))
		) as x (event) where true`+x.r.At.reached("x.event"), x.pkgID, x.visited(), children, parents)
	if err != nil {
		return fmt.Errorf("tagview: read last change: %w", err)
	}
	event := rows[0].Event
	if event == 0 {
		return nil
	}
	list, err := x.r.changesOf(ctx, event, x.pkgID)
	if err != nil {
		return err
	}
	matters := func(c Change) bool {
		if c.Table == "tag_inheritance" {
			for i := range children {
				if x.names[children[i]] == c.Tag && x.names[parents[i]] == c.Other {
					return true
				}
			}
			return false
		}
		return slices.ContainsFunc(x.Tags, func(t ExplainedTag) bool { return t.Tag == c.Tag })
	}
	for _, c := range list {
		if !matters(c) {
			continue
		}
		if x.LastChange == nil {
			x.LastChange = &LastChange{Event: c.Event}
		}
		x.LastChange.Changes = append(x.LastChange.Changes, c.String())
	}
	return nil
}

// ways are the links on the ways to tags that have something, and those skipped
// that would lead to such.
func (x *explainer) ways() (children, parents []int64) {
	add := func(child, parent int64) {
		children, parents = append(children, child), append(parents, parent)
	}
	marked := make([]bool, len(x.steps))
	for i := len(x.steps) - 1; i >= 0; i-- {
		t := x.Tags[i+1]
		if !marked[i] && t.Entry == nil && t.Builds == 0 {
			continue
		}
		add(x.steps[i].ChildID, x.steps[i].ParentID)
		if before := x.steps[i].Before; before >= 0 {
			marked[before] = true
		}
	}
	for _, s := range x.Skipped {
		add(x.idOf(s.Child), x.idOf(s.Parent))
	}
	return children, parents
}
