package snapshot

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// deniedError is a status by which a server gives no file for good.
type deniedError struct {
	status string
	code   int
}

// Error is the status.
func (e *deniedError) Error() string { return e.status }

// Is reports whether the target is [ErrDenied].
func (e *deniedError) Is(target error) bool { return target == ErrDenied }

// size asks for the head of a file; where the server gives none to anybody, for
// the first byte.
func (w *web) size(ctx context.Context, href string) (size int64, err error) {
	err = w.again(ctx, func() error {
		size, err = w.headSize(ctx, href)
		var denied *deniedError
		if errors.As(err, &denied) {
			switch denied.code {
			case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
				size, err = w.rangeSize(ctx, href)
			}
		}
		return err
	})
	return size, err
}

func (w *web) headSize(ctx context.Context, href string) (int64, error) {
	answer, err := w.ask(ctx, http.MethodHead, href, "")
	if err != nil {
		return -1, err
	}
	return answer.ContentLength, answer.Body.Close()
}

// rangeSize asks for one byte; of a server that knows no ranges nothing further is
// read.
func (w *web) rangeSize(ctx context.Context, href string) (int64, error) {
	answer, err := w.ask(ctx, http.MethodGet, href, "bytes=0-0")
	switch {
	case errors.Is(err, errBeyond):
		return 0, nil // not even one byte
	case errors.Is(err, errRange):
		return -1, nil // another range than that was asked for
	case err != nil:
		return -1, err
	}
	size := answer.ContentLength
	if answer.StatusCode == http.StatusPartialContent {
		size = totalOf(answer.Header.Get("Content-Range"))
	}
	// What closing it says of the rest does not matter.
	answer.Body.Close()
	return size, nil
}

// totalOf is the size of the file in a Content-Range; -1 where it is not told
// (RFC 9110, 14.4).
func totalOf(contentRange string) int64 {
	_, total, _ := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size < 0 {
		return -1
	}
	return size
}
