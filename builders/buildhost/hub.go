package buildhost

import (
	"context"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// Hub is where a host gets its work. Implementations are safe for concurrent
// use.
type Hub interface {
	// Connect makes the calling process the host from now on.
	Connect(ctx context.Context, info queue.HostInfo) error

	// Heartbeat renews the lease. It returns queue.ErrLostLease when the process
	// is not the host any more.
	Heartbeat(ctx context.Context, status queue.HostStatus) (queue.HostOrders, error)

	// Disconnect ends the lease of a host that works on nothing any more.
	Disconnect(ctx context.Context) error

	// Begin opens an attempt. It returns queue.ErrTaskOver when there is nothing
	// to do.
	Begin(ctx context.Context, claim queue.Claim) (Attempt, error)
}

// Attempt is an attempt that was begun, see builders.Attempt for what its
// methods promise.
type Attempt interface {
	// Work is what there is to do. Drivers can read its repositories once
	// Prepare has returned.
	Work() builders.Work
	// Prepare brings what the work begins with into dir, an empty directory, and
	// returns where it lies: builders.SourcesDir in it, beside HistoryFile if the
	// spec wants the history; or a source package.
	Prepare(ctx context.Context, dir string) (string, error)
	// Logs is the directory the driver writes logs to.
	Logs() (string, error)
	Phase(ctx context.Context, phase builders.Phase)
	Finish(ctx context.Context, outcome builders.Outcome, dir string) error
	Fail(ctx context.Context, failure builders.Failure) error
	Release(ctx context.Context, reason string) error
	Refuse(ctx context.Context, reason string) error
	// Close lets go of what the attempt needs at this host. It is called once,
	// after everything else.
	Close()
}

// Embedded is the hub of a host that is part of the hub's process.
type Embedded struct {
	Stages   *builders.Stages
	ClientID string

	holder queue.Holder
}

// Connect implements Hub. No other method is called before it has returned.
func (e *Embedded) Connect(ctx context.Context, info queue.HostInfo) (err error) {
	e.holder, err = queue.Connect(ctx, e.Stages.Pool, info, e.ClientID)
	return err
}

// Holder says which host the process is, once it is connected.
func (e *Embedded) Holder() queue.Holder { return e.holder }

// Heartbeat implements Hub.
func (e *Embedded) Heartbeat(ctx context.Context, status queue.HostStatus) (queue.HostOrders, error) {
	return queue.Heartbeat(ctx, e.Stages.Pool, e.holder, status)
}

// Disconnect implements Hub.
func (e *Embedded) Disconnect(ctx context.Context) error {
	return queue.Disconnect(ctx, e.Stages.Pool, e.holder)
}

// Begin implements Hub.
func (e *Embedded) Begin(ctx context.Context, claim queue.Claim) (Attempt, error) {
	attempt, err := e.Stages.Begin(ctx, e.holder, claim, nil)
	if err != nil {
		return nil, err
	}
	return attempt, nil
}
