package webhooks_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/forge/forgetest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/webhooks"
)

// codes posts recordings at the same time and counts the answers.
func (d *door) codes(t *testing.T, endpoint string, recordings []forgetest.Recording) map[string]int {
	t.Helper()
	var mu sync.Mutex
	counts := map[string]int{}
	var group sync.WaitGroup
	for _, r := range recordings {
		group.Go(func() {
			got := d.post(t, endpoint, r)
			mu.Lock()
			defer mu.Unlock()
			counts[fmt.Sprintf("%d %s", got.Code, got.Status)]++
		})
	}
	group.Wait()
	return counts
}

func TestDuplicate(t *testing.T) {
	t.Parallel()

	t.Run("with the same id changes nothing", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		first := d.post(t, "gitea", giteaPush(t))
		second := d.post(t, "gitea", giteaPush(t))
		if second.Code != http.StatusOK || second.Status != "duplicate" || second.Delivery != first.Delivery {
			t.Errorf("answer %+v, want 200 duplicate of %d", second, first.Delivery)
		}
		d.wantStored(t, "received 1, jobs 1")
	})

	t.Run("with an id that another forge used is none", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		d.post(t, "gitea", giteaPush(t).With("X-Gitea-Delivery", "1"))
		if got := d.post(t, "github", githubPush(t).With("X-GitHub-Delivery", "1")); got.Code != http.StatusAccepted {
			t.Errorf("answer %+v, want 202", got)
		}
		d.wantStored(t, "received 2, jobs 2")
	})

	t.Run("of a push that came through another hook is recorded and not planned", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		first := d.post(t, "gitea", giteaPush(t))
		second := d.post(t, "gitea", giteaPush(t).With("X-Gitea-Delivery", "organisation-hook"))
		if second.Code != http.StatusOK || second.Status != "duplicate" {
			t.Errorf("answer %+v, want 200 duplicate", second)
		}
		d.wantStored(t, "duplicate 1, received 1, jobs 1")
		if of := queuetest.Value[int64](t, d.pool, "select duplicate_of from deliveries where delivery_id = 'organisation-hook'"); of != first.Delivery {
			t.Errorf("it is the duplicate of %d, want %d", of, first.Delivery)
		}
	})

	t.Run("of a new branch, which Gitea tells twice, is planned once", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		for _, name := range []string{"005-create-branch-create.json", "006-create-branch-push.json"} {
			d.post(t, "gitea", signed("gitea", forgetest.GiteaRecording(t, name), secret))
		}
		d.wantStored(t, "duplicate 1, received 1, jobs 1")
	})

	for _, n := range []int{3, 50} {
		t.Run(fmt.Sprintf("%d times at once is stored and planned once", n), func(t *testing.T) {
			t.Parallel()
			d := open(t)
			same := make([]forgetest.Recording, n)
			for i := range same {
				same[i] = giteaPush(t)
			}
			counts := d.codes(t, "gitea", same)
			if counts["202 received"] != 1 || counts["200 duplicate"] != n-1 {
				t.Errorf("answers %v, want one 202 and %d duplicates", counts, n-1)
			}
			d.wantStored(t, "received 1, jobs 1")
		})
	}

	t.Run("through 30 hooks at once is recorded 30 times and planned once", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		var hooks []forgetest.Recording
		for i := range 30 {
			hooks = append(hooks, giteaPush(t).With("X-Gitea-Delivery", fmt.Sprintf("hook-%d", i)))
		}
		counts := d.codes(t, "gitea", hooks)
		if counts["202 received"] != 1 || counts["200 duplicate"] != 29 {
			t.Errorf("answers %v, want one 202 and 29 duplicates", counts)
		}
		d.wantStored(t, "duplicate 29, received 1, jobs 1")
	})
}

func TestFailedDelivery(t *testing.T) {
	t.Parallel()

	fail := func(t *testing.T, d *door, id int64) {
		t.Helper()
		queuetest.Exec(t, d.pool, "update deliveries set state = 'failed', reason = 'the mirror is broken', finished_at = now() where id = $1", id)
	}

	t.Run("that comes again is planned again", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		first := d.post(t, "gitea", giteaPush(t))
		fail(t, d, first.Delivery)
		again := d.post(t, "gitea", giteaPush(t))
		if again.Code != http.StatusAccepted || again.Delivery != first.Delivery {
			t.Errorf("answer %+v, want 202 for delivery %d", again, first.Delivery)
		}
		d.wantStored(t, "received 1, jobs 2")
	})

	t.Run("that comes again three times at once is planned again once", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		fail(t, d, d.post(t, "gitea", giteaPush(t)).Delivery)
		counts := d.codes(t, "gitea", []forgetest.Recording{giteaPush(t), giteaPush(t), giteaPush(t)})
		if counts["202 received"] != 1 || counts["200 duplicate"] != 2 {
			t.Errorf("answers %v, want one 202 and two duplicates", counts)
		}
		d.wantStored(t, "received 1, jobs 2")
	})

	t.Run("does not stand in the way of the same push through another hook", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		fail(t, d, d.post(t, "gitea", giteaPush(t)).Delivery)
		if got := d.post(t, "gitea", giteaPush(t).With("X-Gitea-Delivery", "other-hook")); got.Code != http.StatusAccepted {
			t.Errorf("answer %+v, want 202", got)
		}
		d.wantStored(t, "failed 1, received 1, jobs 2")
	})

	t.Run("that comes again after the same push came through another hook is a duplicate", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		fail(t, d, d.post(t, "gitea", giteaPush(t)).Delivery)
		other := d.post(t, "gitea", giteaPush(t).With("X-Gitea-Delivery", "other-hook"))
		got := d.post(t, "gitea", giteaPush(t))
		if got.Code != http.StatusOK || got.Status != "duplicate" || got.Delivery != other.Delivery {
			t.Errorf("answer %+v, want 200 duplicate of %d", got, other.Delivery)
		}
		d.wantStored(t, "failed 1, received 1, jobs 2")
	})

	t.Run("of a repository that is not allowed any more is not planned again", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		fail(t, d, d.post(t, "gitea", giteaPush(t)).Delivery)
		if got := openOn(t, d.pool, "elsewhere").post(t, "gitea", giteaPush(t)); got.Code != http.StatusOK {
			t.Errorf("answer %+v, want 200", got)
		}
		d.wantStored(t, "failed 1, jobs 1")
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	d := open(t)
	id := d.post(t, "gitea", giteaPush(t)).Delivery
	queuetest.Exec(t, d.pool, "update deliveries set state = 'planned', reason = 'build 1', finished_at = now()")
	queuetest.Tx(t, d.pool, func(tx pgx.Tx) error {
		return webhooks.Replay(t.Context(), tx, queuetest.Inserter(t, d.pool), id)
	})
	d.wantStored(t, "received 1, jobs 2")
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	replay := func(t *testing.T, d *door, id int64) error {
		t.Helper()
		return pgx.BeginFunc(t.Context(), d.pool, func(tx pgx.Tx) error {
			return webhooks.Replay(t.Context(), tx, queuetest.Inserter(t, d.pool), id)
		})
	}
	otherHook := func(t *testing.T) forgetest.Recording { return giteaPush(t).With("X-Gitea-Delivery", "other-hook") }

	t.Run("a duplicate, and names the delivery that is planned", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		first := d.post(t, "gitea", giteaPush(t)).Delivery
		second := d.post(t, "gitea", otherHook(t)).Delivery
		var duplicate *webhooks.DuplicateError
		if err := replay(t, d, second); !errors.As(err, &duplicate) || *duplicate != (webhooks.DuplicateError{ID: second, Of: first}) {
			t.Errorf("Replay = %v, want that %d is a duplicate of %d", err, second, first)
		}
		d.wantStored(t, "duplicate 1, received 1, jobs 1")
	})

	t.Run("a failed delivery whose push came through another hook", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		first := d.post(t, "gitea", giteaPush(t)).Delivery
		queuetest.Exec(t, d.pool, "update deliveries set state = 'failed', finished_at = now()")
		second := d.post(t, "gitea", otherHook(t)).Delivery
		var duplicate *webhooks.DuplicateError
		if err := replay(t, d, first); !errors.As(err, &duplicate) || *duplicate != (webhooks.DuplicateError{ID: first, Of: second}) {
			t.Errorf("Replay = %v, want that %d is the same push as %d", err, first, second)
		}
		d.wantStored(t, "failed 1, received 1, jobs 2")
	})

	t.Run("a delivery that waits to be planned", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		if err := replay(t, d, d.post(t, "gitea", giteaPush(t)).Delivery); !errors.Is(err, webhooks.ErrWaiting) {
			t.Errorf("Replay = %v, want ErrWaiting", err)
		}
	})

	t.Run("a delivery that is not there", func(t *testing.T) {
		t.Parallel()
		if err := replay(t, open(t), 4711); !errors.Is(err, webhooks.ErrNoDelivery) {
			t.Errorf("Replay = %v, want ErrNoDelivery", err)
		}
	})
}
