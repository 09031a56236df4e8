package main

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pglocal"
)

// keepUp starts a private PostgreSQL again when it ends, until stop is called.
// Running work outlives that if it takes less than the 20 s in which a lease
// must be renewed. If it does not help, the lease is lost, which ends the
// process.
func keepUp(server *pglocal.Server, pool *pgxpool.Pool, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Keep(ctx, pool.Reset); err != nil {
			logger.Error("the database is given up", "error", err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
