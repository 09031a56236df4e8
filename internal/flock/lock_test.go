package flock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x"+Suffix)
	free := func(how int) bool {
		l := must(Try(path, how))(t)
		if l == nil {
			return false
		}
		l.Release()
		return true
	}
	first, second := must(Try(path, Shared))(t), must(Try(path, Shared))(t)
	if first == nil || second == nil || free(Exclusive) {
		t.Fatal("a shared lock is for several, and excludes an exclusive one")
	}
	first.Release()
	if free(Exclusive) {
		t.Error("an exclusive lock while somebody shares it")
	}
	second.Release()

	alone := must(Try(path, Exclusive))(t)
	if alone == nil || free(Shared) || free(Exclusive) {
		t.Fatal("an exclusive lock is for one")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := Take(ctx, path, Shared); !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
	// Who waits for a lock whose file is removed gets one at the same path
	// that excludes others.
	got := make(chan *Lock)
	go func() {
		l, err := Take(t.Context(), path, Exclusive)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	alone.Remove()
	if l := <-got; l != nil {
		if free(Shared) {
			t.Error("a lock of a removed file")
		}
		l.Release()
	}
	if _, err := Try(filepath.Join(path, "x"), Shared); err == nil {
		t.Error("a lock in a file")
	}
}

// must returns a value, or ends the test: must(f())(t).
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
