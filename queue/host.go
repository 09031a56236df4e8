package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

// Holder is a process that is a host now. All it works on rests on that.
type Holder struct {
	// ID is the host's.
	ID int64
	// ClientID is the process's, see NewClientID. A host is one process at a
	// time: the one that connected last.
	ClientID string
}

// HostInfo is what a host says of itself when it connects.
type HostInfo struct {
	Name string
	// Remote hosts are known before they connect; others are made.
	Remote bool
	// Arches are the architectures it builds for, Emulated those among them
	// that an emulator runs. Of these, Channels and Capacity a remote host gets
	// what the hub allows it; what was never decided is decided when it connects.
	Arches, Emulated []string
	// Channels are those it takes tasks of: none for all that the hub allows,
	// which is the default one if nobody says otherwise.
	Channels []string
	// Capacity is what the weights of its tasks may add up to, see Scheduler.
	Capacity float32
	Driver   string
	Version  string
	// Instance tells installations of a remote host's credentials apart, of which
	// only one may be the host at a time. A process that starts again in the same
	// one takes over at once.
	Instance string
	// Status is what its first heartbeat would say: a host is known to be unfit
	// for work before it could be given some. Nothing runs.
	Status HostStatus
}

// ErrUnknownHost says that there is no host of this name, or none of this kind.
var ErrUnknownHost = errors.New("queue: there is no such host")

// ErrHostTaken says that another process that lives is the host of this name.
var ErrHostTaken = errors.New("queue: another process is this host")

// Connect makes a process the host of the name from now on. What an earlier
// process of the host was given is given to others. It returns ErrHostTaken when
// another process lives that is the host, unless it is a remote one's of the same
// instance, and ErrUnknownHost when a remote host was never enrolled, or the name
// is that of another kind of host.
func Connect(ctx context.Context, pool *pgxpool.Pool, info HostInfo, clientID string) (Holder, error) {
	var holder Holder
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		earlier, err := q.LockHostByName(ctx, db.LockHostByNameParams{Name: info.Name, Seconds: deadAfter.Seconds()})
		if errors.Is(err, pgx.ErrNoRows) && info.Remote {
			return ErrUnknownHost
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		same := info.Remote && info.Instance == earlier.Instance
		if earlier.Alive && !same && *earlier.ClientID != clientID {
			return ErrHostTaken
		}
		if earlier.ClientID != nil && *earlier.ClientID != clientID {
			if err := loseTasks(ctx, q, Holder{earlier.ID, *earlier.ClientID}, nil, "the builder was started again", 1); err != nil {
				return err
			}
		}
		id, err := q.ConnectHost(ctx, db.ConnectHostParams{
			Name: info.Name, Remote: info.Remote, Arches: nonNil(info.Arches), Emulated: nonNil(info.Emulated), Channels: nonNil(info.Channels),
			Capacity: info.Capacity, Driver: info.Driver, Version: info.Version, ClientID: clientID,
			Instance: info.Instance, Unready: OneLine(info.Status.Unready), LoadAverage: info.Status.LoadAverage,
			MemoryFree: info.Status.MemoryFree, DiskFree: info.Status.DiskFree,
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrUnknownHost
		}
		holder = Holder{ID: id, ClientID: clientID}
		return err
	})
	if err != nil {
		return Holder{}, fmt.Errorf("queue: connect host %s: %w", info.Name, err)
	}
	return holder, nil
}

// HostStatus is what a host says with every heartbeat.
type HostStatus struct {
	// LoadAverage is that of the last minute; MemoryFree and DiskFree are bytes.
	LoadAverage          float32
	MemoryFree, DiskFree int64
	// Unready says why the host takes no work, and is empty when it does.
	Unready string
	// Running is what it works on.
	Running []Claim
}

// HostOrders is what a host learns by its heartbeat, should the door bell have
// been missed.
type HostOrders struct {
	// Begin is what it was given and has not begun, sooner first.
	Begin []Claim `json:"begin"`
	// Drop is what it works on and has no business to any more.
	Drop []Claim `json:"drop"`
}

// forgotten is how long an attempt may be open at a host that says it does not
// work on it: its answer to the beginning may be under way.
const forgotten = 2 * renewEvery

// Heartbeat renews the lease of a host and compares what it works on with what
// it was given: what the host does not know of is given to others. It returns
// ErrLostLease when the process is not the host any more.
func Heartbeat(ctx context.Context, pool *pgxpool.Pool, host Holder, status HostStatus) (HostOrders, error) {
	var orders HostOrders
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		n, err := q.BeatHost(ctx, db.BeatHostParams{
			ID: host.ID, ClientID: host.ClientID, Unready: OneLine(status.Unready), LoadAverage: status.LoadAverage,
			MemoryFree: status.MemoryFree, DiskFree: status.DiskFree,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLostLease
		}
		tasks, err := q.TasksOfHost(ctx, db.TasksOfHostParams{HostID: &host.ID, ClientID: host.ClientID})
		if err != nil {
			return err
		}
		var lost []int64
		orders, lost = compare(tasks, status.Running)
		if len(lost) == 0 {
			return nil
		}
		return loseTasks(ctx, q, host, lost, "the builder does not know of it", 1)
	})
	if err != nil && !errors.Is(err, ErrLostLease) {
		return HostOrders{}, fmt.Errorf("queue: heartbeat of host %d: %w", host.ID, err)
	}
	return orders, err
}

// compare tells what a host is to begin and to drop, and which tasks it has
// lost.
func compare(given []db.TasksOfHostRow, running []Claim) (orders HostOrders, lost []int64) {
	known := map[Claim]bool{}
	for _, claim := range running {
		known[claim] = true
	}
	for _, task := range given {
		claim := Claim{TaskID: task.ID, Attempt: task.Attempt}
		switch {
		case known[claim]:
			delete(known, claim)
		case task.State == TaskAssigned:
			orders.Begin = append(orders.Begin, claim)
		case task.AgeSeconds > forgotten.Seconds():
			lost = append(lost, task.ID)
		}
	}
	for _, claim := range running {
		if known[claim] {
			orders.Drop = append(orders.Drop, claim)
		}
	}
	return orders, lost
}

// Disconnect ends the lease of a host that stops. What it still has is given to
// others.
func Disconnect(ctx context.Context, pool *pgxpool.Pool, host Holder) error {
	return giveUp(ctx, pool, host, "the builder was stopped", 0)
}

// RemoveHolder takes a host its lease and its work, whoever is the host now, as part of
// tx: it lost the right to be one. The attempts count as none of the package's.
func RemoveHolder(ctx context.Context, tx pgx.Tx, hostID int64, why string) error {
	q := db.New(tx)
	host, err := q.HostByID(ctx, hostID)
	if err != nil {
		return fmt.Errorf("queue: read host %d: %w", hostID, err)
	}
	if host.ClientID == nil {
		return nil
	}
	holder := Holder{ID: hostID, ClientID: *host.ClientID}
	if err := loseTasks(ctx, q, holder, nil, why, 0); err != nil {
		return fmt.Errorf("queue: give up host %d: %w", hostID, err)
	}
	if err := q.DisconnectHost(ctx, db.DisconnectHostParams{ID: hostID, ClientID: holder.ClientID}); err != nil {
		return fmt.Errorf("queue: give up host %d: %w", hostID, err)
	}
	return nil
}

// giveUp takes a host its lease and its work.
func giveUp(ctx context.Context, pool *pgxpool.Pool, host Holder, why string, losses int32) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		// The host before its tasks, as everywhere.
		if _, err := q.HostByID(ctx, host.ID); err != nil {
			return err
		}
		if err := loseTasks(ctx, q, host, nil, why, losses); err != nil {
			return err
		}
		return q.DisconnectHost(ctx, db.DisconnectHostParams{ID: host.ID, ClientID: host.ClientID})
	})
	if err != nil {
		return fmt.Errorf("queue: give up host %d: %w", host.ID, err)
	}
	return nil
}

// loseTasks takes tasks away from a host, all where tasks is nil. An attempt
// that had begun counts as so many losses. A process that still lives is shut
// out: its attempts are none any more.
func loseTasks(ctx context.Context, q *db.Queries, host Holder, tasks []int64, why string, losses int32) error {
	lost, err := q.LoseTasksOfHost(ctx, db.LoseTasksOfHostParams{
		HostID: &host.ID, ClientID: host.ClientID, Tasks: tasks, Losses: losses, Outcome: "lost: " + why, Reason: "starts again: " + why,
	})
	if err != nil {
		return err
	}
	var jobs []int64
	for _, task := range lost {
		if task.RiverJobID != nil {
			jobs = append(jobs, *task.RiverJobID)
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return q.DropJobs(ctx, jobs)
}

// HostAlive is how recently a host must have renewed its lease for others to
// think that it lives.
const HostAlive = fenceAfter
