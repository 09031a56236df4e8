package queue_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/distbot/distbot/queue"
)

// workerEnv makes the test binary a build host: its value is the database.
const workerEnv = "DISTBOT_QUEUE_TEST_WORKER"

// TestMain lets the test binary be run as another process that works jobs, so
// that it can really be killed.
func TestMain(m *testing.M) {
	url, ok := os.LookupEnv(workerEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if err := workJobs(context.Background(), url); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// workJobs takes a lease, is a host and works one job: it begins the task of a source
// package, or takes a publish job as it is. It says so on its standard output,
// waits for a line on its standard input, and then tries to finish.
func workJobs(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	process, err := queue.ThisProcess()
	if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	lease := &queue.Lease{Pool: pool, ClientID: queue.NewClientID(process), Process: process, Logger: logger}
	if _, _, err := lease.Hold(ctx); err != nil {
		return err
	}
	host, err := queue.Connect(ctx, pool, queue.HostInfo{Name: "victim", Arches: []string{"x86_64"}, Capacity: 1}, lease.ClientID)
	if err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[queue.TaskArgs]) error {
		task, err := queue.Begin(ctx, pool, host, job.Args.Claim, nil)
		if err != nil {
			return err
		}
		fmt.Println("works as", lease.ClientID)
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return err
		}
		_, finished := finish(ctx, pool, task, queue.Ending{State: queue.TaskClosed})
		fmt.Println("finish lost:", errors.Is(finished, queue.ErrLostAttempt))
		return nil
	}))
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[queue.PublishArgs]) error {
		fmt.Println("works as", lease.ClientID)
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}))
	client, err := queue.NewClient(pool, queue.Config{
		ID: lease.ClientID, Workers: workers, Queues: map[string]int{queue.HostQueue(host.ID): 1, queue.QueuePublish: 1}, Logger: logger,
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	scheduler := &queue.Scheduler{Pool: pool, Inserter: client, Logger: logger}
	if _, err := scheduler.Round(ctx); err != nil {
		return err
	}
	select {} // until it is killed
}

// workerProcess is another process that works jobs.
type workerProcess struct {
	*exec.Cmd
	stdin  io.Writer
	stdout *bufio.Reader
	// client is the id of its lease.
	client string
}

// startWorker runs the test binary as another process that works jobs of the
// pool's database. It is killed when the test ends.
func startWorker(t *testing.T, pool *pgxpool.Pool) *workerProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), workerEnv+"="+pool.Config().ConnString())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &workerProcess{Cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return w
}

// working waits until the process has begun to work on a job.
func (w *workerProcess) working(t *testing.T) {
	t.Helper()
	line := w.line(t)
	client, ok := strings.CutPrefix(line, "works as ")
	if !ok {
		t.Fatalf("the worker process says %q", line)
	}
	w.client = client
}

// line is the next line the process prints.
func (w *workerProcess) line(t *testing.T) string {
	t.Helper()
	line, err := w.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("the worker process ended: %v (after %q)", err, line)
	}
	return strings.TrimSpace(line)
}
