package remote

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/hostqueue"
)

// Bell rings at hosts. Hosts that don't hear it learn the same by their next
// heartbeat. *hostqueue.Hub implements it.
type Bell interface {
	// Deliver rings for attempts that hosts were given; again is no error.
	Deliver(ctx context.Context, deliveries ...hostqueue.Delivery) error
	// Cancel rings for an attempt that has ended, if the host was told of it.
	Cancel(ctx context.Context, hostID int64, task hostqueue.Task) (bool, error)
	// Drop forgets what a host was told by earlier rings.
	Drop(ctx context.Context, hostID int64) error
}

var _ Bell = (*hostqueue.Hub)(nil)

// DeliverWorker rings at a host for attempts that the scheduler gave to it. What
// it says may be old by then: the host asks before it begins.
type DeliverWorker struct {
	river.WorkerDefaults[queue.DeliverArgs]
	Bell Bell
}

// Work rings.
func (w *DeliverWorker) Work(ctx context.Context, job *river.Job[queue.DeliverArgs]) error {
	deliveries := make([]hostqueue.Delivery, len(job.Args.Claims))
	for i, claim := range job.Args.Claims {
		deliveries[i] = hostqueue.Delivery{HostID: job.Args.HostID, Task: taskOf(claim)}
	}
	return w.Bell.Deliver(ctx, deliveries...)
}

// RecallWorker rings at a host for an attempt that has ended, so that it stops
// at once.
type RecallWorker struct {
	river.WorkerDefaults[queue.RecallArgs]
	Bell Bell
}

// Work rings.
func (w *RecallWorker) Work(ctx context.Context, job *river.Job[queue.RecallArgs]) error {
	_, err := w.Bell.Cancel(ctx, job.Args.HostID, taskOf(job.Args.Claim))
	return err
}

func taskOf(claim queue.Claim) hostqueue.Task {
	return hostqueue.Task{ID: claim.TaskID, Attempt: claim.Attempt}
}
