package main

import (
	"io"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
)

// BenchmarkTaskList lists tasks, as many as it does unless told otherwise, of
// 100,000 that wait and as many that have ended.
func BenchmarkTaskList(b *testing.B) {
	pool := dbtest.New(b)
	d := queuetest.NewDistribution(b, pool, nil, "x86_64")
	queuetest.Exec(b, pool, `insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev)
		select $1, $2, 'f37', $3, $4, false, 'refs/heads/f37', lpad(n::text, 40, '0'), now(), 'hello.spec', 1 from generate_series(1, 100000) n`,
		d.Package, d.Repository, d.BuildTag, d.DestTag)
	for _, state := range []string{"CLOSED", "FREE"} {
		queuetest.Exec(b, pool, `insert into tasks (build_id, method, arch, label, state) select id, 'buildArch', $1, 'hello', $1 from builds order by id`, state)
	}
	queuetest.Exec(b, pool, "vacuum analyze")
	closed := "CLOSED"
	for name, state := range map[string]*string{"of all states": nil, "of those that ended before the others were made": &closed} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := taskList(b.Context(), &hub{stdout: io.Discard, pool: pool}, db.ListTasksParams{State: state, MaxRows: 30}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
