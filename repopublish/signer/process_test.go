package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/queue/queuetest"
)

// helperEnv makes the test binary another process: its value is what to do.
const helperEnv = "DISTBOT_SIGNER_TEST_HELPER"

// TestMain lets the test binary be run as a signer that can really be killed.
func TestMain(m *testing.M) {
	work, ok := os.LookupEnv(helperEnv)
	if !ok {
		os.Exit(m.Run())
	}
	var err error
	switch work {
	case "append":
		err = appendWithoutRoom(os.Args[1])
	case "serve":
		err = serveHelper(os.Args[1], os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

func helper(t *testing.T, work string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+work)
	return cmd
}

// serveHelper is a signer with a directory and a database.
func serveHelper(dir, url string) error {
	ctx := context.Background()
	keys, err := OpenKeys(filepath.Join(dir, "keys"), filepath.Join(dir, "passphrase"))
	if err != nil {
		return err
	}
	record, err := OpenDatabase(ctx, url)
	if err != nil {
		return err
	}
	audit, err := OpenAudit(dir)
	if err != nil {
		return err
	}
	s := &Server{Keys: keys, Record: record, Audit: audit, Allow: []uint32{uint32(os.Geteuid())}, Logger: slog.New(slog.DiscardHandler)}
	l, err := Listen(filepath.Join(dir, "socket"), 0o600, -1)
	if err != nil {
		return err
	}
	return s.Serve(ctx, l)
}

// startHelper starts a signer and waits until it answers.
func startHelper(t *testing.T, dir, url string) *exec.Cmd {
	t.Helper()
	cmd := helper(t, "serve", dir, url)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	client := &Client{Socket: filepath.Join(dir, "socket")}
	queuetest.Wait(t, "the signer answers", func() (bool, string) {
		_, err := client.Keys(t.Context())
		return err == nil, fmt.Sprint(err)
	})
	return cmd
}

// kill is kill -9.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestKilledWhileSigning kills a signer that waits for the database in the
// middle of a request, and then others at any moment. What was asked for again
// is signed as it would have been, and the log is whole.
func TestKilledWhileSigning(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	dir, _ := newDir(t)
	raw := pack(t, 1<<20)
	digest := d.build(t, "COMPLETE", false, raw)
	client := &Client{Socket: filepath.Join(dir, "socket")}
	sign := func(ctx context.Context) (*Signature, error) {
		return client.SignRPM(ctx, "release", file(t, raw), digest)
	}

	signer := startHelper(t, dir, d.url)
	held, err := d.hub.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), "lock table rpms"); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := sign(context.WithoutCancel(t.Context()))
		failed <- err
	}()
	queuetest.WaitRow(t, d.hub, "the signer asks what is recorded",
		"select exists (select from pg_stat_activity where application_name = 'distbot signer' and datname = current_database() and wait_event_type = 'Lock')")
	kill(signer)
	if err := <-failed; !errors.Is(err, ErrUnreachable) {
		t.Errorf("asking a signer that was killed: got %v, want %v", err, ErrUnreachable)
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}

	var first *Signature
	for round := range 6 {
		signer := startHelper(t, dir, d.url)
		signature, err := sign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = signature
		}
		if string(first.Packet) != string(signature.Packet) {
			t.Error("after a crash the signature is another one")
		}
		var group errgroup.Group
		for range 8 {
			group.Go(func() error {
				for {
					if _, err := sign(t.Context()); err != nil {
						return err
					}
				}
			})
		}
		time.AfterFunc(time.Duration(round*15)*time.Millisecond, func() { _ = signer.Process.Kill() })
		if err := group.Wait(); !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v, want that the signer is gone", err)
		}
		kill(signer)
	}
	if err := openLog(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	report, err := VerifyAudit(dir, []Receipt{first.Receipt}, nil)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("log: %+v, %v", report, err)
	}
}
