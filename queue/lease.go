package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

// How leases live. A process that could not renew for fenceAfter ends its own
// work, well before others give it up after deadAfter: less than 30 s after its
// last sign of life, since somebody looks every reapEvery.
const (
	renewEvery = 5 * time.Second
	fenceAfter = 20 * time.Second
	deadAfter  = 28 * time.Second
)

// Process identifies an operating system process beyond doubt: a pid alone is
// used again, and means nothing on another kernel or in another namespace.
type Process struct {
	Host         string
	BootID       string
	PIDNamespace string
	PID          int
	Start        uint64 // field 22 of /proc/PID/stat, clock ticks since boot
}

// ThisProcess describes the calling process.
func ThisProcess() (Process, error) {
	host, err := os.Hostname()
	if err != nil {
		return Process{}, fmt.Errorf("queue: read host name: %w", err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Process{}, fmt.Errorf("queue: read boot id: %w", err)
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return Process{}, fmt.Errorf("queue: read pid namespace: %w", err)
	}
	pid := os.Getpid()
	start, err := processStart(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{Host: host, BootID: strings.TrimSpace(string(boot)), PIDNamespace: namespace, PID: pid, Start: start}, nil
}

// processStart reads when a process began.
func processStart(pid int) (uint64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("queue: read process %d: %w", pid, err)
	}
	// The command name may hold anything, also parentheses and blanks.
	end := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 20 {
		return 0, fmt.Errorf("queue: read process %d: unexpected form of stat", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, fmt.Errorf("queue: read process %d: %w", pid, os.ErrNotExist)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("queue: read process %d: %w", pid, err)
	}
	return start, nil
}

// gone reports that the process of a lease certainly lives no more: it was on
// our kernel and in our pid namespace, and isn't there.
func (p Process) gone(lease db.ListLeasesRow) bool {
	if lease.PidNamespace != p.PIDNamespace || lease.BootID != p.BootID {
		// A kernel that has booted again took its processes with it. Two
		// machines may have one name, though: then the lease is renewed.
		return lease.Host == p.Host && lease.BootID != p.BootID && lease.UnseenSeconds > (2*renewEvery).Seconds()
	}
	start, err := processStart(int(lease.Pid))
	return errors.Is(err, os.ErrNotExist) || err == nil && start != uint64(lease.PidStart)
}

// NewClientID makes an id that no other process ever has.
func NewClientID(p Process) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s-%d-%s", p.Host, p.PID, hex.EncodeToString(random[:]))
}

// Lease is a process's claim to be alive, on which everything it works on
// rests.
type Lease struct {
	Pool     *pgxpool.Pool
	ClientID string
	Process  Process
	// Roles and Arches are shown by host list.
	Roles  []string
	Arches []string
	Logger *slog.Logger

	// every and fence stand for renewEvery and fenceAfter in tests.
	every, fence time.Duration
}

// Hold registers the lease, renews it until ctx ends, and drops it then; a lost
// one is left to the reaper. The
// returned context is cancelled with ErrLostLease when the lease could not be
// renewed for 20 s, or when others gave the process up: whoever works under it
// must stop before the work is given to somebody else. Wait for done before
// the pool is closed.
func (l *Lease) Hold(ctx context.Context) (held context.Context, done <-chan struct{}, err error) {
	err = db.New(l.Pool).RegisterLease(ctx, db.RegisterLeaseParams{
		ClientID: l.ClientID, Host: l.Process.Host, BootID: l.Process.BootID, PidNamespace: l.Process.PIDNamespace,
		Pid: int32(l.Process.PID), PidStart: int64(l.Process.Start), Roles: nonNil(l.Roles), Arches: nonNil(l.Arches),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("queue: register lease: %w", err)
	}
	held, cancel := context.WithCancelCause(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		cause := l.renew(ctx)
		cancel(cause)
		if errors.Is(cause, ErrLostLease) {
			// Without its lease the work would be given away at once. What
			// is left of deadAfter is the time to stop it.
			return
		}
		drop, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer stop()
		if err := db.New(l.Pool).DropLease(drop, l.ClientID); err != nil {
			l.Logger.Warn("queue: drop lease", "client", l.ClientID, "error", err)
		}
	}()
	return held, finished, nil
}

// ErrLostLease says that a process could not keep its lease.
var ErrLostLease = errors.New("queue: the lease was lost")

// renew keeps the lease until ctx ends or the lease is lost, and returns why
// it stopped.
func (l *Lease) renew(ctx context.Context) error {
	every, fence := cmp.Or(l.every, renewEvery), cmp.Or(l.fence, fenceAfter)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		attempt, cancel := context.WithTimeout(ctx, every)
		n, err := db.New(l.Pool).RenewLease(attempt, l.ClientID)
		cancel()
		switch {
		case err == nil && n == 1:
			renewed = time.Now()
		case err == nil:
			return ErrLostLease
		case time.Since(renewed) > fence:
			return ErrLostLease
		default:
			l.Logger.Warn("queue: renew lease", "client", l.ClientID, "error", err)
		}
	}
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
