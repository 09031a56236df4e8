package remote

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// head is the beginning of a request about the attempt of a host, with a body of
// so many bytes.
func (l *liar) head(method, what string, body int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: hub\r\n%s: %s\r\nAuthorization: Bearer %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n",
		method, taskPath(l.claim, what), headerSession, l.session, l.token, headerSHA256, sumOf(nil), body)
}

// second is the host with an attempt of the n-th build.
func (l *liar) second(tb testing.TB, n int) *liar {
	tb.Helper()
	other := *l
	build := l.b.Start(tb, l.b.NewBuild(n))
	other.claim = queuetest.Give(tb, l.b.Pool, queue.Holder{ID: l.id, ClientID: l.session}, queuetest.Task(tb, l.b.Pool, build, queue.MethodBuildSRPM, ""))
	var begun beginAnswer
	other.mustPost(tb, taskPath(other.claim, "begin"), nil, &begun)
	other.token = begun.Token
	return &other
}

// TestRequestsAtOnce holds as many requests of a kind as the hub answers at a
// time. One more is refused, another attempt's or host's is not, and the host
// lives.
func TestRequestsAtOnce(t *testing.T) {
	t.Parallel()
	phase := func(tb testing.TB, l *liar) (int, problem) {
		return l.post(tb, taskPath(l.claim, "phase"), phaseMessage{Phase: builders.PhaseSRPM})
	}
	repomd := func(tb testing.TB, l *liar) (int, problem) {
		return l.send(tb, http.MethodGet, taskPath(l.claim, "repos/0/repodata/repomd.xml"), nil, nil)
	}
	for name, test := range map[string]struct {
		at   func(l *liar) place
		most int
		// held is a request that takes as long as its connection lasts.
		held func(l *liar) string
		// more is one too many.
		more func(tb testing.TB, l *liar) (int, problem)
	}{
		"Messages of a host": {
			func(l *liar) place { return place{host: l.id, kind: kindMessage} }, 5,
			func(l *liar) string { return l.head("POST", "phase", 100) }, phase,
		},
		"Ends of an attempt": {
			func(l *liar) place { return place{host: l.id, kind: kindEnd, claim: l.claim} }, maxEndsOfAttempt,
			func(l *liar) string { return l.head("POST", "finish", 100) },
			func(tb testing.TB, l *liar) (int, problem) {
				return l.post(tb, taskPath(l.claim, "refuse"), reasonMessage{Reason: "no"})
			},
		},
		"Checkouts for an attempt": {
			func(l *liar) place { return place{host: l.id, kind: kindSources, claim: l.claim} }, maxSourcesOfAttempt,
			func(l *liar) string { return l.head("GET", "sources", 0) },
			func(tb testing.TB, l *liar) (int, problem) {
				return l.send(tb, http.MethodGet, taskPath(l.claim, "sources"), nil, nil)
			},
		},
		"Files of repositories for an attempt": {
			func(l *liar) place { return place{host: l.id, kind: kindRepo, claim: l.claim} }, maxDownloadsOfAttempt,
			func(l *liar) string { return l.head("GET", "repos/0/large", 0) }, repomd,
		},
		"Results of an attempt": {
			func(l *liar) place { return place{host: l.id, kind: kindUpload, claim: l.claim} }, maxUploadsOfAttempt,
			func(l *liar) string { return l.head("PUT", "results/"+newSecret()+".rpm", 100) },
			func(tb testing.TB, l *liar) (int, problem) { return l.put(tb, "a.rpm", nil, sumOf(nil)) },
		},
		"Results of one name": {
			func(l *liar) place { return place{l.id, kindUpload, l.claim, "a.rpm"} }, 1,
			func(l *liar) string { return l.head("PUT", "results/a.rpm", 100) },
			func(tb testing.TB, l *liar) (int, problem) { return l.put(tb, "%61.rpm", nil, sumOf(nil)) },
		},
		"Files of a host": {
			func(l *liar) place { return place{host: l.id, kind: kindFile} }, 10,
			func(l *liar) string { return l.head("GET", "repos/0/large", 0) }, repomd,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(s *Server) {
				s.MaxRequests = 5
				if name == "Files of a host" {
					s.MaxFiles = 10
				}
			})
			b.largeFile(t)
			b.onSources = func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}
			l, stranger := newLiar(t, b, "far-1"), newLiar(t, b, "far-2")
			l.begin(t)
			second, third := l.second(t, 2), stranger.second(t, 3)
			at := test.at(l)
			var end []func() error
			hold := func(l *liar) { end = append(end, dial(t, l, test.held(l)).Close) }
			for range test.most {
				hold(l)
			}
			b.awaitActive(t, at, test.most)
			if status, p := test.more(t, l); status != http.StatusTooManyRequests || p.Code != codeBusy {
				t.Errorf("one too many: %d %+v", status, p)
			}
			hold(third)
			b.awaitActive(t, test.at(third), 1)
			if other := test.at(second); other != at { // the bound is each attempt's
				hold(second)
				b.awaitActive(t, other, 1)
			}
			if status, p := l.post(t, Prefix+"heartbeat", queue.HostStatus{Running: []queue.Claim{l.claim, second.claim}}); status != http.StatusOK {
				t.Errorf("a heartbeat: %d %+v", status, p)
			}
			for _, end := range end {
				if err := end(); err != nil {
					t.Error(err)
				}
			}
			b.awaitActive(t, at, 0)
		})
	}
}

// TestDriversThatFetchMuch asks for more files at a time than the hub answers:
// all arrive.
func TestDriversThatFetchMuch(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.largeFile(t)
	h := b.newBuilder(t, "far-1", b.driver(t, nil))
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	build := b.Start(t, b.NewBuild(1))
	claim := queuetest.Give(t, b.Pool, queue.Holder{ID: h.id, ClientID: h.client.session}, queuetest.Task(t, b.Pool, build, queue.MethodBuildSRPM, ""))
	begun, err := h.client.Begin(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	defer begun.Close()
	a := begun.(*attempt)
	const files = 2 * maxDownloadsOfAttempt
	errs, held := make(chan error, files), make(chan struct{})
	for range files {
		go func() {
			response, err := a.getOfRepo(t.Context(), "0", "large", nil)
			if err == nil {
				<-held
				err = response.Body.Close()
			}
			errs <- err
		}()
	}
	b.awaitActive(t, place{host: h.id, kind: kindRepo, claim: claim}, maxDownloads)
	close(held)
	for range files {
		if err := receive(t, "a file", errs); err != nil {
			t.Error(err)
		}
	}
}

// largeFile puts a file into the repository of the build tag that is more than
// connections hold while nobody reads.
func (b *bundle) largeFile(tb testing.TB) {
	tb.Helper()
	file, err := os.Create(filepath.Join(b.repoDir(), "large"))
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(1 << 30); err != nil {
		tb.Fatal(err)
	}
}
