package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/distbot/distbot/builders"
)

// uploads is how many results of an attempt are sent at a time.
const uploads = 4

// upload sends the files that a driver left in dir and returns what they are.
// Those that the hub has are not sent again.
func (a *attempt) upload(ctx context.Context, dir string) ([]builders.Upload, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, local(err)
	}
	files := make([]builders.Upload, len(entries))
	for i, entry := range entries {
		if !entry.Type().IsRegular() {
			return nil, &builders.Failure{Phase: builders.PhaseVerify, Reason: fmt.Sprintf("the build left %q, which is no package", entry.Name())}
		}
		if files[i], err = a.sum(dir, entry.Name()); err != nil {
			return nil, err
		}
	}
	return files, a.sendAll(ctx, dir, files)
}

// sum reads what a result is.
func (a *attempt) sum(dir, name string) (builders.Upload, error) {
	if known, ok := a.sums[name]; ok {
		return known, nil
	}
	file, err := openRegular(filepath.Join(dir, name))
	if err != nil {
		return builders.Upload{}, err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return builders.Upload{}, local(err)
	}
	a.sums[name] = builders.Upload{Name: name, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}
	return a.sums[name], nil
}

func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	return file, local(err)
}

// sendAll sends files, several at a time and each until it works for as long as
// it may, and returns the first error.
func (a *attempt) sendAll(ctx context.Context, dir string, files []builders.Upload) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	places := make(chan struct{}, uploads)
	for _, file := range files {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-places }()
			// What goes wrong with one must not send the others from their beginning.
			err := again(ctx, cmp.Or(a.client.retryFor, retryFor), func() error { return a.send(ctx, dir, file) })
			if err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// errNoProgress says that nothing of a file could be sent, or that it was not
// answered, for as long as a message may wait.
var errNoProgress = fmt.Errorf("remote: the hub did not go on for %s", messageAnswer)

// send sends one file. The hub may take its time to store it once it has arrived,
// as it may for the answer to a message.
func (a *attempt) send(ctx context.Context, dir string, result builders.Upload) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	most := cmp.Or(a.client.answer, messageAnswer)
	timer := time.AfterFunc(most, func() { cancel(errNoProgress) })
	defer timer.Stop()
	body := func() (io.ReadCloser, error) {
		file, err := openRegular(filepath.Join(dir, result.Name))
		return sending{file, func() { timer.Reset(most) }}, err
	}
	file, err := body()
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := a.client.request(ctx, http.MethodPut, taskPath(a.work.Claim, "results/"+url.PathEscape(result.Name)), a.token, file)
	if err != nil {
		return err
	}
	r.GetBody = body
	if r.ContentLength = result.Size; result.Size == 0 {
		r.Body, r.GetBody = http.NoBody, nil
	}
	r.Header.Set(headerSHA256, result.SHA256)
	// The hub may have it, or not want it.
	r.Header.Set("Expect", "100-continue")
	// Read to its end the answer leaves the connection to the next file.
	return a.client.exchange(a.client.Files, r, nil)
}

// sending is a file that is being sent: each piece of it is progress.
type sending struct {
	file     *os.File
	progress func()
}

// Read implements io.Reader.
func (s sending) Read(p []byte) (int, error) {
	s.progress()
	return s.file.Read(p)
}

// Close implements io.Closer.
func (s sending) Close() error { return s.file.Close() }
