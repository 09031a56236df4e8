package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/migrations"
	"github.com/distbot/distbot/queue"
)

// hub is what a command that only asks and enqueues needs of an installation.
type hub struct {
	// stdout is where results go, as JSON where json is set.
	stdout io.Writer
	json   bool

	config   Config
	pool     *pgxpool.Pool
	client   *queue.Client
	postgres *pglocal.Server
}

// withHub makes what a command runs of two parts. read takes what it needs of
// flags and arguments, and finds mistakes in them where no installation is at
// hand; then work is run with the installation open.
func withHub[A any](read func(*flag.FlagSet) (A, error), work func(context.Context, *hub, A) error) func(context.Context, terminal, *flag.FlagSet) error {
	return func(ctx context.Context, t terminal, flags *flag.FlagSet) error {
		asked, err := read(flags)
		if err != nil {
			return err
		}
		h, err := openHub(ctx, flags)
		if err != nil {
			return err
		}
		defer h.close()
		h.stdout, h.json = t.stdout, wantsJSON(flags)
		return work(ctx, h, asked)
	}
}

// nothing is read for a command that takes no arguments.
type nothing struct{}

func readNothing(*flag.FlagSet) (nothing, error) { return nothing{}, nil }

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
			return nil, fmt.Errorf("open the database: %w", err)
		}
		url = h.postgres.URL()
	}
	if err := migrations.Up(ctx, url); err != nil {
		h.close()
		return nil, fmt.Errorf("open the database: %w", err)
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
