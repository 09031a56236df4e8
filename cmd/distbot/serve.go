package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

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

// gcPercent is how much may be garbage before serve's collector begins, in percent
// of what lives.
const gcPercent = 200

// serve runs everything until ctx ends.
func serve(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	if t.getenv("GOGC") == "" {
		// What lives is little: the collector would take a tenth of the time in which
		// a large repository is published.
		debug.SetGCPercent(gcPercent)
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

// applyDistro brings the tags to what distro.yaml says, where there is one that
// was not applied before. What commands have changed since stays: a lock that
// somebody set must not end with the next start.
func (s *Server) applyDistro(ctx context.Context) error {
	last, err := tags.LastApplied(ctx, s.pool)
	if err != nil {
		return err
	}
	if distro, err := readDistro(s.Config.Distro); err == nil && distro.Digest == last {
		if err := s.tellDrift(ctx, distro); err != nil {
			s.Logger.Warn("whether the tags differ from distro.yaml can't be told", "error", err)
		}
		return nil
	}
	done, err := applyDistro(ctx, s.pool, s.client, s.Config.Distro)
	if errors.Is(err, os.ErrNotExist) {
		s.Logger.Warn("there is no distribution file yet: no branch has a target", "file", s.Config.Distro)
		return nil
	}
	if err != nil {
		return err
	}
	for _, step := range done.Steps {
		s.Logger.Info("distro.yaml applied", "step", step.String())
	}
	for _, note := range done.Notes {
		s.Logger.Info("distro.yaml applied", "note", note)
	}
	return nil
}

// tellDrift logs in what the installation differs from the distribution file.
func (s *Server) tellDrift(ctx context.Context, distro *tags.Distro) error {
	plan, err := tags.NewPlan(ctx, s.pool, distro, false)
	if err != nil {
		return err
	}
	for _, step := range plan.Steps {
		s.Logger.Warn("the tags differ from distro.yaml; distbot apply would change that", "step", step.String())
	}
	return nil
}
