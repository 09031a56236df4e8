package forge_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/forge"
)

func TestRefusal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	waits := []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"nothing said", nil, 0},
		{"seconds", header("Retry-After", "90"), 90 * time.Second},
		{"a date", header("Retry-After", now.Add(2*time.Minute).Format(http.TimeFormat)), 2 * time.Minute},
		{"a date in the past", header("Retry-After", now.Add(-time.Hour).Format(http.TimeFormat)), 0},
		{"GitHub's reset", header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795168860"), time.Minute},
		{"a reset in the past", header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1"), 0},
		{"a reset while requests remain", header("X-RateLimit-Remaining", "9", "X-RateLimit-Reset", "1795168860"), 0},
		{"a reset far away", header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "9223372036854775807"), 24 * time.Hour},
		{"a garbled reset", header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "x"), 0},
	}
	for _, tt := range waits {
		t.Run("a wait with "+tt.name, func(t *testing.T) {
			t.Parallel()
			err := forge.Refusal{StatusCode: 429, Header: tt.header, Now: now}.Err()
			again, ok := errors.AsType[*forge.RetryError](err)
			if !ok || again.After != tt.want {
				t.Errorf("Err = %v, want to wait %s", err, tt.want)
			}
		})
	}
	t.Run("the forge's words are one short line without the token", func(t *testing.T) {
		t.Parallel()
		err := forge.Refusal{StatusCode: 403, Message: "t0ken\n\x1b[31m" + strings.Repeat("x", 1000), Token: "t0ken", Permission: "everything"}.Err()
		text := err.Error()
		if strings.Contains(text, "t0ken") || strings.ContainsAny(text, "\n\x1b") || len(text) > 300 || !strings.Contains(text, "the token needs everything") {
			t.Errorf("Err = %q", text)
		}
	})
}

func TestConnectionError(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	if _, ok := errors.AsType[*forge.RetryError](forge.ConnectionError(t.Context(), cause)); !ok {
		t.Error("a refused connection is not *forge.RetryError")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("shutting down")
	cancel(reason)
	err := forge.ConnectionError(ctx, context.Canceled)
	if _, ok := errors.AsType[*forge.RetryError](err); ok || !errors.Is(err, reason) {
		t.Errorf("ConnectionError after cancel = %v, want the caller's reason", err)
	}
}
