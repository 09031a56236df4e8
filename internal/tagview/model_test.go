package tagview_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
)

// model is a tag model that a test writes row by row. Event n, the first is 2,
// is made at minute n of an hour, so that what is said of it does not change.
type model struct {
	t    *testing.T
	pool *pgxpool.Pool
}

func newModel(t *testing.T) model {
	t.Helper()
	m := model{t: t, pool: dbtest.New(t)}
	m.exec("insert into users (name) values ('alice'), ('bob')")
	m.exec("insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('none', '1', 'none', 'none')")
	return m
}

func (m model) reader() tagview.Reader { return tagview.Reader{Conn: m.pool} }

func (m model) exec(sql string, args ...any) {
	m.t.Helper()
	if _, err := m.pool.Exec(context.Background(), sql, args...); err != nil {
		m.t.Fatalf("%s %v: %v", sql, args, err)
	}
}

// event makes an event and returns its number.
func (m model) event(actor, what string) int64 {
	m.t.Helper()
	var id int64
	err := m.pool.QueryRow(context.Background(), "insert into events (actor, what) values ($1, $2) returning id", actor, what).Scan(&id)
	if err != nil {
		m.t.Fatal(err)
	}
	m.exec("update events set at = '2026-11-20 14:00:00Z'::timestamptz + id * interval '1 minute' where id = $1", id)
	return id
}

// do performs commands, one a line, each an event of alice's, or of who is
// named before it: "bob: block f37 foo".
//
//	tag NAME [locked]
//	link CHILD PARENT PRIORITY [maxdepth=N] [intransitive] [filter=PATTERN]
//	unlink CHILD PARENT
//	list TAG PACKAGE OWNER | block TAG PACKAGE | unlist TAG PACKAGE | owner TAG PACKAGE OWNER
//	build PACKAGE VERSION [STATE] (release 1)
//	in TAG NVR | out TAG NVR
func (m model) do(script string) {
	m.t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		actor := "alice"
		if who, command, ok := strings.Cut(line, ": "); ok {
			actor, line = who, command
		}
		m.command(m.event(actor, line), strings.Fields(line))
	}
}

func (m model) command(event int64, f []string) {
	m.t.Helper()
	const ofEntry = " from tags t, packages p where t.name = $2 and p.name = $3 and l.tag_id = t.id and l.package_id = p.id and l.revoke_event is null"
	switch f[0] {
	case "tag":
		m.exec("insert into tags (name, arches, create_event) values ($1, '{}', $2)", f[1], event)
		m.exec("insert into tag_config (tag_id, locked, create_event) select id, $2, $3 from tags where name = $1", f[1], len(f) > 2, event)
	case "link":
		m.link(event, f)
	case "unlink":
		m.exec(`update tag_inheritance l set revoke_event = $1 from tags c, tags p
			where c.name = $2 and p.name = $3 and l.tag_id = c.id and l.parent_id = p.id and l.revoke_event is null`, event, f[1], f[2])
	case "list", "block":
		m.exec("insert into packages (name) values ($1) on conflict do nothing", f[2])
		m.exec("update tag_packages l set revoke_event = $1"+ofEntry, event, f[1], f[2])
		m.exec("insert into tag_packages (tag_id, package_id, blocked, create_event) select t.id, p.id, $1, $2 from tags t, packages p where t.name = $3 and p.name = $4",
			f[0] == "block", event, f[1], f[2])
		owner := "alice"
		if len(f) > 3 {
			owner = f[3]
		}
		m.owner(event, f[1], f[2], owner)
	case "unlist":
		m.exec("update tag_packages l set revoke_event = $1"+ofEntry, event, f[1], f[2])
	case "owner":
		m.owner(event, f[1], f[2], f[3])
	case "build":
		m.build(f)
	case "in":
		m.exec(`update tag_builds r set revoke_event = $1 from tags t, builds b
			where t.name = $2 and b.nvr = $3 and r.tag_id = t.id and r.build_id = b.id and r.revoke_event is null`, event, f[1], f[2])
		m.exec("insert into tag_builds (tag_id, build_id, package_id, create_event) select t.id, b.id, b.package_id, $1 from tags t, builds b where t.name = $2 and b.nvr = $3",
			event, f[1], f[2])
	case "out":
		m.exec(`update tag_builds r set revoke_event = $1 from tags t, builds b
			where t.name = $2 and b.nvr = $3 and r.tag_id = t.id and r.build_id = b.id and r.revoke_event is null`, event, f[1], f[2])
	default:
		m.t.Fatalf("unknown command %q", f)
	}
}

func (m model) link(event int64, f []string) {
	m.t.Helper()
	var depth any
	intransitive, filter := false, ""
	for _, option := range f[4:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "maxdepth":
			depth = value
		case "intransitive":
			intransitive = true
		case "filter":
			filter = value
		default:
			m.t.Fatalf("unknown option %q", option)
		}
	}
	m.exec(`insert into tag_inheritance (tag_id, parent_id, priority, maxdepth, intransitive, pkg_filter, create_event)
		select c.id, p.id, $1::text::int, $2::text::int, $3, $4, $5 from tags c, tags p where c.name = $6 and p.name = $7`,
		f[3], depth, intransitive, filter, event, f[1], f[2])
}

func (m model) owner(event int64, tag, pkg, owner string) {
	m.t.Helper()
	m.exec(`update tag_package_owners l set revoke_event = $1 from tags t, packages p
		where t.name = $2 and p.name = $3 and l.tag_id = t.id and l.package_id = p.id and l.revoke_event is null`, event, tag, pkg)
	m.exec(`insert into tag_package_owners (tag_id, package_id, owner_id, create_event)
		select t.id, p.id, u.id, $1 from tags t, packages p, users u where t.name = $2 and p.name = $3 and u.name = $4`, event, tag, pkg, owner)
}

func (m model) build(f []string) {
	m.t.Helper()
	state := "COMPLETE"
	if len(f) > 3 {
		state = f[3]
	}
	m.exec("insert into packages (name) values ($1) on conflict do nothing", f[1])
	m.exec(`insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev,
			version, release, nvr, state)
		select p.id, r.id, '', t.id, t.id, false, '', '', now(), '', 0, $2, '1', $1 || '-' || $2 || '-1', $3
		from packages p, repositories r, (select min(id) as id from tags) t where p.name = $1`, f[1], f[2], state)
}
