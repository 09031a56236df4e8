package rootfs

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x"+lockSuffix)
	free := func(how int) bool {
		l := must(tryLock(path, how))(t)
		if l == nil {
			return false
		}
		l.release()
		return true
	}
	first, second := must(tryLock(path, shared))(t), must(tryLock(path, shared))(t)
	if first == nil || second == nil || free(exclusive) {
		t.Fatal("a shared lock is for several, and excludes an exclusive one")
	}
	first.release()
	if free(exclusive) {
		t.Error("an exclusive lock while somebody shares it")
	}
	second.release()

	alone := must(tryLock(path, exclusive))(t)
	if alone == nil || free(shared) || free(exclusive) {
		t.Fatal("an exclusive lock is for one")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := takeLock(ctx, path, shared); !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
	// Who waits for a lock whose file is removed gets one at the same path
	// that excludes others.
	got := make(chan *lock)
	go func() {
		l, err := takeLock(t.Context(), path, exclusive)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	alone.remove()
	if l := <-got; l != nil {
		if free(shared) {
			t.Error("a lock of a removed file")
		}
		l.release()
	}
	if _, err := tryLock(filepath.Join(path, "x"), shared); err == nil {
		t.Error("a lock in a file")
	}
}
