package queue_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestArchStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ policy, state, want string }{
		{queue.PolicyBlocking, "failure", "failure: text"},
		{queue.PolicyLagging, "pending", "pending: lagging: text"},
		{queue.PolicyLagging, "failure", "failure: lagging: text"},
		{queue.PolicyLagging, "error", "error: lagging: text"},
		{queue.PolicyBestEffort, "pending", "pending: best-effort: text"},
		{queue.PolicyBestEffort, "success", "success: best-effort: text"},
		{queue.PolicyBestEffort, "failure", "success: best-effort: failed: text"},
		{queue.PolicyBestEffort, "error", "success: best-effort: failed: text"},
	} {
		got := queue.ArchStatus(test.policy, queue.Status{State: test.state, Description: "text"})
		if diff := cmp.Diff(test.want, got.State+": "+got.Description); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", test.policy, test.state, diff)
		}
	}
}

func TestWarn(t *testing.T) {
	t.Parallel()
	pool, _, build := setup(t)
	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf("warning\n%d %s", i, strings.Repeat("x", 3000))
	}
	for range 2 {
		queuetest.Tx(t, pool, func(tx pgx.Tx) error { return queue.Warn(t.Context(), tx, build, many) })
	}
	got := queuetest.Values[string](t, pool, "select text from build_warnings order by id")
	if len(got) != 101 || !strings.HasPrefix(got[1], "warning 1 xxx") || len(got[1]) != 2000 || got[100] != "and 50 more" {
		t.Errorf("%d warnings are kept, the last is %.100q", len(got), got[len(got)-1])
	}
}
