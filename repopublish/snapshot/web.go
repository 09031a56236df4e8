package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/flock"
	"github.com/distbot/distbot/internal/repomd"
)

// web is a repository at an HTTP(S) address, with a cache of what was fetched.
type web struct {
	base     *url.URL
	client   *http.Client
	cache    string
	forget   bool // the cache goes with the snapshot
	reread   bool // nothing is taken from the cache
	attempts int
	pause    time.Duration
	patience time.Duration
	retrying func(error)
}

func openWeb(source Source, opts Options) (origin, error) {
	base, err := url.Parse(source.Location)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	w := &web{base: base, client: opts.Client, cache: opts.CacheDir, reread: opts.Reread, attempts: opts.Attempts, pause: opts.Pause, patience: cmp.Or(opts.Patience, defaultPatience), retrying: opts.Retrying}
	if w.client == nil {
		w.client = NewClient()
	}
	if w.cache == "" {
		w.forget = true
		if w.cache, err = os.MkdirTemp("", "distbot-snapshot-"); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *web) close() error {
	w.client.CloseIdleConnections()
	if w.forget {
		return os.RemoveAll(w.cache)
	}
	return nil
}

// get asks for a file, from an offset on. The error wraps fs.ErrNotExist when
// the server says that there is none, ErrDenied when it does not give it,
// errTransient when asking again may help.
func (w *web) get(ctx context.Context, href string, from int64) (*http.Response, error) {
	if from > 0 {
		return w.ask(ctx, http.MethodGet, href, fmt.Sprintf("bytes=%d-", from))
	}
	return w.ask(ctx, http.MethodGet, href, "")
}

// at is the address of a file. A + is escaped, as libdnf does: stores such as S3
// take it for a blank.
func (w *web) at(href string) *url.URL {
	at := *w.base
	at.Path = strings.TrimSuffix(w.base.Path, "/") + "/" + href
	escaped := (&url.URL{Path: href}).EscapedPath()
	at.RawPath = strings.TrimSuffix(w.base.EscapedPath(), "/") + "/" + strings.ReplaceAll(escaped, "+", "%2B")
	return &at
}

// ask asks for a file, or for a range of it.
func (w *web) ask(ctx context.Context, method, href, bytes string) (*http.Response, error) {
	at := w.at(href)
	ctx, cancel := context.WithCancelCause(ctx)
	request, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	request.Header.Set("User-Agent", "distbot")
	if bytes != "" {
		request.Header.Set("Range", bytes)
	}
	answer, err := w.client.Do(request)
	if err != nil {
		err = w.trouble(ctx, href, err) // before it is canceled
		cancel(nil)
		return nil, err
	}
	answer.Body = watch(ctx, cancel, answer.Body, w.patience)
	if err := statusError(answer, bytes); err != nil {
		answer.Body.Close()
		return nil, fmt.Errorf("get %s: %w", href, err)
	}
	return answer, nil
}

// trouble is an error of the client, without the URL in it, which may hold a
// password.
func (w *web) trouble(ctx context.Context, href string, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("get %s: %w", href, cause)
	}
	if errors.Is(err, errRedirect) {
		return fmt.Errorf("get %s: %w", href, err)
	}
	return fmt.Errorf("get %s: %w: %w", href, err, errTransient)
}

// errTransient is wrapped when trying again may help.
var errTransient = errors.New("the server or the way to it is in trouble")

// errRange is returned when a server can't go on where a download stopped.
var errRange = errors.New("no such range")

// errBeyond is returned when a range begins beyond the end of the file.
var errBeyond = fmt.Errorf("the file is shorter: %w", errRange)

// statusError is what the status says of a request for a range, or for all.
func statusError(answer *http.Response, bytes string) error {
	switch code := answer.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusPartialContent && bytes != "":
		// "bytes=5-" is answered by "bytes 5-9/10".
		first, _, _ := strings.Cut(strings.TrimPrefix(bytes, "bytes="), "-")
		if !strings.HasPrefix(answer.Header.Get("Content-Range"), "bytes "+first+"-") {
			return errRange
		}
		return nil
	case code == http.StatusRequestedRangeNotSatisfiable && bytes != "":
		return errBeyond
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%s: %w", answer.Status, fs.ErrNotExist)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500 && code != http.StatusNotImplemented:
		return fmt.Errorf("%s: %w", answer.Status, errTransient)
	case code >= 400:
		return &deniedError{answer.Status, code}
	}
	return errors.New(answer.Status)
}

func (w *web) small(ctx context.Context, href string, limit int64) (text []byte, err error) {
	err = w.again(ctx, func() error {
		answer, err := w.get(ctx, href, 0)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if text, err = readBounded(answer.Body, limit); err != nil && !errors.Is(err, repomd.ErrTooLarge) {
			return w.trouble(ctx, href, err)
		}
		return err
	})
	return text, err
}

// again does something until it succeeds or trying again is of no use.
func (w *web) again(ctx context.Context, do func() error) error {
	pause := w.pause
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || !errors.Is(err, errTransient) || attempt == w.attempts {
			return err
		}
		if w.retrying != nil {
			w.retrying(fmt.Errorf("%w; trying again, %d of %d", err, attempt+1, w.attempts))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause *= 2
	}
}

// file returns the file from the cache, where it is put if it is not there, or if
// it is to be read again.
func (w *web) file(ctx context.Context, want wanted) (*os.File, error) {
	final := filepath.Join(w.cache, filepath.FromSlash(want.cacheName))
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return nil, err
	}
	lock, err := flock.Take(ctx, final+flock.Suffix, flock.Exclusive)
	if err != nil {
		return nil, err
	}
	defer lock.Remove()
	part := final + ".part"
	if w.reread {
		// Nor is what an earlier run began.
		if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	} else if f, err := os.Open(final); err == nil {
		if check(f, want.kind, want.sum, want.size, want.limit) == nil {
			return f, nil
		}
		f.Close()
		if err := os.Remove(final); err != nil { // whoever damaged it
			return nil, err
		}
	}
	err = w.again(ctx, func() error { return w.download(ctx, want, part) })
	if err != nil {
		return nil, err
	}
	if err := os.Rename(part, final); err != nil {
		return nil, err
	}
	return os.Open(final)
}

// download completes the file at part. One that turns out to be another file
// is removed; the error wraps repomd.ErrChecksum then.
func (w *web) download(ctx context.Context, want wanted, part string) (err error) {
	f, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if errors.Is(err, repomd.ErrChecksum) || errors.Is(err, fs.ErrNotExist) {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	resumed := have > 0
	if have < want.limit || have == 0 {
		if err := w.fill(ctx, want, f, have); err != nil {
			return err
		}
	}
	err = check(f, want.kind, want.sum, want.size, want.limit)
	if errors.Is(err, repomd.ErrChecksum) && resumed {
		// What was there may have been of another file: once more from the start.
		if err := f.Truncate(0); err != nil {
			return err
		}
		if err := w.fill(ctx, want, f, 0); err != nil {
			return err
		}
		err = check(f, want.kind, want.sum, want.size, want.limit)
	}
	if err != nil {
		return err
	}
	return f.Sync()
}

// fill fetches the file from an offset on, or all of it from a server that
// knows no ranges.
func (w *web) fill(ctx context.Context, want wanted, f *os.File, from int64) error {
	answer, err := w.get(ctx, want.href, from)
	if errors.Is(err, errRange) {
		from = 0
		answer, err = w.get(ctx, want.href, 0)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusPartialContent {
		from = 0
	}
	if err := f.Truncate(from); err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(f, from), io.LimitReader(answer.Body, want.limit-from+1))
	switch {
	case err != nil:
		return w.trouble(ctx, want.href, err)
	case n > want.limit-from:
		return fmt.Errorf("get %s: more than the %d bytes that are expected: %w", want.href, want.limit, repomd.ErrChecksum)
	}
	return nil
}
