package buildhost

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/distbot/distbot/queue"
)

// TaskWorker answers the door bell: it carries out the attempts that jobs name.
type TaskWorker struct {
	river.WorkerDefaults[queue.TaskArgs]
	Host *Host
}

// Work carries out an attempt. A job that is canceled makes the host ask the hub
// whether the attempt is still wanted, since anybody could ring; one whose
// attempt could not be begun is tried again.
func (w *TaskWorker) Work(ctx context.Context, job *river.Job[queue.TaskArgs]) error {
	return w.Host.CarryOut(ctx, job.Args.Claim)
}
