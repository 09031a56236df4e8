package hostqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/queue"
)

// pollEvery is how often a host looks for tasks that no notification told of.
const pollEvery = time.Second

// errNotHere is what a hub's own client would return for a task; it takes none.
var errNotHere = errors.New("hostqueue: work task: this process is no build host")

// WorkerConfig says how a host takes its tasks.
type WorkerConfig struct {
	// Pool is connected to the hosts' database as the host's role.
	Pool *pgxpool.Pool
	// ClientID is unique among River's clients, see queue.NewClientID.
	ClientID string
	// Capacity is how many tasks run at a time. Required.
	Capacity int
	// Work carries an attempt out. nil ends the delivery; a *queue.WaitError
	// brings it back after a while; any other error after 1, 2, 4 … seconds, as
	// often as River tries. queue.Canceled(ctx) tells that the hub stopped it.
	// What it returns is not the outcome of the task, which goes over HTTPS.
	Work   func(ctx context.Context, task Task) error
	Logger *slog.Logger
}

// Worker takes a host's tasks.
type Worker struct {
	client *queue.Client
	hostID int64
}

// NewWorker makes the worker of the host whose role the pool has: the database
// says who that is.
func NewWorker(ctx context.Context, config WorkerConfig) (*Worker, error) {
	var role string
	if err := config.Pool.QueryRow(ctx, "select current_user").Scan(&role); err != nil {
		return nil, fmt.Errorf("hostqueue: ask who this host is: %w", err)
	}
	hostID, err := hostOf(role)
	if err != nil {
		return nil, fmt.Errorf("hostqueue: ask who this host is: %w", err)
	}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &hostWorker{work: config.Work}); err != nil {
		return nil, fmt.Errorf("hostqueue: new worker: %w", err)
	}
	client, err := queue.NewClient(config.Pool, queue.Config{
		ID: config.ClientID, Queues: map[string]int{Queue(hostID): config.Capacity}, Workers: workers,
		PollEvery: pollEvery, Logger: config.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Worker{client: client, hostID: hostID}, nil
}

// HostID is the host that this worker takes the tasks of.
func (w *Worker) HostID() int64 { return w.hostID }

// Start begins to take tasks. Their contexts end with ctx.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.client.Start(ctx); err != nil {
		return fmt.Errorf("hostqueue: start worker: %w", err)
	}
	return nil
}

// Stop takes no more tasks; those that run have two seconds, then their contexts
// end, and their deliveries come again.
func (w *Worker) Stop(ctx context.Context) error {
	if err := w.client.Stop(ctx); err != nil {
		return fmt.Errorf("hostqueue: stop worker: %w", err)
	}
	return nil
}

// hostWorker is Work as River wants it.
type hostWorker struct {
	river.WorkerDefaults[taskArgs]
	work func(ctx context.Context, task Task) error
}

// Work implements river.Worker.
func (w *hostWorker) Work(ctx context.Context, job *river.Job[taskArgs]) error {
	return queue.Outcome(w.work(ctx, job.Args.Task))
}
