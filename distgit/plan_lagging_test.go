package distgit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

// A newer head of a pull request ends what still lags of an older one's build,
// which is complete and stays so.
func TestPlanPullRequestEndsWhatLags(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.work()
	o, _ := h.hello("f37")
	o.next("2")
	delivery, first := h.pulled(o, 7, "f37")
	if got := h.planned(delivery); got != "planned: build 1 for f37" {
		t.Fatalf("the delivery is %s", got)
	}
	queuetest.Exec(t, h.pool, "update builds set state = 'COMPLETE' where id = 1")
	queuetest.Exec(t, h.pool, "update tasks set state = 'CLOSED' where build_id = 1")
	queuetest.Exec(t, h.pool, `insert into tasks (parent_id, build_id, method, arch, root_arch, label, state, policy)
		select id, 1, 'buildArch', 'riscv64', 'riscv64', 'x', 'FREE', 'lagging' from tasks where build_id = 1 and method = 'build'`)
	o.next("3")
	delivery, second := h.pulled(o, 7, "f37")
	if got := h.planned(delivery); got != "planned: build 2 for f37" {
		t.Fatalf("the delivery is %s", got)
	}
	if diff := cmp.Diff([]string{"f37 " + first[:7] + " COMPLETE scratch of 7", "f37 " + second[:7] + " BUILDING scratch of 7"}, h.builds()); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
	tasks := queuetest.Values[string](t, h.pool, "select concat_ws(' ', method, nullif(arch, ''), state) from tasks where build_id = 1 order by id")
	if diff := cmp.Diff([]string{"build CLOSED", "buildSRPM CLOSED", "buildArch riscv64 CANCELED"}, tasks); diff != "" {
		t.Errorf("tasks of the older build (-want +got):\n%s", diff)
	}
	status := queuetest.Value[string](t, h.pool, "select state || ': ' || description from reports where commit_id = $1 and context = 'distbot/f37/riscv64'", first)
	if want := "error: lagging: superseded by " + second[:10]; !strings.HasPrefix(status, want) {
		t.Errorf("the status is %q, want %q", status, want)
	}
}
