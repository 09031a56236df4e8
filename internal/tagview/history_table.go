package tagview

import (
	"fmt"
	"strconv"
)

// historyTable is how a table's rows tell the history.
type historyTable struct {
	name string // Koji's
	from string // r is the versioned table
	// key tells a row from others at the same moment; tag, pkg, build and other
	// are what it is about. "" where it has none.
	key, tag, pkg, build, other string
	// values are pairs of names and expressions.
	values string
	// ofTag, ofPackage and ofBuild are the conditions that a row belongs to
	// one; "" where none ever does. ? is its id, or ids of builds.
	ofTag, ofPackage, ofBuild string
	words                     map[Action]string
}

// ofTagID is what most tables say of the tag they belong to.
const ofTagID = "r.tag_id = ?"

func words(added, removed, changed string) map[Action]string {
	return map[Action]string{Added: added, Removed: removed, Changed: changed}
}

// historyTables are the versioned tables.
func historyTables() []historyTable {
	return append(historyOfContent(), historyOfSettings()...)
}

// historyOfContent are the tables that say which packages and builds are where.
func historyOfContent() []historyTable {
	return []historyTable{{
		name: "tag_listing", ofTag: ofTagID, ofPackage: "r.package_id = ?", ofBuild: "r.build_id = any (?::bigint[])",
		from: "tag_builds r join tags t on t.id = r.tag_id join packages p on p.id = r.package_id join builds b on b.id = r.build_id",
		key:  "concat(r.tag_id, ' ', r.build_id)", tag: "t.name", pkg: "p.name", build: "coalesce(b.nvr, '')",
		values: "'build_id', r.build_id, 'epoch', b.epoch, 'version', b.version, 'release', b.release, 'state', b.state",
		words:  words("{build} tagged into {tag}", "{build} untagged from {tag}", "{build} re-tagged into {tag}"),
	}, {
		name: "tag_packages", ofTag: ofTagID, ofPackage: "r.package_id = ?",
		from: "tag_packages r join tags t on t.id = r.tag_id join packages p on p.id = r.package_id",
		key:  "concat(r.tag_id, ' ', r.package_id)", tag: "t.name", pkg: "p.name",
		values: "'blocked', r.blocked, 'extra_arches', r.extra_arches",
		words: words("package list entry created: {package} in {tag}", "package list entry revoked: {package} in {tag}",
			"package list entry updated: {package} in {tag}"),
	}, {
		name: "tag_package_owners", ofTag: ofTagID, ofPackage: "r.package_id = ?",
		from: "tag_package_owners r join tags t on t.id = r.tag_id join packages p on p.id = r.package_id join users u on u.id = r.owner_id",
		key:  "concat(r.tag_id, ' ', r.package_id)", tag: "t.name", pkg: "p.name", other: "u.name", values: "'owner', u.name",
		words: words("package owner {other} set for {package} in {tag}", "package owner {other} revoked for {package} in {tag}",
			"package owner changed to {other} for {package} in {tag}"),
	}, {
		name: "group_package_listing", ofTag: ofTagID, ofPackage: "r.package = (select name from packages where id = ?)",
		from: "group_package_listing r join tags t on t.id = r.tag_id join groups g on g.id = r.group_id",
		key:  "concat(r.tag_id, ' ', r.group_id, ' ', r.package)", tag: "t.name", pkg: "r.package", other: "g.name",
		values: "'blocked', r.blocked, 'type', r.type, 'basearchonly', r.basearchonly, 'requires', r.requires",
		words: words("package entry {package} in group {other} of {tag} created", "package entry {package} in group {other} of {tag} revoked",
			"package entry {package} in group {other} of {tag} updated"),
	}}
}

// historyOfSettings are the other tables.
func historyOfSettings() []historyTable {
	return []historyTable{{
		name: "tag_config", ofTag: ofTagID,
		from: "tag_config r join tags t on t.id = r.tag_id left join permissions p on p.id = r.perm_id",
		key:  "r.tag_id::text", tag: "t.name", values: "'arches', r.arches, 'perm', p.name, 'locked', r.locked",
		words: words("new tag: {tag}", "tag deleted: {tag}", "tag configuration for {tag} altered"),
	}, {
		name: "tag_extra", ofTag: ofTagID, from: "tag_extra r join tags t on t.id = r.tag_id",
		key: "concat(r.tag_id, ' ', r.key)", tag: "t.name", other: "r.key", values: "'value', r.value, 'blocked', r.value is null",
		words: words("added tag option {other} for tag {tag}", "tag option {other} removed for {tag}", "tag option {other} altered for {tag}"),
	}, {
		name: "tag_inheritance", ofTag: "(r.tag_id = ? or r.parent_id = ?)",
		from: "tag_inheritance r join tags t on t.id = r.tag_id join tags p on p.id = r.parent_id",
		key:  "concat(r.tag_id, ' ', r.parent_id)", tag: "t.name", other: "p.name",
		values: "'priority', r.priority, 'maxdepth', r.maxdepth, 'intransitive', r.intransitive, 'noconfig', r.noconfig, 'pkg_filter', r.pkg_filter",
		words: words("inheritance line {tag}->{other} added", "inheritance line {tag}->{other} removed",
			"inheritance line {tag}->{other} updated"),
	}, {
		name: "tag_external_repos", ofTag: ofTagID, from: "tag_external_repos r join tags t on t.id = r.tag_id",
		key: "concat(r.tag_id, ' ', r.name)", tag: "t.name", other: "r.name", values: "'url', r.url, 'priority', r.priority",
		words: words("external repo entry for {other} added to tag {tag}", "external repo entry for {other} removed from tag {tag}",
			"external repo entry for {other} in tag {tag} updated"),
	}, {
		name: "build_target_config", ofTag: "(r.build_tag = ? or r.dest_tag = ?)",
		from: "build_targets r join tags b on b.id = r.build_tag join tags d on d.id = r.dest_tag",
		key:  "r.name", other: "r.name", values: "'build_tag', b.name, 'dest_tag', d.name, 'branches', r.branches, " +
			"'lagging', nullif(r.lagging, '{}'), 'best_effort', nullif(r.best_effort, '{}'), 'noarch_content', nullif(r.noarch_content, 'warn'), 'repo_lag', nullif(r.repo_lag_seconds, 0)",
		words: words("new build target: {other}", "build target deleted: {other}", "build target configuration for {other} updated"),
	}, {
		name: "group_config", ofTag: ofTagID, from: "group_config r join tags t on t.id = r.tag_id join groups g on g.id = r.group_id",
		key: "concat(r.tag_id, ' ', r.group_id)", tag: "t.name", other: "g.name",
		values: "'blocked', r.blocked, 'display_name', r.display_name, 'is_default', r.is_default, 'uservisible', r.uservisible, " +
			"'exported', r.exported, 'langonly', r.langonly, 'biarchonly', r.biarchonly, 'description', r.description",
		words: words("group {other} added to tag {tag}", "group {other} removed from tag {tag}", "group {other} configuration for tag {tag} updated"),
	}, {
		name: "group_req_listing", ofTag: ofTagID,
		from: "group_req_listing r join tags t on t.id = r.tag_id join groups g on g.id = r.group_id join groups q on q.id = r.req_id",
		key:  "concat(r.tag_id, ' ', r.group_id, ' ', r.req_id)", tag: "t.name", other: "g.name || '->' || q.name",
		values: "'blocked', r.blocked, 'type', r.type, 'is_metapkg', r.is_metapkg",
		words: words("group dependency {other} added in tag {tag}", "group dependency {other} dropped from tag {tag}",
			"group dependency {other} updated in tag {tag}"),
	}, {
		name: "tag_modules", ofTag: ofTagID, from: "tag_modules r join tags t on t.id = r.tag_id",
		key: "concat(r.tag_id, ' ', r.kind, ' ', r.name)", tag: "t.name", other: "r.kind || ' ' || r.name", values: "'sha256', r.sha256",
		words: words("module document {other} added to tag {tag}", "module document {other} removed from tag {tag}",
			"module document {other} in tag {tag} replaced"),
	}, {
		name: "user_perms", from: "user_perms r join users u on u.id = r.user_id join permissions p on p.id = r.perm_id",
		key: "concat(r.user_id, ' ', r.perm_id)", other: "p.name || ' of ' || u.name", values: "'user', u.name, 'permission', p.name",
		words: words("permission {other} granted", "permission {other} revoked", "permission {other} re-granted"),
	}}
}

// statement selects the changes of one side, those made or those revoked; ok is
// false when the table has nothing to do with the question.
func (t historyTable) statement(at Moment, q HistoryQuery, s scope, side string, limit int) (sql string, args []any, ok bool) {
	var where conditions
	if q.Active {
		if side != "create_event" {
			return "", nil, false
		}
		where.sql = " and " + at.valid("r")
	}
	for _, c := range []struct {
		wanted    bool
		condition string
		arg       any
	}{
		{s.tag != 0, t.ofTag, s.tag},
		{s.pkg != 0, t.ofPackage, s.pkg},
		{s.builds != nil, t.ofBuild, s.builds},
		{q.User != "", "exists (select from events e where e.id = r." + side + " and e.actor = ?)", q.User},
		{q.After != 0, "r." + side + " > ?::bigint", q.After},
		{q.Before != 0, "r." + side + " < ?::bigint", q.Before},
		{!at.IsNow(), "r." + side + " <= ?::bigint", at.Event()},
	} {
		if !c.wanted {
			continue
		}
		if c.condition == "" {
			return "", nil, false
		}
		where.add(c.condition, c.arg)
	}
	sql = fmt.Sprintf("select r.%[1]s, %[2]s, %[3]s, %[4]s, %[5]s, %[6]s, %[7]s, jsonb_build_object(%[8]s) from %[9]s "+
		// What one event made and revoked was never in force.
		"where r.%[1]s is not null and r.revoke_event is distinct from r.create_event%[10]s order by r.%[1]s desc",
		side, at.valid("r"), t.key, textOr(t.tag), textOr(t.pkg), textOr(t.build), textOr(t.other), t.values, t.from, where.sql)
	if limit > 0 {
		sql += " limit " + strconv.Itoa(limit+1)
	}
	return sql, where.args, true
}

func textOr(expression string) string {
	if expression == "" {
		return "''"
	}
	return expression
}
