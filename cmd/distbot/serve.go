package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

func serveCommands() []command {
	return []command{{
		name: "serve", help: "run the hub, the builder and the web pages until a signal comes",
		flags: configFlag, run: serve,
	}}
}

// configFlag defines --config.
func configFlag(flags *flag.FlagSet) {
	flags.String("config", "distbot.yaml", "the installation's configuration `file`")
	flags.Bool("debug", false, "log more")
}

// readConfig loads the file that --config names.
func readConfig(flags *flag.FlagSet) (Config, error) {
	return loadConfig(flags.Lookup("config").Value.String())
}

func newLogger(w io.Writer, flags *flag.FlagSet) *slog.Logger {
	level := slog.LevelInfo
	if debug := flags.Lookup("debug"); debug != nil && debug.Value.String() == "true" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// errLost ends a server that could not keep its lease.
var errLost = errors.New("the database could not be reached for too long; running work was given up")

// serve runs everything until ctx ends.
func serve(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	s := &Server{Config: config, Logger: newLogger(t.stderr, flags)}
	if err := s.Open(ctx); err != nil {
		return err
	}
	if err := s.applyDistro(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := s.Start(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	select {
	case <-ctx.Done():
		s.Logger.Info("distbot is stopping; running work is given back")
		return s.Close()
	case <-s.Lost():
		return errors.Join(errLost, s.Close())
	}
}

// applyDistro brings the tags to what distro.yaml says, where there is one.
func (s *Server) applyDistro(ctx context.Context) error {
	changes, err := applyDistro(ctx, s.Config, s.pool, s.client)
	if errors.Is(err, os.ErrNotExist) {
		s.Logger.Warn("there is no distribution file yet: no branch has a target", "file", s.Config.Distro)
		return nil
	}
	for _, change := range changes {
		s.Logger.Info("distro.yaml: " + change)
	}
	return err
}

// applyDistro reads the distribution file and applies it.
func applyDistro(ctx context.Context, config Config, pool *pgxpool.Pool, jobs queue.Inserter) ([]string, error) {
	file, err := os.Open(config.Distro)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	distro, err := tags.ReadDistro(file)
	if err != nil {
		return nil, aboutDistro(config.Distro, err)
	}
	return tags.Sync(ctx, pool, jobs, distro, "distbot")
}
