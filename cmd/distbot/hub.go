package main

import (
	"cmp"
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
	// as is the user whom --as names; empty for commands that change nothing.
	as string

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
		if as := flags.Lookup("as"); as != nil {
			h.as = as.Value.String()
		}
		return work(ctx, h, asked)
	}
}

// nothing is read for a command that takes no arguments.
type nothing struct{}

func readNothing(*flag.FlagSet) (nothing, error) { return nothing{}, nil }

// openHub connects to the installation that --config names, which must be there:
// a mistyped path must not become one. A private PostgreSQL that a running server
// has is used, else it is started for the time of the command.
func openHub(ctx context.Context, flags *flag.FlagSet) (*hub, error) {
	config, err := readConfig(flags)
	if err != nil {
		return nil, err
	}
	return connectHub(ctx, config, mustBeThere)
}

// Whether a command may make the database of an installation.
const (
	mustBeThere = false
	mayBeMade   = true
)

// connectHub opens the installation of a configuration, see openHub.
func connectHub(ctx context.Context, config Config, mayMake bool) (*hub, error) {
	h := &hub{config: config}
	if err := h.connect(ctx, mayMake); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// connect does the work of connectHub; what it leaves on an error is for close.
func (h *hub) connect(ctx context.Context, mayMake bool) (err error) {
	config := h.config
	url := config.Database.URL
	if url == "" {
		dir := filepath.Join(config.StateDir, "postgres")
		if there, err := pglocal.Exists(dir); err != nil || !there && !mayMake {
			return cmp.Or(err, noInstallation(config, "there is no database in "+dir))
		}
		h.postgres, err = pglocal.Start(ctx, pglocal.Config{Dir: dir, Durable: true})
		if err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		url = h.postgres.URL()
	}
	if !mayMake {
		made, err := migrations.Made(ctx, url)
		if err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		if !made {
			return noInstallation(config, "the database holds no installation")
		}
	}
	if err := migrations.Up(ctx, url); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if h.pool, err = pgxpool.New(ctx, url); err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	h.client, err = queue.NewClient(h.pool, queue.Config{Logger: slog.New(slog.DiscardHandler)})
	return err
}

// noInstallation says what to do where a configuration leads to none.
func noInstallation(config Config, what string) error {
	key := "database.url"
	if config.Database.URL == "" {
		key = "state_dir"
	}
	return fmt.Errorf("%s: distbot serve makes it at its first start, distbot migrate does without serving; or %s of %s names another place than meant", what, key, config.file)
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
