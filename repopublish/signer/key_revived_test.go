package signer

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAKeyStaysRetired removes what says that a key is retired, in every way that
// its account can.
func TestAKeyStaysRetired(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	raw := pack(t, 100)
	digest, rpm := f.record.recordRPM(raw), file(t, raw)
	keys := filepath.Join(f.dir, "keys")
	path := filepath.Join(keys, "release.key")
	if _, err := RetireKey(keys, "release", recordedAt); err != nil {
		t.Fatal(err)
	}
	refused := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			if _, err := f.SignRPM(t.Context(), name, rpm, digest); code(err) != CodeRetiredKey {
				t.Errorf("%s, %s: %s, want %s", when, name, code(err), CodeRetiredKey)
			}
		}
	}
	refused("retired", "release")
	if err := os.Remove(filepath.Join(keys, "release.retired")); err != nil {
		t.Fatal(err)
	}
	refused("without the file that says so", "release")
	if err := os.Rename(path, filepath.Join(keys, "other.key")); err != nil {
		t.Fatal(err)
	}
	refused("by another name", "other")
	if err := os.Rename(filepath.Join(keys, "other.key"), path); err != nil {
		t.Fatal(err)
	}
	refused("by its old name again", "release")
	told := slices.DeleteFunc(f.lines(t), func(l Line) bool { return l.Event != EventKey })
	if len(told) < 2 || told[0].Code != CodeRetiredKey || told[0].Fingerprint != f.key.Fingerprint || !strings.Contains(told[1].Detail, "stays retired, though release.retired is gone") {
		t.Errorf("the log tells %+v", told)
	}
}

// TestAKeyStaysRetiredAfterARestart has two signers, one after the other.
func TestAKeyStaysRetiredAfterARestart(t *testing.T) {
	t.Parallel()
	for name, retire := range map[string]func(dir string, start func() error) error{
		"it was retired before any signer ran": func(dir string, start func() error) error {
			_, err := RetireKey(filepath.Join(dir, "keys"), "release", recordedAt)
			return errors.Join(err, start())
		},
		"it was retired between two signers": func(dir string, start func() error) error {
			if err := start(); err != nil {
				return err
			}
			_, err := RetireKey(filepath.Join(dir, "keys"), "release", recordedAt)
			return errors.Join(err, start())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := newDir(t)
			run := func() (*Keys, error) { return runOnce(t, dir) }
			if err := retire(dir, func() error { _, err := run(); return err }); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, "keys", "release.retired")); err != nil {
				t.Fatal(err)
			}
			keys, err := run()
			if err != nil {
				t.Fatal(err)
			}
			if _, refusal := keys.use("release", recordedAt); refusal == nil || refusal.Code != CodeRetiredKey {
				t.Errorf("got %v, want the code %s", refusal, CodeRetiredKey)
			}
		})
	}
}

// runOnce is a signer that starts and ends.
func runOnce(t *testing.T, dir string) (*Keys, error) {
	t.Helper()
	keys, err := OpenKeys(filepath.Join(dir, "keys"), filepath.Join(dir, "passphrase"))
	if err != nil {
		return nil, err
	}
	audit, err := OpenAudit(dir)
	if err != nil {
		return nil, err
	}
	l, err := Listen(filepath.Join(dir, "socket"), 0o600, -1)
	if err != nil {
		return nil, errors.Join(err, audit.Close())
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err = (&Server{Keys: keys, Audit: audit, Logger: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	return keys, errors.Join(err, audit.Close())
}

// TestAKeyIsRetiredWhileItWouldSign retires a key when the record is asked, after
// it was found fit.
func TestAKeyIsRetiredWhileItWouldSign(t *testing.T) {
	t.Parallel()
	var retire func()
	f := newFixture(t, func(f *fixture) { f.record.asked = func() { retire() } })
	raw := pack(t, 100)
	digest := f.record.recordRPM(raw)
	retire = func() {
		if _, err := RetireKey(filepath.Join(f.dir, "keys"), "release", recordedAt); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.SignRPM(t.Context(), "release", file(t, raw), digest); code(err) != CodeRetiredKey {
		t.Errorf("got %s, want %s", code(err), CodeRetiredKey)
	}
	if last := f.last(t); last.Event != EventRefused {
		t.Errorf("the newest line is %+v", last)
	}
}
