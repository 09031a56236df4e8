package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/migrations"
	"github.com/distbot/distbot/queue"
)

// hub is what a command that only asks and enqueues needs of an installation.
type hub struct {
	config   Config
	pool     *pgxpool.Pool
	client   *queue.Client
	postgres *pglocal.Server
}

// openHub connects to the installation that --config names. A private
// PostgreSQL that a running server has is used, else it is started for the
// time of the command.
func openHub(ctx context.Context, flags *flag.FlagSet) (*hub, error) {
	config, err := readConfig(flags)
	if err != nil {
		return nil, err
	}
	h := &hub{config: config}
	url := config.Database.URL
	if url == "" {
		h.postgres, err = pglocal.Start(ctx, pglocal.Config{Dir: filepath.Join(config.StateDir, "postgres"), Durable: true})
		if err != nil {
			return nil, err
		}
		url = h.postgres.URL()
	}
	if err := migrations.Up(ctx, url); err != nil {
		h.close()
		return nil, err
	}
	if h.pool, err = pgxpool.New(ctx, url); err != nil {
		h.close()
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	h.client, err = queue.NewClient(h.pool, queue.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// close disconnects.
func (h *hub) close() {
	if h.pool != nil {
		h.pool.Close()
	}
	if h.postgres != nil {
		// Others may be connected: it stops with the last of them.
		_ = h.postgres.Stop()
	}
}
