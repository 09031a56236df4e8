package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// ErrCommitNotFound says that neither the mirror nor the forge has the commit.
// Right after a push it can mean that the forge's replica is behind.
var ErrCommitNotFound = errors.New("commit not found")

// ErrRepositoryNotFound says that the forge does not have the repository, or
// does not show it to us.
var ErrRepositoryNotFound = errors.New("repository not found")

// ErrSourceNotFound says that the lookaside does not have the source.
var ErrSourceNotFound = errors.New("source not found in the lookaside")

// ErrNotAllowed says that a URL, a name or an id was refused before anything
// was done with it.
var ErrNotAllowed = errors.New("not allowed")

// TemporaryError says that the same call may succeed later: no connection, a
// timeout, HTTP 429 or 5xx, refused credentials (they get renewed), no space.
// Every other error of this package stays the same however often one tries.
type TemporaryError struct {
	// After is how long the server asked to wait; 0 when it did not say.
	After time.Duration
	Err   error
}

// Error implements error.
func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TemporaryError) Unwrap() error { return e.Err }

// LimitError says that a repository or a download is bigger than distbot
// accepts.
type LimitError struct {
	// What was counted, in the words of a sentence: "bytes in the pack".
	What string
	// Limit is the most that is accepted, in units of What.
	Limit int64
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d %s", e.Limit, e.What)
}

// classify wraps the errors of networks and full disks in a TemporaryError. A
// cancelled ctx is the caller's own doing and stays what it is; a deadline that
// passed in a context derived from ctx is a timeout.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%w (%s)", cause, err.Error())
	}
	var temporary *TemporaryError
	if errors.As(err, &temporary) {
		return err
	}
	var limit *LimitError
	if errors.As(err, &limit) || errors.Is(err, ErrNotAllowed) {
		return err
	}
	var network net.Error
	for _, is := range []bool{
		errors.As(err, &network),
		errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.ENOSPC),
		errors.Is(err, syscall.EDQUOT),
		errors.Is(err, syscall.EMFILE),
		errors.Is(err, syscall.ENFILE),
	} {
		if is {
			return &TemporaryError{Err: err}
		}
	}
	return err
}

// temporaryStatus reports whether an HTTP status is about the server's state
// and not about what was asked.
func temporaryStatus(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// retryAfter reads the Retry-After header in its form of seconds (RFC 9110
// §10.2.3), at most a day; 0 when there is none.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 24*time.Hour)
}

// cappedReader fails with *LimitError once more than Limit bytes came.
type cappedReader struct {
	R     io.Reader
	Left  int64
	Error *LimitError
}

// newCappedReader caps r at limit bytes, which what names in the error.
func newCappedReader(r io.Reader, limit int64, what string) *cappedReader {
	return &cappedReader{R: r, Left: limit, Error: &LimitError{What: what, Limit: limit}}
}

// Read implements io.Reader.
func (c *cappedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > c.Left+1 {
		p = p[:c.Left+1]
	}
	n, err := c.R.Read(p)
	if int64(n) > c.Left {
		return int(c.Left), c.Error
	}
	c.Left -= int64(n)
	return n, err
}

// isNotExist is errors.Is(err, fs.ErrNotExist), short enough for conditions.
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
