package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/queue"
)

// attempt is an attempt at this host. It implements buildhost.Attempt.
type attempt struct {
	client *Client
	work   builders.Work
	token  string
	logs   *logStream
	// sums are the results whose digest is known.
	sums map[string]builders.Upload
	// shared ends the sharing of repositories with drivers.
	shared []func()
	// downloads holds a place for each file of a repository that is being fetched.
	downloads chan struct{}
}

// maxDownloads is how many files of the hub's repositories an attempt fetches at a
// time. Drivers that ask for more wait: the hub would refuse them.
const maxDownloads = 16

// newAttempt makes an attempt from the hub's answer.
func newAttempt(ctx context.Context, c *Client, answer beginAnswer) (*attempt, error) {
	a := &attempt{
		client: c, work: answer.Work, token: answer.Token, sums: map[string]builders.Upload{}, downloads: make(chan struct{}, maxDownloads),
	}
	dir := filepath.Join(c.LogDir, strconv.FormatInt(a.work.TaskID, 10)+"-"+strconv.FormatInt(int64(a.work.Attempt), 10))
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, fmt.Errorf("remote: make directory for logs: %w", err)
	}
	a.logs = startLogs(ctx, a, dir)
	return a, nil
}

// Work implements buildhost.Attempt. Drivers can read its repositories once the
// attempt is prepared.
func (a *attempt) Work() builders.Work { return a.work }

// post sends a message about the attempt.
func (a *attempt) post(ctx context.Context, what string, message any) error {
	return a.client.post(ctx, a.client.HTTP, taskPath(a.work.Claim, what), a.token, message, nil)
}

// get asks for a file of the attempt.
func (a *attempt) get(ctx context.Context, what string, header http.Header) (*http.Response, error) {
	r, err := a.client.request(ctx, http.MethodGet, taskPath(a.work.Claim, what), a.token, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return a.client.do(a.client.Files, r)
}

// Prepare implements buildhost.Attempt.
func (a *attempt) Prepare(ctx context.Context, dir string) (string, error) {
	most := cmp.Or(a.client.retryFor, retryFor)
	if err := again(ctx, most, func() error { return a.shareRepos(ctx) }); err != nil {
		return "", err
	}
	if a.work.Method == queue.MethodBuildSRPM {
		return filepath.Join(dir, builders.SourcesDir), again(ctx, most, func() error { return a.fetchSources(ctx, dir) })
	}
	path := filepath.Join(dir, "source.src.rpm")
	return path, again(ctx, most, func() error { return a.fetchSourcePackage(ctx, path) })
}

// shareRepos gives the repositories of the work URLs of this host.
func (a *attempt) shareRepos(ctx context.Context) error {
	a.unshare()
	repos := slices.Clone(a.work.Root.Repos)
	for i, repo := range repos {
		source := a.client.Repos.external(repo.URL)
		if place, ok := strings.CutPrefix(repo.URL, hubScheme); ok {
			source = repoSource{ofHub: true, get: func(ctx context.Context, path string, header http.Header) (*http.Response, error) {
				return a.getOfRepo(ctx, place, path, header)
			}}
		}
		url, end, err := a.client.Repos.share(ctx, source)
		if err != nil {
			return fmt.Errorf("remote: share repository %s: %w", repo.Name, err)
		}
		a.shared, repos[i].URL = append(a.shared, end), url
	}
	a.work.Root.Repos = repos
	return nil
}

// getOfRepo asks for a file of a repository of the hub, when fewer are being
// fetched than may be. The place is free again when the body is closed.
func (a *attempt) getOfRepo(ctx context.Context, repo, path string, header http.Header) (*http.Response, error) {
	select {
	case a.downloads <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	free := sync.OnceFunc(func() { <-a.downloads })
	response, err := a.get(ctx, "repos/"+repo+"/"+path, header)
	if err != nil {
		free()
		return nil, err
	}
	response.Body = download{response.Body, free}
	return response, nil
}

// download is the body of a file of a repository.
type download struct {
	io.ReadCloser
	free func()
}

// Close implements io.Closer.
func (d download) Close() error {
	defer d.free()
	return d.ReadCloser.Close()
}

func (a *attempt) unshare() {
	for _, end := range a.shared {
		end()
	}
	a.shared = nil
}

// Logs implements buildhost.Attempt.
func (a *attempt) Logs() (string, error) { return a.logs.dir, nil }

// Phase implements buildhost.Attempt. The hub is told soon, and before the
// attempt's end.
func (a *attempt) Phase(_ context.Context, phase builders.Phase) { a.logs.note(phase) }

// flushTime is how long the end of an attempt waits for its logs to arrive.
const flushTime = time.Minute

// Finish implements buildhost.Attempt.
func (a *attempt) Finish(ctx context.Context, outcome builders.Outcome, dir string) error {
	a.logs.flush(ctx, flushTime)
	files, err := a.upload(ctx, dir)
	if err == nil {
		err = a.post(ctx, "finish", finishMessage{Outcome: outcome, Results: files})
	}
	if err == nil || passing(err) || errors.Is(err, queue.ErrLostAttempt) {
		return err
	}
	// The hub will not take this, however often it is told.
	return a.Fail(ctx, builders.Explain(err))
}

// Fail implements buildhost.Attempt.
func (a *attempt) Fail(ctx context.Context, failure builders.Failure) error {
	a.logs.flush(ctx, flushTime)
	failure.Reason, failure.Err = failure.Error(), nil
	failure.Ended = diagnosis.Exit{} // the hub reads no log again
	if failure.Finding != nil {
		bounded := failure.Finding.Bounded()
		failure.Finding = &bounded
	}
	return settled(a.post(ctx, "fail", failMessage{Failure: failure}))
}

// Release implements buildhost.Attempt.
func (a *attempt) Release(ctx context.Context, reason string) error {
	a.logs.flush(ctx, time.Second)
	return settled(a.post(ctx, "release", reasonMessage{Reason: reason}))
}

// Refuse implements buildhost.Attempt.
func (a *attempt) Refuse(ctx context.Context, reason string) error {
	return settled(a.post(ctx, "refuse", reasonMessage{Reason: reason}))
}

// settled is the error of an end that is told again while it may be taken. What
// the hub will never take makes the attempt a lost one: the hub gives it to
// another host when this one does not speak of it any more.
func settled(err error) error {
	if err == nil || passing(err) || errors.Is(err, queue.ErrLostAttempt) {
		return err
	}
	return fmt.Errorf("%w: %w", queue.ErrLostAttempt, err)
}

// Close implements buildhost.Attempt.
func (a *attempt) Close() {
	a.unshare()
	a.logs.close()
}
