package migrations_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/migrations"
)

// before is an installation as the migrations before the tag model left it.
const before = `
insert into events (actor, what) values ('distbot', 'apply distro.yaml'), ('distbot', 'tag hello'), ('distbot', 'apply distro.yaml');
insert into tags (name, arches, extra, create_event) values ('f37', '{x86_64,aarch64}', '{}', 1), ('f37-build', '{x86_64}', '{"rpm.macro.dist": ".fc37"}', 1);
insert into tag_inheritance (tag_id, parent_id, priority, create_event) values (2, 1, 10, 1);
insert into tag_group_packages (tag_id, group_name, package, create_event, revoke_event) values (2, 'build', 'bash', 1, null), (2, 'build', 'gcc', 1, 3);
insert into build_targets (name, build_tag, dest_tag, branches, create_event) values ('f37', 2, 1, '{f37}', 1);
insert into packages (name) values ('hello'), ('world');
insert into repositories (forge, forge_repo_id, full_name, clone_url) values ('git', '1', 'rpms/hello', 'x');
insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, nvr, state)
	values (1, 1, 'f37', 2, 1, false, '', '', now(), '', 1, 'hello-1-1', 'COMPLETE');
insert into tag_builds (tag_id, build_id, create_event) values (1, 1, 2);
`

func TestTheTagModelKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	conn, url := emptyDatabase(t)
	upTo(t, conn, url, 7)
	if _, err := conn.Exec(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		sql  string
		want []string
	}{
		"settings": {
			"select t.name || ' ' || c.arches || ' ' || c.locked from tag_config c join tags t on t.id = c.tag_id order by t.id",
			[]string{"f37 x86_64 aarch64 false", "f37-build x86_64 false"},
		},
		"extra settings": {"select tag_id || ' ' || key || ' ' || value from tag_extra", []string{`2 rpm.macro.dist ".fc37"`}},
		"links":          {"select concat_ws(' ', tag_id, parent_id, priority, maxdepth, intransitive, noconfig, pkg_filter) from tag_inheritance", []string{"2 1 10 f f "}},
		"what is tagged is listed": {
			`select p.name || ' ' || u.name from tag_packages l join packages p on p.id = l.package_id
			join tag_package_owners o on o.tag_id = l.tag_id and o.package_id = l.package_id join users u on u.id = o.owner_id`,
			[]string{"hello distbot"},
		},
		"taggings": {"select concat_ws(' ', tag_id, build_id, package_id, create_event) from tag_builds", []string{"1 1 1 2"}},
		"groups": {
			"select concat_ws(' ', g.name, c.tag_id, c.display_name, c.create_event) from group_config c join groups g on g.id = c.group_id",
			[]string{"build 2 build 1"},
		},
		"packages of groups": {
			"select concat_ws(' ', tag_id, package, type, create_event, revoke_event) from group_package_listing order by package",
			[]string{"2 bash mandatory 1", "2 gcc mandatory 1 3"},
		},
		"targets": {"select concat_ws(' ', name, build_tag, dest_tag, branches, create_event) from build_targets", []string{"f37 2 1 {f37} 1"}},
	} {
		rows, err := conn.Query(t.Context(), test.sql)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}
