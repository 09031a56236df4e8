package queue

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Fate is what follows an error of a job.
type Fate int

// The three fates of an error.
const (
	// Retry runs the job again by the retry policy.
	Retry Fate = iota
	// Wait runs it again after a while, however often.
	Wait
	// GiveUp ends the work: the state must say so.
	GiveUp
)

// WaitError says that a job can't go on yet and is no failure.
type WaitError struct {
	After  time.Duration
	Reason string
}

// Error implements error.
func (e *WaitError) Error() string { return "waiting: " + e.Reason }

// PermanentError marks an error that trying again can't cure.
type PermanentError struct{ Err error }

// Error implements error.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks err as one that trying again can't cure; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{Err: err}
}

// maxLosses is how many workers may die on one job before it is given up: a
// job that kills its process must not do so for ever.
const maxLosses = 5

// FateOf decides what follows err, the only place that does. ctx is the job's:
// an interrupted process (a stop) leaves its jobs to their next attempt,
// whatever the error.
func FateOf(ctx context.Context, job *rivertype.JobRow, err error) Fate {
	var wait *WaitError
	if errors.As(err, &wait) {
		return Wait
	}
	if ctx.Err() != nil && !Canceled(ctx) {
		return Retry
	}
	var permanent *PermanentError
	if errors.As(err, &permanent) {
		return GiveUp
	}
	if databaseTrouble(err) {
		return Retry
	}
	if lastTry(job) {
		return GiveUp
	}
	return Retry
}

// Passing reports that an error is about the database or the way to it and will
// be over: what was to be recorded can be tried again as it is.
func Passing(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return databaseTrouble(err)
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// databaseTrouble reports that the database refused us for reasons of its own:
// SQLSTATE classes 08 connection, 40 rollback (deadlocks), 53 resources,
// 55 object state (locks), 57 operator intervention and 58 system error. Other
// classes are about what was written, which the work may be to blame for.
func databaseTrouble(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, class := range []string{"08", "40", "53", "55", "57", "58"} {
		if strings.HasPrefix(pg.Code, class) {
			return true
		}
	}
	return false
}

// Canceled reports whether a job's context ended because the job was canceled,
// not because its process stops.
func Canceled(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely)
}

// Outcome turns an error into what a River worker returns for it, when the
// fate is not GiveUp.
func Outcome(err error) error {
	var wait *WaitError
	if errors.As(err, &wait) {
		return river.JobSnooze(wait.After)
	}
	return err
}
