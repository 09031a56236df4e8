package distgit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// keyedLocks hands out one lock per path, within the process or, by flock,
// between processes too. The zero value is ready; it must not be copied.
type keyedLocks struct {
	mu     sync.Mutex
	queues map[string]*lockQueue
}

// lockQueue is the holder of one path and those who wait for it.
type lockQueue struct {
	holder chan struct{} // full while somebody holds the path
	users  int           // holder and waiters; the queue goes with the last
}

// turn waits until path is ours in this process or ctx is done.
func (k *keyedLocks) turn(ctx context.Context, path string) (unlock func(), err error) {
	k.mu.Lock()
	if k.queues == nil {
		k.queues = make(map[string]*lockQueue)
	}
	queue, ok := k.queues[path]
	if !ok {
		queue = &lockQueue{holder: make(chan struct{}, 1)}
		k.queues[path] = queue
	}
	queue.users++
	k.mu.Unlock()

	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if queue.users--; queue.users == 0 {
			delete(k.queues, path)
		}
	}
	select {
	case queue.holder <- struct{}{}:
		return func() { <-queue.holder; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for the lock of %s: %w", path, ctx.Err())
	}
}

// lock waits until path is ours among all processes or ctx is done. The lock
// file path+".lock" is never removed: removing it would let two processes hold
// two different files of that name. The kernel drops the lock of a process that
// dies.
func (k *keyedLocks) lock(ctx context.Context, path string) (unlock func(), err error) {
	endTurn, err := k.turn(ctx, path)
	if err != nil {
		return nil, err
	}
	file, err := flock(ctx, path+".lock")
	if err != nil {
		endTurn()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() {
		_ = file.Close() // closing drops the flock
		endTurn()
	}, nil
}

// flockInterval is how often another process's lock is looked at.
const flockInterval = 50 * time.Millisecond

// flock opens name and locks it exclusively. It asks again and again instead of
// blocking in the kernel, so that ctx can end the wait.
func flock(ctx context.Context, name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(flockInterval)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		}
	}
}
