package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/riverqueue/river"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/remote"
	"github.com/distbot/distbot/queue/hostdoor"
	"github.com/distbot/distbot/queue/hostqueue"
)

// remoteHosts is the hub's side of build hosts on other machines.
type remoteHosts struct {
	bell *hostqueue.Hub
	door *hostdoor.Door
	http *http.Server

	stop context.CancelFunc
	done chan struct{}
}

// noBell is the bell of a hub that no remote host reaches. Another one will ring.
type noBell struct{}

// Deliver implements remote.Bell.
func (noBell) Deliver(context.Context, ...hostqueue.Delivery) error { return errNoBuilders }

// Cancel implements remote.Bell.
func (noBell) Cancel(context.Context, int64, hostqueue.Task) (bool, error) {
	return false, errNoBuilders
}

// Drop implements remote.Bell.
func (noBell) Drop(context.Context, int64) error { return errNoBuilders }

// openBuilders prepares for build hosts on other machines, if the configuration
// says so.
func (s *Server) openBuilders(ctx context.Context) error {
	if s.builderListener == nil {
		return nil
	}
	names, err := s.Config.builderNames()
	if err != nil {
		return err
	}
	authority, err := s.Config.authority()
	if err != nil {
		return err
	}
	hosts := &remoteHosts{}
	hosts.bell, err = hostqueue.OpenHub(ctx, hostqueue.HubConfig{
		URL: s.databaseURL, ClientID: s.clientID, Logger: slog.New(atLeast{s.Logger.Handler(), slog.LevelWarn}),
	})
	if err != nil {
		return err
	}
	s.remote = hosts
	hosts.door, err = hostdoor.New(hostdoor.Config{Pool: s.pool, CA: authority, Names: names, Queue: hosts.bell, Logger: s.Logger})
	return err
}

// bell is what rings at remote hosts.
func (s *Server) bell() remote.Bell {
	if s.remote == nil {
		return noBell{}
	}
	return s.remote.bell
}

// addBuilders makes what answers build hosts, and the workers that ring.
func (s *Server) addBuilders(stages *builders.Stages, workers *river.Workers) error {
	err := errors.Join(
		river.AddWorkerSafely(workers, &remote.DeliverWorker{Bell: s.bell()}),
		river.AddWorkerSafely(workers, &remote.RecallWorker{Bell: s.bell()}),
	)
	if err != nil || s.remote == nil {
		return err
	}
	dir := filepath.Join(s.Config.StateDir, "work", "sources")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory for sources: %w", err)
	}
	if err := clearWork(dir); err != nil {
		return err
	}
	answers := &remote.Server{
		Stages: stages, Around: s.remote.door.Identify, Bell: s.bell(), WorkDir: dir, Logger: s.Logger,
		Identify: func(r *http.Request) (remote.Peer, bool) {
			identity, ok := hostdoor.IdentityOf(r.Context())
			return remote.Peer{HostID: identity.HostID, Name: identity.Host}, ok
		},
	}
	s.remote.http = answers.HTTP()
	return nil
}

// startBuilders begins to answer build hosts.
func (s *Server) startBuilders(ctx context.Context) error {
	hosts := s.remote
	if hosts == nil {
		return nil
	}
	address, err := s.Config.builderURL()
	if err != nil {
		return err
	}
	if err := hosts.bell.Start(ctx); err != nil {
		return err
	}
	ctx, hosts.stop = context.WithCancel(context.WithoutCancel(ctx))
	hosts.done = make(chan struct{})
	go func() {
		defer close(hosts.done)
		if err := hosts.door.Serve(ctx, s.builderListener); err != nil {
			s.Logger.Error("build hosts can't connect any more", "error", err)
		}
	}()
	go func() {
		// Its error is the door's end.
		_ = hosts.http.Serve(hosts.door.HTTP())
	}()
	s.Logger.Info("build hosts may connect", "listen", s.builderListener.Addr().String(), "url", address.String())
	return nil
}

// close ends the answering. Build hosts go on, and ask again.
func (h *remoteHosts) close(ctx context.Context) error {
	var err error
	if h.http != nil {
		err = h.http.Close()
	}
	if h.stop != nil {
		h.stop()
		<-h.done
	}
	return errors.Join(err, h.bell.Close(ctx))
}
