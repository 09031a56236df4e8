// Package hosttest runs a hub with an embedded host for tests: a client that
// works the hub's queues, the scheduler, and the host.
//
// It knows how they are put together, and refuses to know what is built. Nothing
// but tests may import it.
package hosttest

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildhost"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// capacity is room for every task of a test.
const capacity = 100

// Config says what is run.
type Config struct {
	// Name is the host's, and its process's client id.
	Name   string
	Arches []string
	Driver builders.Driver
	// Stages are the hub's; their Jobs are filled in.
	Stages  builders.Stages
	WorkDir string
	// Queues are worked besides the host's own.
	Queues []string
	// Register adds workers for them; nil adds that of imports.
	Register func(workers *river.Workers, stages *builders.Stages)
}

// Host is a hub with an embedded host that runs until the test ends.
type Host struct {
	*queue.Client
	*buildhost.Host
	// Stop stops the host and the scheduler, and waits until they have.
	Stop func()
}

// Start starts a hub with a host that has room for every task.
func Start(tb testing.TB, config Config) *Host {
	tb.Helper()
	log, pool := slog.New(slog.DiscardHandler), config.Stages.Pool
	embedded := &buildhost.Embedded{ClientID: config.Name}
	h := &Host{Host: &buildhost.Host{
		Hub: embedded, Driver: config.Driver, WorkDir: config.WorkDir, Logger: log,
		Info: queue.HostInfo{Name: config.Name, Arches: config.Arches, Capacity: capacity},
	}}
	register := config.Register
	if register == nil {
		register = func(workers *river.Workers, stages *builders.Stages) {
			river.AddWorker(workers, &builders.ImportWorker{Stages: stages})
		}
	}
	h.Client = queuetest.Start(tb, pool, config.Name, func(workers *river.Workers, jobs queue.Canceler) {
		stages := config.Stages
		stages.Jobs = jobs
		embedded.Stages = &stages
		river.AddWorker(workers, &buildhost.TaskWorker{Host: h.Host})
		register(workers, &stages)
	}, append([]string{"none_" + config.Name}, config.Queues...)...)
	if err := h.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := h.TakeQueue(queue.HostQueue(embedded.Holder().ID), capacity); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = h.Run(ctx) }) // its cause is ours
	ended.Go(func() { (&queue.Scheduler{Pool: pool, Inserter: h.Client, Logger: log}).Run(ctx) })
	h.Stop = sync.OnceFunc(func() {
		cancel()
		ended.Wait()
	})
	tb.Cleanup(h.Stop)
	return h
}
