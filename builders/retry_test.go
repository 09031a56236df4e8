package builders_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// tries keeps what the status of a task said when each of its tries began.
type tries struct {
	mu   sync.Mutex
	said []string
}

// before is a stage that looks at the status of x86_64 of commit n and then
// does what run says for the try, counted from 1.
func (c *tries) before(in *installation, n int, run func(try int) stage) stage {
	return func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
		var description string
		err := in.Pool.QueryRow(ctx, "select description from reports where commit_id = $1 and context = $2",
			queuetest.Commit(n), queue.ContextOf(in.Target, "x86_64")).Scan(&description)
		if err != nil {
			return builders.Outcome{}, err
		}
		c.mu.Lock()
		c.said = append(c.said, description)
		try := len(c.said)
		c.mu.Unlock()
		return run(try)(ctx, order, arch)
	}
}

// TestStatusesFollowTheWork looks at a commit's statuses while its tasks run.
func TestStatusesFollowTheWork(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	seen := make(chan string, 2)
	during := func(work stage) stage {
		return func(ctx context.Context, order builders.Order, arch string) (builders.Outcome, error) {
			var all string
			err := in.Pool.QueryRow(ctx, "select string_agg(context || ' ' || state || ': ' || description, chr(10) order by context) from reports").Scan(&all)
			if err != nil {
				return builders.Outcome{}, err
			}
			seen <- all
			return work(ctx, order, arch)
		}
	}
	in.complete(t, in.build(t, 1, script{srpm: during(leave(sourceOf(t, 1))), build: during(leaveByArch(in.packagesOf(t, 1)))}))
	for _, want := range []string{
		"distbot/f37 pending: making the source package\ndistbot/f37/srpm pending: building on host-1",
		"distbot/f37 pending: building hello-1-1\ndistbot/f37/srpm success: hello-1-1.src.rpm\ndistbot/f37/x86_64 pending: building on host-1",
	} {
		if diff := cmp.Diff(want, <-seen); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	}
}

func TestTryingAgain(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "x86_64")
	in.work(t)
	var c tries
	good := leaveByArch(in.packagesOf(t, 1))
	in.complete(t, in.build(t, 1, script{build: c.before(in, 1, func(try int) stage {
		switch try {
		case 1:
			return fail(&builders.Failure{Infrastructure: true, Reason: "the mirror is down"})
		case 2:
			// Nothing that anybody says may keep River from noting the try.
			return fail(errors.New("the driver\x00broke\xff\nhere\x1b[31m"))
		}
		return good
	})}))

	t.Run("is told by the status, with the reason", func(t *testing.T) {
		t.Parallel()
		want := []string{
			"building on host-1", "building on host-1, attempt 2; before: build: the mirror is down",
			"building on host-1, attempt 3; before: build: the driver broke\uFFFD here [31m",
		}
		if diff := cmp.Diff(want, c.said); diff != "" {
			t.Errorf("the status at each try (-want +got):\n%s", diff)
		}
	})
	t.Run("keeps how each try ended", func(t *testing.T) {
		t.Parallel()
		got := queuetest.Values[string](t, in.Pool, "select attempt || ' ' || client_id || ' ' || outcome from task_attempts order by attempt")
		want := []string{"1 host-1 build: the mirror is down", "2 host-1 build: the driver broke\uFFFD here [31m"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("earlier attempts (-want +got):\n%s", diff)
		}
	})
	t.Run("ends with one result", func(t *testing.T) {
		t.Parallel()
		if got := queuetest.Values[int32](t, in.Pool, "select attempt from task_artifacts where kind = 'rpm'"); !cmp.Equal(got, []int32{3}) {
			t.Errorf("packages of the attempts %v are recorded, want 3", got)
		}
		if diff := cmp.Diff("f37 pending\nf37/srpm success\nf37/x86_64 success", in.Statuses(t, 1)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}
