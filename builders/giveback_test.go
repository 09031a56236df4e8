package builders_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestGivingBack has a host give every attempt of a task back: the task is tried
// again at once for a while, since hosts stop now and then, and waits longer
// each time from then on.
func TestGivingBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		how  func(*builders.Attempt, context.Context, string) error
		want []int // seconds
	}{
		"A host that stops": {(*builders.Attempt).Release, []int{0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}},
		// Another host should have the time to take it first.
		"A host that refuses": {(*builders.Attempt).Refuse, []int{1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t, "x86_64")
			stages := in.stages
			stages.Jobs = queuetest.Inserter(t, in.Pool)
			host := queuetest.Host(t, in.Pool, "h1", "x86_64")
			task := queuetest.Task(t, in.Pool, in.Start(t, in.NewBuild(1)), queue.MethodBuildSRPM, "")
			var got []int
			for range test.want {
				attempt, err := stages.Begin(t.Context(), host, queuetest.Give(t, in.Pool, host, db.Task{ID: task.ID}), nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := test.how(attempt, t.Context(), "no time"); err != nil {
					t.Fatal(err)
				}
				got = append(got, queuetest.Value[int](t, in.Pool, `select extract(epoch from t.not_before - a.ended_at)::int
					from tasks t join task_attempts a on a.task_id = t.id and a.attempt = t.attempt where t.id = $1 and t.state = 'FREE'`, task.ID))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("seconds until the next try (-want +got)\n%s", diff)
			}
		})
	}
}
