package forgetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/forge"
)

// exerciseFaults checks which error each failure becomes, and that no error
// shows the token.
func exerciseFaults(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Parallel()
	const final, retry, gone = "final", "retry", "gone"
	const echo = `{"message":"token TOKEN is odd"}`
	tests := []struct {
		name  string
		fault Fault
		want  string
		after time.Duration
	}{
		{"400", Fault{Status: 400, Body: echo}, final, 0},
		{"401", Fault{Status: 401, Body: echo}, final, 0},
		{"403", Fault{Status: 403, Body: echo}, final, 0},
		{"403 with Retry-After", Fault{Status: 403, Header: header("Retry-After", "7"), Body: echo}, retry, 7 * time.Second},
		{"403 of a primary rate limit", Fault{Status: 403, Header: header("X-Ratelimit-Remaining", "0"), Body: echo}, retry, 0},
		{"403 of a secondary rate limit", Fault{Status: 403, Body: `{"message":"You have exceeded a secondary rate limit"}`}, retry, 0},
		{"404", Fault{Status: 404, Body: echo}, gone, 0},
		{"410", Fault{Status: 410}, gone, 0},
		{"422", Fault{Status: 422, Body: echo}, final, 0},
		{"429", Fault{Status: 429}, retry, 0},
		{"429 with seconds", Fault{Status: 429, Header: header("Retry-After", "30")}, retry, 30 * time.Second},
		{"429 with a wait that never ends", Fault{Status: 429, Header: header("Retry-After", "99999999999")}, retry, 24 * time.Hour},
		{"429 with a wait in the past", Fault{Status: 429, Header: header("Retry-After", "-5")}, retry, 0},
		{"429 with a garbled wait", Fault{Status: 429, Header: header("Retry-After", "soon")}, retry, 0},
		{"500", Fault{Status: 500, Body: echo}, retry, 0},
		{"502 of a proxy", Fault{Status: 502, Body: "<html>bad gateway</html>"}, retry, 0},
		{"503 with seconds", Fault{Status: 503, Header: header("Retry-After", "5")}, retry, 5 * time.Second},
		{"504", Fault{Status: 504}, retry, 0},
		{"a connection that breaks", Fault{Drop: true}, retry, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is "+tt.want, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			server, repo := withServer(t, f)
			server.Fail(tt.fault)
			err := f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus)
			checkFault(t, err, tt.want)
			if server.ShowsSecret(err.Error()) {
				t.Errorf("SetStatus = %v: the error shows the token", err)
			}
			if again, ok := errors.AsType[*forge.RetryError](err); ok && again.After != tt.after {
				t.Errorf("asked to wait %s, want %s", again.After, tt.after)
			}
		})
	}
	exerciseUnreachable(t, setup)
	exerciseRedirects(t, setup)
	exerciseUnknown(t, setup)
}

func header(name, value string) http.Header { return http.Header{name: {value}} }

// checkFault fails unless the error is of this fate.
func checkFault(tb testing.TB, err error, want string) {
	tb.Helper()
	_, again := errors.AsType[*forge.RetryError](err)
	got := "final"
	switch {
	case err == nil:
		got = "no error"
	case again:
		got = "retry"
	case errors.Is(err, forge.ErrNotFound):
		got = "gone"
	}
	if got != want {
		tb.Errorf("SetStatus = %v, which is %s, want %s", err, got, want)
	}
	if err != nil && strings.Contains(err.Error(), WriteToken) {
		tb.Errorf("SetStatus = %v: the error shows the token", err)
	}
}

func exerciseUnreachable(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Run("a refused connection is retry", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		server.Close()
		checkFault(t, f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus), "retry")
	})
	t.Run("a forge that does not answer in time is retry", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		server.Fail(Fault{Hold: true})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := f.Forge.SetStatus(ctx, repo, commitA, sampleStatus)
		checkFault(t, err, "retry")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SetStatus = %v, want context.DeadlineExceeded", err)
		}
	})
	t.Run("a caller who gave up gets his own error", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		_, repo := withServer(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := f.Forge.SetStatus(ctx, repo, commitA, sampleStatus)
		checkFault(t, err, "final")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("SetStatus = %v, want context.Canceled", err)
		}
	})
	t.Run("an answer without end is not read", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		server.Fail(Fault{Status: http.StatusOK, Body: "[" + strings.Repeat(" ", 8<<20)})
		if got, err := f.Forge.Statuses(t.Context(), repo, commitA); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("Statuses = %v, %v, want an error about the size", got, err)
		}
	})
}

func exerciseRedirects(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Run("the status of a renamed repository arrives", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		server.Move(repo.FullName, "rpms/renamed")
		if err := f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus); err != nil {
			t.Fatalf("SetStatus = %v", err)
		}
		if got := server.Posted("rpms/renamed", commitA); len(got) != 1 {
			t.Errorf("statuses at the forge: %+v, want one", got)
		}
		if got, err := f.Forge.Statuses(t.Context(), repo, commitA); err != nil || len(got) != 1 {
			t.Errorf("Statuses = %+v, %v, want one", got, err)
		}
	})
	for _, code := range []int{301, 302, 307, 308} {
		t.Run("a redirect to another host gets neither token nor body", func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			reached := make(chan struct{}, 1)
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
			t.Cleanup(other.Close)
			server, repo := withServer(t, f)
			server.Fail(Fault{Status: code, Header: header("Location", other.URL+"/")})
			checkFault(t, f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus), "final")
			select {
			case <-reached:
				t.Error("the other host was asked")
			default:
			}
		})
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprintf("a status is not taken for sent after a redirect with %d", code), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			server, repo := withServer(t, f)
			// The place it leads to answers a GET with 200.
			target := strings.TrimPrefix(server.APIURL, server.URL) + "/repos/" + repo.FullName + "/commits/" + commitA + "/status"
			server.Fail(Fault{Status: code, Header: header("Location", target)})
			if err := f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus); err == nil {
				t.Error("SetStatus = nil, and no status was set")
			}
		})
	}
	t.Run("a redirect to itself ends", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		server, repo := withServer(t, f)
		for range 20 {
			server.Fail(Fault{Status: http.StatusTemporaryRedirect, Header: header("Location", "/again")})
		}
		checkFault(t, f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus), "final")
	})
}

func exerciseUnknown(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Run("an unknown commit is gone", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		_, repo := withServer(t, f)
		checkFault(t, f.Forge.SetStatus(t.Context(), repo, commitB, sampleStatus), "gone")
		if _, err := f.Forge.Statuses(t.Context(), repo, commitB); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("Statuses = %v, want ErrNotFound", err)
		}
	})
	t.Run("an unknown repository is gone", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		repo := f.Event.Repository
		checkFault(t, f.Forge.SetStatus(t.Context(), repo, commitA, sampleStatus), "gone")
	})
	t.Run("a token without write access is told what it needs", func(t *testing.T) {
		t.Parallel()
		f := setup(t)
		_, repo := withServer(t, f)
		for _, token := range []string{ReadToken, "no-such-token"} {
			err := f.WithToken(t, token).SetStatus(t.Context(), repo, commitA, sampleStatus)
			checkFault(t, err, "final")
			if err == nil || !strings.Contains(err.Error(), "the token") || strings.Contains(err.Error(), token) {
				t.Errorf("SetStatus = %v, want what the token needs without the token", err)
			}
		}
	})
}
