package migrations_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/migrations"
)

// beforeLimits are hosts as the migrations before limits left them.
const beforeLimits = `
insert into hosts (name, remote, driver, arches, channels, capacity, capacity_set, channels_set) values
	('hub', false, 'rootfs', '{x86_64}', '{default}', 4, null, null),
	('plain', true, 'rootfs', '{riscv64}', '{default}', 4, null, null),
	('set', true, 'mock', '{aarch64}', '{default}', 4, 2, '{default}'),
	('new', true, '', '{}', '{default}', 2, null, null);
`

func TestHostsKeepWhatTheyHad(t *testing.T) {
	t.Parallel()
	conn, url := emptyDatabase(t)
	upTo(t, conn, url, 14)
	if _, err := conn.Exec(t.Context(), beforeLimits); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), `select concat_ws(' ', name, coalesce(arches_set::text, '-'), coalesce(channels_set::text, '-'), coalesce(capacity_set::text, '-'))
		from hosts order by id`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"hub - - -", "plain {riscv64} {default} 4", "set {aarch64} {default} 2", "new - {default} -"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what hosts may take (-want +got):\n%s", diff)
	}
}
