package queue

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
)

// hold takes a lease that is renewed every 20 ms and given up after 200 ms.
func hold(t *testing.T, pool *pgxpool.Pool) (held context.Context, stop context.CancelFunc, done <-chan struct{}) {
	t.Helper()
	process, err := ThisProcess()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	lease := &Lease{
		Pool: pool, ClientID: "host-1", Process: process, Logger: slog.New(slog.DiscardHandler),
		every: 20 * time.Millisecond, fence: 200 * time.Millisecond,
	}
	held, done, err = lease.Hold(ctx)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); <-done })
	return held, stop, done
}

func countLeases(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	leases, err := db.New(pool).ListLeases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(leases)
}

// ended waits until a channel is closed.
func ended(t *testing.T, what string, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: not within 20 s", what)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()

	t.Run("is renewed for as long as its process works", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		held, _, _ := hold(t, pool)
		first, err := db.New(pool).ListLeases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for deadline := time.Now().Add(20 * time.Second); ; <-ticker.C {
			now, err := db.New(pool).ListLeases(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if now[0].SeenAt.After(first[0].SeenAt) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the lease was not renewed within 20 s")
			}
		}
		if held.Err() != nil {
			t.Errorf("the lease ended: %v", context.Cause(held))
		}
	})

	t.Run("is dropped when its process stops", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		held, stop, done := hold(t, pool)
		stop()
		ended(t, "the lease is dropped", done)
		if n := countLeases(t, pool); n != 0 {
			t.Errorf("%d leases are left, want none", n)
		}
		if errors.Is(context.Cause(held), ErrLostLease) {
			t.Error("a stop counts as a lost lease")
		}
	})

	t.Run("that others took away ends the work of its process", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		held, _, _ := hold(t, pool)
		if err := db.New(pool).DropLease(t.Context(), "host-1"); err != nil {
			t.Fatal(err)
		}
		ended(t, "the work ends", held.Done())
		if !errors.Is(context.Cause(held), ErrLostLease) {
			t.Errorf("it ends with %v, want ErrLostLease", context.Cause(held))
		}
	})

	t.Run("that can't be renewed ends the work of its process and is left to the reaper", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		// Dropping the lease would still be possible.
		for _, sql := range []string{
			"create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$",
			"create trigger refuse before update on leases for each row execute function refuse()",
		} {
			if _, err := pool.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		held, _, done := hold(t, pool)
		ended(t, "the work ends", held.Done())
		if !errors.Is(context.Cause(held), ErrLostLease) {
			t.Errorf("it ends with %v, want ErrLostLease", context.Cause(held))
		}
		ended(t, "renewing ends", done)
		if n := countLeases(t, pool); n != 1 {
			t.Errorf("%d leases are left, want the lost one: without it the work is given away at once", n)
		}
	})

	t.Run("is fenced well before others give its process up", func(t *testing.T) {
		t.Parallel()
		// The last renewal that could begin within fenceAfter takes renewEvery
		// to fail, and so does the one after it.
		if longest := fenceAfter + renewEvery; longest >= deadAfter {
			t.Errorf("a process stops up to %s after its last renewal, others take its work after %s", longest, deadAfter)
		}
	})
}

func TestGone(t *testing.T) {
	t.Parallel()
	us, err := ThisProcess()
	if err != nil {
		t.Fatal(err)
	}
	lease := func(edit func(*db.ListLeasesRow)) db.ListLeasesRow {
		row := db.ListLeasesRow{
			Host: us.Host, BootID: us.BootID, PidNamespace: us.PIDNamespace, Pid: int32(us.PID), PidStart: int64(us.Start), UnseenSeconds: 1,
		}
		edit(&row)
		return row
	}
	child := exec.CommandContext(t.Context(), "true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	// A process that has ended and that nobody has waited for.
	zombie := exec.CommandContext(t.Context(), "cat")
	stdin, err := zombie.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zombie.Wait() })
	start, err := processStart(zombie.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(time.Millisecond)
	t.Cleanup(ticker.Stop)
	for deadline := time.Now().Add(20 * time.Second); ; <-ticker.C {
		if _, err := processStart(zombie.Process.Pid); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("cat did not end within 20 s")
		}
	}

	for _, test := range []struct {
		name string
		edit func(*db.ListLeasesRow)
		want bool
	}{
		{"a living process is not", func(*db.ListLeasesRow) {}, false},
		{"a process that has ended is", func(l *db.ListLeasesRow) { l.Pid = int32(child.Process.Pid) }, true},
		{"a process nobody has waited for is", func(l *db.ListLeasesRow) {
			l.Pid, l.PidStart = int32(zombie.Process.Pid), int64(start)
		}, true},
		{"a pid that another process has now is", func(l *db.ListLeasesRow) { l.PidStart-- }, true},
		{"a pid of another namespace means nothing", func(l *db.ListLeasesRow) {
			l.Pid, l.PidNamespace = int32(child.Process.Pid), "pid:[1]"
		}, false},
		{"a pid of another host means nothing", func(l *db.ListLeasesRow) {
			l.Pid, l.Host, l.BootID = int32(child.Process.Pid), "other.example.org", "another"
		}, false},
		{"what ran before our host booted again is", func(l *db.ListLeasesRow) { l.BootID, l.UnseenSeconds = "before", 11 }, true},
		{"another machine of our name is not while it renews", func(l *db.ListLeasesRow) { l.BootID, l.UnseenSeconds = "another", 6 }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := us.gone(lease(test.edit)); got != test.want {
				t.Errorf("gone is %t, want %t", got, test.want)
			}
		})
	}
}
