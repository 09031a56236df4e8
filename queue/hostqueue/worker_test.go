package hostqueue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
)

func TestAWorkerWithNothingButTheRoleOfAHost(t *testing.T) {
	t.Parallel()

	t.Run("Works what was delivered, and notes its end", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 7)
		done := make(chan Task, 10)
		worker := s.work(t, 7, func(_ context.Context, task Task) error { done <- task; return nil })
		if worker.HostID() != 7 {
			t.Errorf("the worker takes the tasks of host %d, want 7", worker.HostID())
		}
		want := Task{ID: 12, Attempt: 3}
		if err := s.hub.Deliver(t.Context(), Delivery{HostID: 7, Task: want}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, received(t, "the task", done)); diff != "" {
			t.Errorf("task (-want +got):\n%s", diff)
		}
		await(t, "completed", func() bool { return slices.Equal(s.states(t, 7), []string{"completed"}) })
	})

	t.Run("Takes a task again that waits, and one that had an error", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 7)
		tries := map[int64]int{}
		done := make(chan int64, 10)
		turn := make(chan struct{}, 1)
		turn <- struct{}{}
		s.work(t, 7, func(_ context.Context, task Task) error {
			<-turn
			defer func() { turn <- struct{}{} }()
			tries[task.ID]++
			switch {
			case tries[task.ID] > 1:
				done <- task.ID
				return nil
			case task.ID == 1:
				return &queue.WaitError{After: 100 * time.Millisecond, Reason: "the disk is full"}
			}
			return errors.New("the hub does not answer")
		})
		if err := s.hub.Deliver(t.Context(), Delivery{7, Task{1, 1}}, Delivery{7, Task{2, 1}}); err != nil {
			t.Fatal(err)
		}
		got := []int64{received(t, "a task again", done), received(t, "the other task again", done)}
		slices.Sort(got)
		if diff := cmp.Diff([]int64{1, 2}, got); diff != "" {
			t.Errorf("tasks that came again (-want +got):\n%s", diff)
		}
		await(t, "both completed", func() bool { return slices.Equal(s.states(t, 7), []string{"completed", "completed"}) })
	})

	t.Run("Sees within a second that the hub stopped a task", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 7)
		began, ended := make(chan struct{}), make(chan bool)
		s.work(t, 7, func(ctx context.Context, _ Task) error {
			close(began)
			<-ctx.Done()
			ended <- queue.Canceled(ctx)
			return ctx.Err()
		})
		task := Task{ID: 5, Attempt: 1}
		if err := s.hub.Deliver(t.Context(), Delivery{7, task}); err != nil {
			t.Fatal(err)
		}
		received(t, "begin", began)
		start := time.Now()
		found, err := s.hub.Cancel(t.Context(), 7, task)
		if err != nil || !found {
			t.Fatalf("Cancel() = %v, %v, want true, nil", found, err)
		}
		if !received(t, "the end", ended) {
			t.Error("the task's context ended for another reason")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v, want at most a second", took)
		}
		await(t, "cancelled", func() bool { return slices.Equal(s.states(t, 7), []string{"cancelled"}) })
	})
}

func TestHub(t *testing.T) {
	t.Parallel()
	task := Task{ID: 5, Attempt: 1}

	t.Run("A delivery that is repeated is one", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		for range 2 {
			if err := s.hub.Deliver(t.Context(), Delivery{7, task}, Delivery{8, task}, Delivery{7, Task{5, 2}}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"available", "available"}, s.states(t, 7)); diff != "" {
			t.Errorf("jobs of host 7 (-want +got):\n%s", diff)
		}
	})

	t.Run("A task that waits is canceled, one that is not there is not found", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		if err := s.hub.Deliver(t.Context(), Delivery{7, task}); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			host int64
			task Task
			want bool
		}{{8, task, false}, {7, Task{5, 2}, false}, {7, task, true}, {7, task, false}} {
			if found, err := s.hub.Cancel(t.Context(), test.host, test.task); err != nil || found != test.want {
				t.Errorf("Cancel(%d, %v) = %v, %v, want %v", test.host, test.task, found, err, test.want)
			}
		}
		if diff := cmp.Diff([]string{"cancelled"}, s.states(t, 7)); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
	})

	t.Run("What a retired host still does changes nothing", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		s.role(t, 7)
		began, goOn := make(chan struct{}), make(chan struct{})
		worker := s.work(t, 7, func(context.Context, Task) error {
			close(began)
			<-goOn // A zombie: it hears nothing.
			return nil
		})
		if err := s.hub.Deliver(t.Context(), Delivery{7, task}); err != nil {
			t.Fatal(err)
		}
		received(t, "begin", began)
		if err := s.hub.Retire(t.Context(), 7, task); err != nil {
			t.Fatal(err)
		}
		// The same host may get the task again, as another attempt.
		if err := s.hub.Deliver(t.Context(), Delivery{8, Task{5, 2}}); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		// It stops when it has noted how its jobs ended.
		if err := worker.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"discarded"}, s.states(t, 7)); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
	})

	t.Run("The jobs of a dropped host end", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		if err := s.hub.Deliver(t.Context(), Delivery{7, task}, Delivery{8, task}); err != nil {
			t.Fatal(err)
		}
		if err := s.hub.Drop(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"discarded", "available"}, append(s.states(t, 7), s.states(t, 8)...)); diff != "" {
			t.Errorf("jobs of both hosts (-want +got):\n%s", diff)
		}
	})

	t.Run("A started hub removes what is finished and lets waiting tasks come back", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, err := s.hub.pool.Exec(t.Context(), `
			insert into river_job (kind, queue, max_attempts, args, state, finalized_at, scheduled_at)
			values ('builders.task', 'host_7', 1, '{}', 'completed', now() - interval '2 hours', now()),
			       ('builders.task', 'host_7', 1, '{}', 'completed', now(), now()),
			       ('builders.task', 'host_8', 1, '{}', 'scheduled', null, now() - interval '1 second')`)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.hub.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		await(t, "the old one is gone", func() bool { return slices.Equal(s.states(t, 7), []string{"completed"}) })
		await(t, "the waiting one is available", func() bool { return slices.Equal(s.states(t, 8), []string{"available"}) })
	})
}
