package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/distbot/distbot/queue"
)

// maxTasks bounds how many attempts the process works on at a time. What a host
// is given, its capacity decides.
const maxTasks = 1000

// connectHost makes this process a host and takes the queue of what it is given.
func (s *Server) connectHost(ctx context.Context) error {
	if s.host == nil {
		return nil
	}
	// Several processes of an installation may run on one machine.
	name := s.host.Info.Name
	err := s.host.Connect(ctx)
	for n := 2; errors.Is(err, queue.ErrHostTaken) && n < 100; n++ {
		s.host.Info.Name = fmt.Sprintf("%s-%d", name, n)
		err = s.host.Connect(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.client.TakeQueue(queue.HostQueue(s.embedded.Holder().ID), maxTasks); err != nil {
		return fmt.Errorf("take the queue of host %s: %w", s.host.Info.Name, err)
	}
	return nil
}

// startHost keeps the host's lease. A host that has lost it takes the whole
// process down: another one is the host now, or the database can't be reached.
func (s *Server) startHost(ctx context.Context) {
	if s.host == nil {
		return
	}
	ctx, s.stopHost = context.WithCancel(ctx)
	s.hosted = make(chan struct{})
	go func() {
		defer close(s.hosted)
		cause := s.host.Run(ctx)
		if ctx.Err() == nil {
			s.Logger.Error("this process is not the host any more", "host", s.host.Info.Name, "error", cause)
			s.loseLease()
		}
	}()
}
