package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// listen takes the addresses of the configuration. It comes before the database
// is made or started: with an address that can't be had there is nothing to do.
func (s *Server) listen(ctx context.Context) (err error) {
	if s.listener = s.Listener; s.listener == nil {
		if s.listener, err = listenOn(ctx, "listen", s.Config.Listen); err != nil {
			return err
		}
	}
	if s.Config.Builders.Listen != "" {
		s.builderListener, err = listenOn(ctx, "builders.listen", s.Config.Builders.Listen)
	}
	return err
}

// listenOn takes the address that a key of distbot.yaml names.
func listenOn(ctx context.Context, key, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, unix.EADDRINUSE):
		err = errors.New("another process listens there: stop it, or set another port")
	case errors.Is(err, unix.EADDRNOTAVAIL):
		err = errors.New("this machine does not have that address: name one of its own, or 0.0.0.0 for all of them")
	case errors.Is(err, unix.EACCES):
		err = errors.New("a port below 1024 needs root: set another port")
	}
	return nil, fmt.Errorf("%s: %s: %w", key, address, err)
}
