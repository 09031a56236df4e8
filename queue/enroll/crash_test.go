package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// processEnv makes the test binary a process that enrols or revokes b1 (see
// TestMain): what to do, the hub's database, the authority, the directory.
const processEnv = "ENROLL_TEST_PROCESS"

// patience bounds every wait of a test.
const patience = 30 * time.Second

// TestMain lets the test binary be run as another process, to be killed.
func TestMain(m *testing.M) {
	order, ok := os.LookupEnv(processEnv)
	if !ok {
		os.Exit(m.Run())
	}
	words := strings.Split(order, "\n")
	ctx := context.Background()
	registrar, _, err := open(ctx, words[1], words[2])
	if err == nil {
		switch words[0] {
		case "enroll", "force":
			_, err = registrar.Enroll(ctx, Request{Host: "b1", Dir: words[3], By: "test", Force: words[0] == "force"})
		case "revoke":
			_, err = registrar.Revoke(ctx, "b1", "test", "stolen")
		}
	}
	fmt.Println("not killed:", err)
	os.Exit(1)
}

// killed runs a process until so is true, and kills it.
func (o *office) killed(t *testing.T, what string, so func() bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), processEnv+"="+strings.Join([]string{what, o.url, o.caDir, o.dir}, "\n"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			_, _ = cmd.Process.Kill(), cmd.Wait()
			t.Fatalf("the process did not come so far in %v: %s", patience, &out)
		case <-tick.C:
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("the process ended by itself: %s", &out)
	}
}

// waiting reports whether a session waits for a lock of this kind.
func (o *office) waiting(t *testing.T, database, query string) func() bool {
	return func() bool {
		var n int
		err := o.Pool.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock' and query ilike $2",
			database, "%"+query+"%").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

// hold begins a transaction that keeps something locked; the result ends it.
func hold(t *testing.T, url, statement string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "begin; "+statement, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = conn.Close(context.Background()) }
	t.Cleanup(release)
	return release
}

// commitLock makes commits that touch credentials wait for a lock: files are
// written by then.
const commitLock = `
	create function wait_at_commit() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(4711); return null; end $$;
	create constraint trigger wait_at_commit after insert or update on host_credentials
		deferrable initially deferred for each row execute function wait_at_commit()`

func TestKilled(t *testing.T) {
	t.Parallel()

	t.Run("Before its commit, enrolling leaves nothing that counts, and is done by doing it again", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if _, err := o.Pool.Exec(t.Context(), commitLock, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		release := hold(t, o.url, "select pg_advisory_xact_lock(4711)")
		o.killed(t, "enroll", o.waiting(t, o.Queue.Hub, "commit"))
		// All files are there, and no table knows their certificate.
		if diff := cmp.Diff(len(Files()), len(o.files(t))); diff != "" {
			t.Errorf("number of files (-want +got):\n%s", diff)
		}
		o.end(t)
		release()
		o.fits(t, o.again(t))
		o.wantState(t, state{InForce: 1, Role: "login"})
	})

	t.Run("With its commit under way, it leaves a host that is enrolled", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if _, err := o.Pool.Exec(t.Context(), commitLock, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		release := hold(t, o.url, "select pg_advisory_xact_lock(4711)")
		o.killed(t, "enroll", o.waiting(t, o.Queue.Hub, "commit"))
		release()
		deadline := time.Now().Add(patience)
		for o.state(t).InForce == 0 {
			if time.Now().After(deadline) {
				t.Fatal("PostgreSQL does not finish what it was told")
			}
		}
		all, err := o.Credentials(t.Context(), "b1")
		if err != nil {
			t.Fatal(err)
		}
		o.fits(t, Enrolled{Fingerprint: all[0].Fingerprint})
		o.wantState(t, state{InForce: 1, Role: "login"})
		// Whoever does it again learns that nothing is missing.
		var enrolled *EnrolledError
		if _, err := o.enroll(t, nil); !errors.As(err, &enrolled) || enrolled.Dir != o.dir {
			t.Errorf("again: %v, want an *EnrolledError about %s", err, o.dir)
		}
	})

	t.Run("Before it wrote anything, too", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		if _, err := o.Pool.Exec(t.Context(), "insert into hosts (name, remote) values ('b1', true)"); err != nil {
			t.Fatal(err)
		}
		release := hold(t, o.url, "select 1 from hosts for update")
		o.killed(t, "enroll", o.waiting(t, o.Queue.Hub, "hosts"))
		if files := o.files(t); len(files) > 0 {
			t.Errorf("files %v, want none", files)
		}
		o.wantState(t, state{InForce: 0, Role: "none"})
		o.end(t)
		release()
		o.fits(t, o.again(t))
	})

	t.Run("By force, the old certificate counts until the commit", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		o.mustEnroll(t, nil)
		if _, err := o.Pool.Exec(t.Context(), commitLock, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		release := hold(t, o.url, "select pg_advisory_xact_lock(4711)")
		o.killed(t, "force", o.waiting(t, o.Queue.Hub, "commit"))
		o.wantState(t, state{InForce: 1, Role: "login"})
		o.end(t)
		release()
		o.fits(t, o.mustEnroll(t, force))
		o.wantState(t, state{InForce: 1, Role: "login"})
	})

	t.Run("A revocation that was cut short keeps the host out, and is finished by doing it again", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		o.mustEnroll(t, nil)
		release := hold(t, o.jobsURL(), "lock table river_job")
		o.killed(t, "revoke", o.waiting(t, o.Queue.Database, "river_job"))
		o.wantState(t, state{InForce: 0, Role: "locked"})
		release()
		if _, err := o.Revoke(t.Context(), "b1", "test", "stolen"); err != nil {
			t.Fatal(err)
		}
		o.wantState(t, state{InForce: 0, Role: "none"})
	})

	t.Run("After a revocation that was cut short, enrolling works", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		o.mustEnroll(t, nil)
		release := hold(t, o.jobsURL(), "lock table river_job")
		o.killed(t, "revoke", o.waiting(t, o.Queue.Database, "river_job"))
		release()
		o.fits(t, o.again(t))
		o.wantState(t, state{InForce: 1, Role: "login"})
	})

	t.Run("Half-written files are no obstacle", func(t *testing.T) {
		t.Parallel()
		// What a process leaves that is killed after each of its files.
		for n := 1; n < len(Files()); n++ {
			o := setup(t)
			o.mustEnroll(t, nil)
			if _, err := o.Pool.Exec(t.Context(), "delete from host_credentials"); err != nil {
				t.Fatal(err)
			}
			for _, name := range Files()[n:] {
				if err := os.Remove(filepath.Join(o.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			// And of the next one.
			if err := os.WriteFile(filepath.Join(o.dir, "."+Files()[n]+"-123456"), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
			o.fits(t, o.again(t))
			if diff := cmp.Diff(len(Files()), len(o.files(t))); diff != "" {
				t.Errorf("number of files (-want +got):\n%s", diff)
			}
		}
	})
}

// jobsURL is that of the hosts' database.
func (o *office) jobsURL() string {
	return strings.Replace(o.url, "/"+o.Queue.Hub, "/"+o.Queue.Database, 1)
}

// again enrols as the killed process did.
func (o *office) again(t *testing.T) Enrolled {
	t.Helper()
	return o.mustEnroll(t, nil)
}

// end ends the session of a killed process before it goes on, as if the process
// had been killed just before it asked for what it waits for. What tests keep
// commits waiting with goes, too.
func (o *office) end(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var n int
		err := o.Pool.QueryRow(t.Context(), `select count(pg_terminate_backend(pid)) from pg_stat_activity
			where datname = $1 and wait_event_type = 'Lock'`, o.Queue.Hub).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the killed process's session goes on")
		}
	}
	if _, err := o.Pool.Exec(t.Context(), "drop trigger if exists wait_at_commit on host_credentials"); err != nil {
		t.Fatal(err)
	}
}
