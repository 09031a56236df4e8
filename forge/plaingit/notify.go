package plaingit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/distbot/distbot/forge"
)

// Notifier is the sending end: what runs inside a repository's post-receive
// hook. Its zero values are good but for RepoDir and Config. One Notifier is
// used by one goroutine; any number of processes may send for one repository.
//
// A push is first written to the repository's SpoolDir and deleted there only
// when distbot has taken it, so neither a distbot that is down nor a hook that
// is killed loses one. Two hooks that meet may send the same delivery twice,
// with the same id.
type Notifier struct {
	// RepoDir is the bare repository.
	RepoDir string
	Config  HookConfig
	// Pusher names who pushed; see Pusher.
	Pusher string
	// Terminal is what git shows to the pusher, each line after "remote: ".
	// Discarded by default.
	Terminal io.Writer
	// HTTPClient posts the deliveries. Its redirect policy is replaced: a
	// redirect is never followed. A client without a time-out by default;
	// Patience bounds it.
	HTTPClient *http.Client
	// Patience is how long a push may be held up in all; 5 seconds by default.
	Patience time.Duration
	// Pause is the wait before the second attempt; it doubles from then on.
	// 200 milliseconds by default.
	Pause time.Duration
	// Now is the clock for the order of the spool; time.Now by default.
	Now func() time.Time
}

// Pusher returns who is pushing, by the variables that gitolite, git's HTTP
// backend and a login shell set for a hook, or the empty string.
func Pusher(getenv func(string) string) string {
	for _, name := range []string{"GL_USER", "REMOTE_USER", "LOGNAME", "USER"} {
		if value := getenv(name); value != "" {
			return forge.CutDescription(value)
		}
	}
	return ""
}

// Notify reads git's "OLD NEW REF" lines and posts one signed delivery for
// each, after those that wait from earlier pushes. An error means that not
// everything was delivered; the terminal has been told, and whether it will be
// sent again. Git ignores how a post-receive hook ends, and so should the
// caller: a push never fails because of distbot.
func (n *Notifier) Notify(ctx context.Context, stdin io.Reader) error {
	p, err := readPush(stdin, n.Pusher)
	if err != nil {
		n.say("this push is not reported: %v", err)
		return fmt.Errorf("plaingit: read push: %w", err)
	}
	if len(p.Updates) == 0 {
		return nil
	}
	repo, err := os.OpenRoot(n.RepoDir)
	if err != nil {
		n.say("this push is not reported: %v", err)
		return fmt.Errorf("plaingit: open repository: %w", err)
	}
	defer repo.Close()
	ctx, cancel := n.patience(ctx)
	defer cancel()
	if err := (spool{repo}).add(p, n.now()); err != nil {
		// A full disk must not keep the news from distbot.
		if failed := n.sendNow(ctx, p); failed != nil {
			n.say("this push is not reported and could not be kept: %v; push again later", err)
			return fmt.Errorf("plaingit: keep push: %w", errors.Join(err, failed))
		}
		return nil
	}
	return n.flush(ctx, spool{repo})
}

// Flush sends what waits in the repository's spool.
func (n *Notifier) Flush(ctx context.Context) error {
	repo, err := os.OpenRoot(n.RepoDir)
	if err != nil {
		return fmt.Errorf("plaingit: open repository: %w", err)
	}
	defer repo.Close()
	ctx, cancel := n.patience(ctx)
	defer cancel()
	return n.flush(ctx, spool{repo})
}

// flush sends oldest first and stops at the first push that can't be sent, so
// that distbot hears of them in order.
func (n *Notifier) flush(ctx context.Context, s spool) error {
	names, err := s.list()
	if err != nil {
		return fmt.Errorf("plaingit: list spool: %w", err)
	}
	for i, name := range names {
		if err := n.sendSpooled(ctx, s, name); err != nil {
			n.say("%v", err)
			n.say("git has taken your push; %d push(es) wait in %s and are sent with the next one", len(names)-i, SpoolDir)
			n.say("when it starts, and from time to time, distbot also looks for new commits on the branches it has seen before")
			return fmt.Errorf("plaingit: deliver: %w", err)
		}
	}
	return nil
}

func (n *Notifier) sendSpooled(ctx context.Context, s spool, name string) error {
	p, err := s.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		n.say("%s is damaged and set aside", name)
		return s.setAside(name)
	}
	if err := n.sendNow(ctx, p); err != nil {
		return err
	}
	return s.remove(name)
}

// sendNow posts each update of the push.
func (n *Notifier) sendNow(ctx context.Context, p push) error {
	secret, err := forge.ReadSecretFile(n.Config.SecretFile)
	if err != nil {
		return err
	}
	taken := 0
	for i, u := range p.Updates {
		// The repository is the one this hook was installed for, whatever a
		// file in the spool says.
		body, err := json.Marshal(payload{
			Repository: n.Config.Repository, Ref: u.Ref, Before: u.Before, After: u.After, Pusher: p.Pusher,
		})
		if err != nil {
			return err
		}
		err = n.post(ctx, delivery{id: fmt.Sprintf("%s-%d", p.ID, i), body: body, secret: secret})
		if refused, ok := errors.AsType[*refusedError](err); ok {
			n.say("%v: %s is not built", refused, forge.CutDescription(u.Ref))
			continue
		}
		if err != nil {
			return err
		}
		taken++
	}
	n.say("took %d of %d ref update(s) of %s", taken, len(p.Updates), n.Config.Repository)
	return nil
}

// delivery is one signed request.
type delivery struct {
	id     string
	body   []byte
	secret forge.Secret
}

// refusedError is an answer that the same delivery will always get.
type refusedError struct{ code int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("distbot refuses this delivery with answer %d", e.code)
}

// post sends the delivery until it is taken, refused, or ctx is over. Where
// nobody listens, nobody is waited for: a distbot that is down is down for
// longer than a pusher waits, and hears of the push all the same.
func (n *Notifier) post(ctx context.Context, d delivery) error {
	pause := n.Pause
	if pause <= 0 {
		pause = 200 * time.Millisecond
	}
	for {
		err := n.postOnce(ctx, d)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("distbot does not run at %s (connection refused)", n.Config.URL)
		}
		if _, again := errors.AsType[*forge.RetryError](err); !again {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
			pause *= 2
		}
	}
}

// postOnce returns nil when distbot took the delivery, *refusedError when it
// never will, *forge.RetryError when it may at once, and another error when a
// person has to mend something first.
func (n *Notifier) postOnce(ctx context.Context, d delivery) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Config.URL, bytes.NewReader(d.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "distbot-hook")
	req.Header.Set(EventHeader, EventPush)
	req.Header.Set(DeliveryHeader, d.id)
	req.Header.Set(SignatureHeader, signaturePrefix+forge.Sign(d.body, d.secret))
	resp, err := n.client().Do(req)
	if err != nil {
		return forge.ConnectionError(ctx, err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code >= 200 && code <= 299:
		return nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge,
		code == http.StatusUnsupportedMediaType, code == http.StatusUnprocessableEntity:
		return &refusedError{code: code}
	case code == http.StatusUnauthorized:
		return errors.New("distbot does not know the secret of this repository's hook")
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return &forge.RetryError{Err: fmt.Errorf("distbot answers %d", code)}
	default:
		return fmt.Errorf("distbot answers %d at the address of this repository's hook", code)
	}
}

func (n *Notifier) client() *http.Client {
	client := http.Client{}
	if n.HTTPClient != nil {
		client = *n.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (n *Notifier) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if n.Patience > 0 {
		return context.WithTimeout(ctx, n.Patience)
	}
	return context.WithTimeout(ctx, 5*time.Second)
}

func (n *Notifier) now() time.Time {
	if n.Now != nil {
		return n.Now()
	}
	return time.Now()
}

// say writes one line to the pusher's terminal. A terminal that went away is
// no reason to stop.
func (n *Notifier) say(format string, args ...any) {
	if n.Terminal != nil {
		_, _ = fmt.Fprintf(n.Terminal, "distbot: "+format+"\n", args...)
	}
}
