package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds the wait a forge may ask for.
const maxRetryAfter = 24 * time.Hour

// maxMessage bounds a forge's own words in an error, in characters.
const maxMessage = 200

// Refusal is an API answer that is not a success.
type Refusal struct {
	StatusCode int
	Header     http.Header
	// Message is the forge's own explanation, or empty. It is made one short
	// line before it is shown.
	Message string
	// Permission names what the token must be allowed to do.
	Permission string
	// Token is struck out of Message, in case the forge echoes it.
	Token string
	// Now is when the answer arrived; Retry-After may be a date.
	Now time.Time
}

// Err maps the answer to the errors of Forge.SetStatus: *RetryError for 429,
// for 5xx, 408 and for a 403 that is a rate limit; ErrNotFound for 404 and 410;
// any other error otherwise.
func (r Refusal) Err() error {
	cause := r.text()
	switch {
	case r.StatusCode == http.StatusNotFound || r.StatusCode == http.StatusGone:
		return fmt.Errorf("%w: %w", ErrNotFound, cause)
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusRequestTimeout ||
		r.StatusCode >= 500 || r.StatusCode == http.StatusForbidden && r.rateLimited():
		return &RetryError{After: r.retryAfter(), Err: cause}
	default:
		return cause
	}
}

func (r Refusal) text() error {
	message := r.Message
	if r.Token != "" {
		message = strings.ReplaceAll(message, r.Token, "[token]")
	}
	text := "answer " + strconv.Itoa(r.StatusCode)
	if message = cutLine(message, maxMessage); message != "" {
		text += ": " + message
	}
	switch r.StatusCode {
	case http.StatusUnauthorized:
		text += " (the token is not valid; it needs " + r.Permission + ")"
	case http.StatusForbidden:
		text += " (the token needs " + r.Permission + ")"
	}
	return errors.New(text)
}

// rateLimited tells a 403 that means "later" from one that means "never".
// GitHub answers both limits with 403 (REST API, "Rate limits"): the primary
// one with x-ratelimit-remaining 0, the secondary one with retry-after or only
// in words.
func (r Refusal) rateLimited() bool {
	return r.Header.Get("Retry-After") != "" || r.Header.Get("X-Ratelimit-Remaining") == "0" ||
		strings.Contains(strings.ToLower(r.Message), "rate limit")
}

// retryAfter reads Retry-After in seconds or as a date (RFC 9110 §10.2.3), and
// GitHub's x-ratelimit-reset, a Unix time, where there is none.
func (r Refusal) retryAfter() time.Duration {
	value := r.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return boundWait(seconds)
	}
	if date, err := http.ParseTime(value); err == nil {
		return boundWait(int64(date.Sub(r.Now).Seconds()))
	}
	if r.Header.Get("X-Ratelimit-Remaining") != "0" {
		return 0
	}
	reset, err := strconv.ParseInt(r.Header.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	return boundWait(reset - r.Now.Unix())
}

func boundWait(seconds int64) time.Duration {
	seconds = min(max(seconds, 0), int64(maxRetryAfter/time.Second))
	return time.Duration(seconds) * time.Second
}

// ConnectionError maps an error of http.Client.Do: a caller who gave up gets
// his context's error back, everything else, a time-out too, is *RetryError.
func ConnectionError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
	return &RetryError{Err: fmt.Errorf("no answer: %w", err)}
}
