package tags_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/tagview"
)

// row is one line of a report, as the recordings write it.
type row = []any

// compareTargets compares all targets.
func (h *hub) compareTargets(t *testing.T, want json.RawMessage) {
	t.Helper()
	rows := h.rows(t, `select t.name, b.name, d.name from build_targets t join tags b on b.id = t.build_tag join tags d on d.id = t.dest_tag
		where t.revoke_event is null order by t.name collate "C"`)
	compareJSON(t, "targets", want, rows)
}

// rows returns the rows of a query.
func (h *hub) rows(t *testing.T, sql string) []row {
	t.Helper()
	found, err := h.pool.Query(context.Background(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	rows, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (row, error) { return r.Values() })
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return append([]row{}, rows...)
}

// compareTag compares every field that was recorded of a tag.
func (h *hub) compareTag(t *testing.T, what, name string, want json.RawMessage, r tagview.Reader) {
	t.Helper()
	tag, err := r.Tag(t.Context(), name)
	if string(want) == "null" {
		if !errors.Is(err, tagview.ErrNoTag) {
			t.Errorf("%s: %v, the hub had no such tag", what, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(want, &fields); err != nil {
		t.Fatal(err)
	}
	reporter := reporter{hub: h, tag: tag, r: r}
	for field, value := range fields {
		// The two that need more than the tag.
		switch {
		case field == "builds_inherit_pkg":
			var pair []json.RawMessage
			var pkg string
			if err := errors.Join(json.Unmarshal(value, &pair), json.Unmarshal(pair[0], &pkg)); err != nil {
				t.Fatal(err)
			}
			compareJSON(t, what+": "+field, value, row{pkg, reporter.builds(t, tagview.BuildQuery{Inherit: true, PackageID: h.packageID(t, pkg)})})
			continue
		case field == "taggable":
			// A set, in no order.
			var names []string
			if err := json.Unmarshal(value, &names); err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			value, err = json.Marshal(append([]string{}, names...))
			if err != nil {
				t.Fatal(err)
			}
		case field == "groups_blocked" && string(value) == `"same"`:
			value = fields["groups"]
		}
		got, err := reporter.report(t, field)
		if err != nil {
			t.Errorf("%s: %s: %v", what, field, err)
			continue
		}
		compareJSON(t, what+": "+field, value, got)
	}
}

func (h *hub) packageID(t *testing.T, name string) int64 {
	t.Helper()
	var id int64
	if err := h.pool.QueryRow(t.Context(), "select coalesce((select id from packages where name = $1), -1)", name).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// reporter reports on a tag at a moment.
type reporter struct {
	hub *hub
	tag tagview.Tag
	r   tagview.Reader
}

func (p reporter) report(t *testing.T, field string) (any, error) {
	t.Helper()
	ctx := t.Context()
	switch field {
	case "direct":
		links, err := p.r.Parents(ctx, p.tag.ID)
		rows := []row{}
		for _, l := range links {
			rows = append(rows, row{l.Parent, l.Priority, l.MaxDepth, l.Intransitive, l.NoConfig, l.PkgFilter})
		}
		return rows, err
	case "inheritance":
		steps, err := p.r.Inheritance(ctx, p.tag.ID)
		return stepRows(steps), err
	case "reverse":
		steps, err := p.r.Descendants(ctx, p.tag.ID)
		return stepRows(steps), err
	case "pkgs", "pkgs_direct", "taggable":
		return p.packages(ctx, field)
	case "pkgs_dups":
		return p.packagesTwice(ctx)
	case "builds":
		return p.builds(t, tagview.BuildQuery{}), nil
	case "builds_latest":
		return p.builds(t, tagview.BuildQuery{Latest: 1}), nil
	case "builds_inherit":
		return p.builds(t, tagview.BuildQuery{Inherit: true}), nil
	case "builds_inherit_latest", "latest_builds":
		return p.builds(t, tagview.BuildQuery{Inherit: true, Latest: 1}), nil
	case "builds_inherit_latest2":
		return p.builds(t, tagview.BuildQuery{Inherit: true, Latest: 2}), nil
	case "groups":
		groups, err := p.r.Groups(ctx, p.tag.ID, true)
		return groupRows(groups), err
	case "groups_direct":
		groups, err := p.r.Groups(ctx, p.tag.ID, false)
		return groupRows(groups), err
	case "groups_blocked":
		groups, err := p.r.AllGroups(ctx, p.tag.ID, true)
		return groupRows(groups), err
	case "config":
		c, err := p.r.Config(ctx, p.tag)
		return map[string]any{
			"arches": c.Arches, "arches_from": c.ArchesFrom, "extra": c.Extra, "extra_from": c.ExtraFrom, "locked": c.Locked, "perm": c.Perm,
		}, err
	case "tag":
		extra, err := p.r.Extra(ctx, p.tag.ID)
		own := map[string]any{}
		for key, value := range extra {
			if value != nil {
				own[key] = value
			}
		}
		return map[string]any{"arches": p.tag.Arches, "extra": own, "locked": p.tag.Locked, "perm": p.tag.Perm}, err
	case "last_change", "last_change_noinherit":
		event, err := p.r.LastChange(ctx, p.tag.ID, field == "last_change")
		index, ok := p.hub.ops[event]
		if err == nil && !ok {
			err = fmt.Errorf("event %d is of no operation", event)
		}
		return index, err
	}
	return nil, fmt.Errorf("the recordings have an unknown field %q", field)
}

func stepRows(steps []tagview.Step) []row {
	rows := []row{}
	for _, s := range steps {
		rows = append(rows, row{
			s.Child, s.Parent, s.Priority, s.MaxDepth, s.Intransitive, s.NoConfig, s.PkgFilter, s.CurrDepth, s.NextDepth,
			append([]string{}, s.Filters...),
		})
	}
	return rows
}

func (p reporter) packages(ctx context.Context, field string) (any, error) {
	list, err := p.r.Packages(ctx, p.tag.ID, tagview.PackageQuery{Inherit: field != "pkgs_direct"})
	slices.SortFunc(list, func(a, b tagview.Package) int { return cmpText(a.Name, b.Name) })
	rows, taggable := []row{}, []string{}
	for _, e := range list {
		rows = append(rows, row{e.Name, e.Tag, e.Owner, e.Blocked, e.ExtraArches})
		if !e.Blocked {
			taggable = append(taggable, e.Name)
		}
	}
	if field == "taggable" {
		return taggable, err
	}
	return rows, err
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// packagesTwice lists the packages with several entries, those of each in the
// order of the walk.
func (p reporter) packagesTwice(ctx context.Context) (any, error) {
	list, err := p.r.Packages(ctx, p.tag.ID, tagview.PackageQuery{Inherit: true, Dups: true})
	entries := map[string][]row{}
	for _, e := range list {
		entries[e.Name] = append(entries[e.Name], row{e.Tag, e.Owner, e.Blocked, e.ExtraArches})
	}
	names := []string{}
	for name := range entries {
		if len(entries[name]) > 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	rows := []any{}
	for _, name := range names {
		rows = append(rows, row{name, entries[name]})
	}
	return rows, err
}

func (p reporter) builds(t *testing.T, q tagview.BuildQuery) []row {
	t.Helper()
	list, err := p.r.Builds(t.Context(), p.tag.ID, q)
	if err != nil {
		t.Error(err)
	}
	rows := []row{}
	for _, b := range list {
		rows = append(rows, row{b.NVR, b.Tag})
	}
	return rows
}

func groupRows(groups []tagview.Group) []row {
	rows := []row{}
	for _, g := range groups {
		packages, requires := []row{}, []row{}
		for _, p := range g.Packages {
			packages = append(packages, row{p.Package, p.Tag, p.Blocked, p.Type, p.BaseArchOnly, p.Requires})
		}
		for _, r := range g.Requires {
			requires = append(requires, row{r.Name, r.Tag, r.Blocked, r.Type, r.MetaPkg})
		}
		rows = append(rows, row{
			g.Name, g.Tag, g.Blocked, g.DisplayName, g.IsDefault, g.UserVisible, g.Exported, g.LangOnly, g.BiarchOnly, g.Description,
			packages, requires,
		})
	}
	return rows
}

// historyFields selects what the recordings say of the rows of each table.
func historyFields() map[string]string {
	return map[string]string{
		"tag_listing":           "p.name, b.version, b.release, t.name from tag_builds r join builds b on b.id = r.build_id join packages p on p.id = b.package_id join tags t on t.id = r.tag_id",
		"tag_packages":          "p.name, t.name, r.blocked, r.extra_arches from tag_packages r join packages p on p.id = r.package_id join tags t on t.id = r.tag_id",
		"tag_package_owners":    "p.name, t.name, u.name from tag_package_owners r join packages p on p.id = r.package_id join tags t on t.id = r.tag_id join users u on u.id = r.owner_id",
		"tag_inheritance":       "t.name, p.name, r.priority, r.maxdepth, r.intransitive, r.noconfig, r.pkg_filter from tag_inheritance r join tags t on t.id = r.tag_id join tags p on p.id = r.parent_id",
		"tag_config":            "t.name, r.arches, p.name, r.locked from tag_config r join tags t on t.id = r.tag_id left join permissions p on p.id = r.perm_id",
		"tag_extra":             "t.name, r.key, r.value from tag_extra r join tags t on t.id = r.tag_id",
		"group_config":          "g.name, t.name, r.blocked from group_config r join groups g on g.id = r.group_id join tags t on t.id = r.tag_id",
		"group_package_listing": "g.name, t.name, r.package, r.blocked, r.type from group_package_listing r join groups g on g.id = r.group_id join tags t on t.id = r.tag_id",
		"group_req_listing":     "g.name, t.name, q.name, r.blocked, r.type from group_req_listing r join groups g on g.id = r.group_id join tags t on t.id = r.tag_id join groups q on q.id = r.req_id",
		"build_target_config":   "r.name, b.name, d.name from build_targets r join tags b on b.id = r.build_tag join tags d on d.id = r.dest_tag",
	}
}

// compareHistory compares the versioned rows of every table. Rows are sets:
// their order means nothing.
func (h *hub) compareHistory(t *testing.T, want map[string]json.RawMessage) {
	t.Helper()
	tables := historyFields()
	for table := range want {
		if _, ok := tables[table]; !ok {
			t.Errorf("the recordings have an unknown table %s", table)
		}
	}
	for table, fields := range tables {
		var wanted []row
		if text, ok := want[table]; ok {
			if err := json.Unmarshal(text, &wanted); err != nil {
				t.Fatal(err)
			}
		}
		got := h.rows(t, `select r.create_event, r.revoke_event, (select actor from events where id = r.create_event),
			(select actor from events where id = r.revoke_event), `+fields)
		for _, line := range got {
			line[0] = h.ops[line[0].(int64)]
			if line[1] != nil {
				line[1] = h.ops[line[1].(int64)]
			}
		}
		compareJSON(t, "history of "+table, sorted(t, wanted), sorted(t, got))
	}
}

// sorted returns rows as JSON, by their JSON texts. tag_extra's values are JSON
// themselves: they are compared as values.
func sorted(t *testing.T, rows []row) json.RawMessage {
	t.Helper()
	texts := []string{}
	for _, line := range rows {
		if len(line) == 7 {
			if text, ok := line[6].(string); ok {
				var value any
				if json.Unmarshal([]byte(text), &value) == nil {
					line[6] = []any{"json", value}
				}
			}
		}
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	lines := []json.RawMessage{}
	for _, text := range texts {
		lines = append(lines, json.RawMessage(text))
	}
	text, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
