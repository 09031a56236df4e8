package signer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
)

func TestFilesOpenToOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		open func(dir string) error
		want error
	}{
		"the key directory may be read": {func(dir string) error { return os.Chmod(filepath.Join(dir, "keys"), 0o750) }, ErrTooOpen},
		"a key may be read":             {func(dir string) error { return os.Chmod(filepath.Join(dir, "keys", "release.key"), 0o640) }, ErrTooOpen},
		"a key may be written":          {func(dir string) error { return os.Chmod(filepath.Join(dir, "keys", "release.key"), 0o602) }, ErrTooOpen},
		"the passphrase may be read":    {func(dir string) error { return os.Chmod(filepath.Join(dir, "passphrase"), 0o604) }, ErrTooOpen},
		"a retirement may be written": {func(dir string) error {
			return writeMode(filepath.Join(dir, "keys", "release.retired"), "2026-01-01T00:00:00Z", 0o666)
		}, ErrTooOpen},
		"the passphrase is another one": {func(dir string) error {
			return writeMode(filepath.Join(dir, "passphrase"), "another passphrase", 0o600)
		}, pgp.ErrPassphrase},
		"there is no passphrase":    {func(dir string) error { return os.Remove(filepath.Join(dir, "passphrase")) }, fs.ErrNotExist},
		"there is no key directory": {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "keys")) }, fs.ErrNotExist},
		"a key is no key":           {func(dir string) error { return writeMode(filepath.Join(dir, "keys", "other.key"), "key", 0o600) }, pgp.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := newDir(t)
			if err := test.open(dir); err != nil {
				t.Fatal(err)
			}
			_, err := OpenKeys(filepath.Join(dir, "keys"), filepath.Join(dir, "passphrase"))
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), passphrase) {
				t.Errorf("the error tells the passphrase: %v", err)
			}
		})
	}
	t.Run("a key is a link", func(t *testing.T) {
		t.Parallel()
		dir, _ := newDir(t)
		key := filepath.Join(dir, "keys", "release.key")
		if err := errors.Join(os.Rename(key, filepath.Join(dir, "elsewhere")), os.Symlink(filepath.Join(dir, "elsewhere"), key)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(filepath.Join(dir, "keys"), filepath.Join(dir, "passphrase")); err == nil {
			t.Error("it is followed")
		}
	})
	t.Run("the directory of the log may be entered", func(t *testing.T) {
		t.Parallel()
		dir, _ := newDir(t)
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAudit(dir); !errors.Is(err, ErrTooOpen) {
			t.Errorf("got %v, want %v", err, ErrTooOpen)
		}
	})
}

func writeMode(path, text string, mode fs.FileMode) error {
	// The umask does not matter then.
	return errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
}

func TestCreateKey(t *testing.T) {
	t.Parallel()
	dir, key := newDir(t)
	path := filepath.Join(dir, "keys", "release.key")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateKey(filepath.Join(dir, "keys"), []byte(passphrase), "release", "another", pgp.Ed25519, keyMade, 0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a key of the same name: got %v, want %v", err, fs.ErrExist)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the key was written over: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key: %v, %v", info.Mode(), err)
	}
	if strings.Contains(string(before), passphrase) || !strings.Contains(string(before), "PRIVATE KEY BLOCK") || strings.Contains(key.PublicKey, "PRIVATE") {
		t.Error("the files hold what they should not, or not what they should")
	}
	for _, name := range []string{"", "Release", "../release", "a/b", ".hidden", "-f", strings.Repeat("a", 64)} {
		if _, err := CreateKey(filepath.Join(dir, "keys"), []byte(passphrase), name, "name", pgp.Ed25519, keyMade, 0); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "keys"))
	if err != nil || len(entries) != 1 {
		t.Errorf("files in the key directory: %v, %v", entries, err)
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "passphrase")
	if err := MakePassphrase(path); err != nil {
		t.Fatal(err)
	}
	first, err := ReadPassphrase(path)
	if err != nil || len(first) < 50 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	if err := MakePassphrase(path); err != nil {
		t.Fatal(err)
	}
	if second, err := ReadPassphrase(path); err != nil || string(second) != string(first) {
		t.Errorf("it was made anew: %v", err)
	}
	write(t, path, []byte("short\n"))
	if _, err := ReadPassphrase(path); err == nil {
		t.Error("one of 5 bytes is taken")
	}
}

// TestKeysChange makes, retires and removes keys while the signer runs.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	raw := pack(t, 100)
	digest := f.record.recordRPM(raw)
	rpm := file(t, raw)
	sign := func(key string) Code {
		_, err := f.SignRPM(t.Context(), key, rpm, digest)
		return code(err)
	}
	next := addKey(t, f.dir, "next", 0)
	if got := sign("next"); got != "" {
		t.Errorf("a new key: %s", got)
	}
	keys := filepath.Join(f.dir, "keys")
	at, err := RetireKey(keys, "release", recordedAt)
	if err != nil {
		t.Fatal(err)
	}
	if got := sign("release"); got != CodeRetiredKey {
		t.Errorf("a key that was retired: %s, want %s", got, CodeRetiredKey)
	}
	if again, err := RetireKey(keys, "release", recordedAt.Add(time.Hour)); err != nil || !again.Equal(at) {
		t.Errorf("retired again at %s, %v, want %s", again, err, at)
	}
	if _, err := RetireKey(keys, "nobody", recordedAt); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not there: got %v, want %v", err, fs.ErrNotExist)
	}
	list, err := f.Client.Keys(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "next" || list[1].Retired == nil || !list[1].Retired.Equal(at) {
		t.Errorf("keys: %+v, %v", list, err)
	}
	path := filepath.Join(keys, "next.key")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SignRPM(t.Context(), "next", rpm, digest); code(err) != CodeUnavailable || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read by now: %v, want %s and what to do", err, CodeUnavailable)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := sign("next"); got != "" {
		t.Errorf("a key that only we can read again: %s", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := sign("next"); got != CodeUnknownKey {
		t.Errorf("a key that was removed: %s, want %s", got, CodeUnknownKey)
	}
	var told []string
	for _, line := range f.lines(t) {
		if line.Event == EventKey {
			told = append(told, line.Detail)
		}
	}
	want := []string{
		"key next " + next.Fingerprint + " is there", "key release " + f.key.Fingerprint + " is retired",
		"key next " + next.Fingerprint + " is there", "key next " + next.Fingerprint + " is gone",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log tells %q, want %q", told, want)
	}
}
