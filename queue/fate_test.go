package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/distbot/distbot/queue"
)

func TestFateOf(t *testing.T) {
	t.Parallel()
	stopped := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		return ctx
	}
	waiting := &queue.WaitError{After: time.Second, Reason: "the repository is being made"}
	deadlock := fmt.Errorf("queue: finish task 7: %w", &pgconn.PgError{Code: "40P01"})
	for _, test := range []struct {
		name    string
		ctx     context.Context
		attempt int
		err     error
		want    queue.Fate
	}{
		{"an error is tried again", t.Context(), 1, io.ErrUnexpectedEOF, queue.Retry},
		{"an error is tried again seven times", t.Context(), 7, io.ErrUnexpectedEOF, queue.Retry},
		{"an error of the eighth try is given up", t.Context(), 8, io.ErrUnexpectedEOF, queue.GiveUp},
		{"what could not be recorded as given up is given up by the next try", t.Context(), 9, io.ErrUnexpectedEOF, queue.GiveUp},
		{"a permanent error is given up at once", t.Context(), 1, queue.Permanent(io.ErrUnexpectedEOF), queue.GiveUp},
		{"a permanent error is found below others", t.Context(), 1, fmt.Errorf("read: %w", queue.Permanent(io.EOF)), queue.GiveUp},
		{"waiting is no failure, however often", t.Context(), 100, fmt.Errorf("begin: %w", waiting), queue.Wait},
		{"a deadlock in the database is never given up", t.Context(), 8, deadlock, queue.Retry},
		{"a database that shuts down is never given up", t.Context(), 8, &pgconn.PgError{Code: "57P01"}, queue.Retry},
		{"a full database is never given up", t.Context(), 8, &pgconn.PgError{Code: "53100"}, queue.Retry},
		{"text that the database can't hold is given up in the end", t.Context(), 8, &pgconn.PgError{Code: "22021"}, queue.GiveUp},
		{"a stop of the process leaves even the last try to another one", stopped(context.Canceled), 8, io.ErrUnexpectedEOF, queue.Retry},
		{"a stop of the process forgives a permanent error", stopped(queue.ErrLostLease), 1, queue.Permanent(io.EOF), queue.Retry},
		{"a cancelled job is not tried again for its last try", stopped(river.ErrJobCancelledRemotely), 8, io.EOF, queue.GiveUp},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := queue.FateOf(test.ctx, &rivertype.JobRow{Attempt: test.attempt, MaxAttempts: 10_000}, test.err); got != test.want {
				t.Errorf("got fate %d, want %d", got, test.want)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()

	t.Run("waiting snoozes the job for as long as it says", func(t *testing.T) {
		t.Parallel()
		err := queue.Outcome(fmt.Errorf("begin: %w", &queue.WaitError{After: 3 * time.Second}))
		if diff := cmp.Diff(river.JobSnooze(3*time.Second), err, cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
	})

	t.Run("any other error stays what it is", func(t *testing.T) {
		t.Parallel()
		if err := queue.Outcome(io.EOF); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want %v", err, io.EOF)
		}
	})
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	if err := queue.Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) is %v, want nil", err)
	}
}
