package queue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestRepoLag holds when a build may begin with a repository that lacks what was
// tagged before the build was asked for: while it has lacked something for less
// than the target allows, and no longer.
func TestRepoLag(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lag int64 // seconds
		// revs are seconds that the revisions after the published one are old,
		// the first of them before the others.
		revs []int
		// none says that no repository was ever published.
		none   bool
		begins bool
	}{
		"A target without a lag waits":                                     {lag: 0, revs: []int{1}},
		"A lag lets a build begin":                                         {lag: 600, revs: []int{1}, begins: true},
		"A lag that is nearly over does":                                   {lag: 600, revs: []int{540}, begins: true},
		"A lag that is over does not":                                      {lag: 600, revs: []int{600}},
		"The first change counts, not the newest":                          {lag: 600, revs: []int{660, 1}},
		"Several changes within the lag are none too many":                 {lag: 600, revs: []int{500, 300, 1}, begins: true},
		"A change that nobody noted the time of is waited for":             {lag: 600},
		"There is nothing to begin with before the first repository":       {lag: 600, revs: []int{1}, none: true},
		"A change in the future, by a clock that was set, is within a lag": {lag: 600, revs: []int{-3600}, begins: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
			queuetest.Exec(t, pool, `with event as (insert into events (actor, what) values ('test', 'target') returning id)
				insert into build_targets (name, build_tag, dest_tag, branches, repo_lag_seconds, create_event)
				select $1, $2, $3, '{}', $4, id from event`, d.Target, d.BuildTag, d.DestTag, test.lag)
			queuetest.Exec(t, pool, "update tags set want_rev = 9, built_rev = $2 where id = $1", d.BuildTag, map[bool]int{true: 0, false: 4}[test.none])
			queuetest.Exec(t, pool, "insert into tag_revs (tag_id, rev, at) values ($1, 4, now() - interval '1 day')", d.BuildTag)
			for i, age := range test.revs {
				queuetest.Exec(t, pool, "insert into tag_revs (tag_id, rev, at) values ($1, $2, now() - make_interval(secs => $3))", d.BuildTag, 5+i, age)
			}
			tasks := waiting(t, d, 1)
			connect(t, pool, queue.HostInfo{Name: "a", Capacity: 9, Arches: []string{"x86_64"}})
			want, ready := []string(nil), int64(0)
			if test.begins {
				want, ready = []string{"0 a x86_64"}, 1
			}
			// What the page of the queue says must be what is done.
			shown, err := db.New(pool).WaitingTasks(t.Context(), db.WaitingTasksParams{AfterPriority: -1, MaxRows: 9})
			if err != nil || len(shown) != 1 || shown[0].WaitsForRepo == test.begins {
				t.Errorf("the queue says %+v, %v", shown, err)
			}
			bins, err := db.New(pool).WaitingByBin(t.Context())
			if err != nil || len(bins) != 1 || bins[0].Ready != ready {
				t.Errorf("the queue counts %+v, %v", bins, err)
			}
			round(t, pool, len(want))
			if diff := cmp.Diff(want, given(t, pool, tasks), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("task, host and architecture (-want +got):\n%s", diff)
			}
		})
	}
}

// A build has the lag that its target allowed when it was asked for.
func TestRepoLagOfATargetThatChanges(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	d := queuetest.NewDistribution(t, pool, queuetest.Inserter(t, pool), "x86_64")
	queuetest.Exec(t, pool, `insert into build_targets (name, build_tag, dest_tag, branches, repo_lag_seconds, create_event) select $1, $2, $3, '{}', 600, max(id) from events`,
		d.Target, d.BuildTag, d.DestTag)
	queuetest.Exec(t, pool, "update tags set want_rev = 2 where id = $1", d.BuildTag)
	queuetest.Exec(t, pool, "insert into tag_revs (tag_id, rev) values ($1, 2)", d.BuildTag)
	first := d.Start(t, d.NewBuild(0))
	queuetest.Exec(t, pool, "update build_targets set repo_lag_seconds = 0")
	second := d.Start(t, d.NewBuild(1))
	connect(t, pool, queue.HostInfo{Name: "a", Capacity: 9, Arches: []string{"x86_64"}})
	round(t, pool, 1)
	if state := queuetest.Task(t, pool, first, queue.MethodBuildSRPM, "").State; state != queue.TaskAssigned {
		t.Errorf("the build of the lag is %s", state)
	}
	if state := queuetest.Task(t, pool, second, queue.MethodBuildSRPM, "").State; state != queue.TaskFree {
		t.Errorf("the build after it is %s", state)
	}
}
