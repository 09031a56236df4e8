package queue_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// BenchmarkHop measures from the end of a transaction that asks for work to the
// beginning of the work, while eight transactions of 100 ms each do so at a time.
func BenchmarkHop(b *testing.B) {
	const inserters = 8
	pool := widePool(b)
	var mu sync.Mutex
	committed, begun := map[int64]time.Time{}, map[int64]time.Time{}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, job *river.Job[queue.ChainArgs]) error {
		mu.Lock()
		defer mu.Unlock()
		begun[job.Args.ChainID] = time.Now()
		return nil
	}))
	client, err := queue.NewClient(pool, queue.Config{
		ID: "hub", Workers: workers, Queues: map[string]int{queue.QueueControl: inserters}, Hub: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Stop(context.Background()) })
	var group errgroup.Group
	group.SetLimit(inserters)
	n := int64(0)
	for b.Loop() {
		n++
		id := n
		group.Go(func() error {
			err := pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
				if _, err := queue.Insert(context.Background(), tx, client, queue.ChainArgs{ChainID: id}); err != nil {
					return err
				}
				_, err := tx.Exec(context.Background(), "select pg_sleep(0.1)")
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			committed[id] = time.Now()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	queuetest.Wait(b, "all work has begun", func() (bool, string) {
		mu.Lock()
		defer mu.Unlock()
		return len(begun) == int(n), ""
	})
	var took []float64
	for id, at := range committed {
		took = append(took, max(0, begun[id].Sub(at).Seconds()*1000))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "p50-ms")
	b.ReportMetric(took[len(took)*99/100], "p99-ms")
	b.ReportMetric(took[len(took)-1], "worst-ms")
}
