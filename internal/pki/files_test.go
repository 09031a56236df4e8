package pki

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadSecret(path); err != nil || string(got) != "a" {
		t.Errorf("ReadSecret() = %q, %v, want a", got, err)
	}
	if err := os.Symlink(path, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret", "link"} { // a link's own mode says nothing
		var wrong *ModeError
		if _, err := ReadSecret(filepath.Join(dir, name)); !errors.As(err, &wrong) {
			t.Errorf("ReadSecret(%s) = %v, want a *ModeError", name, err)
		}
	}
	if _, err := ReadSecret(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("ReadSecret of a directory = %v, want that it is no regular file", err)
	}
	large := filepath.Join(dir, "large")
	if err := WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(large); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("ReadSecret of a large file = %v, want that it is too large", err)
	}
	if _, err := ReadSecret(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadSecret of nothing = %v, want fs.ErrNotExist", err)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	// What was there, and who else has it open, keeps it.
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := WriteFile(path, []byte("after"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	var was bytes.Buffer
	if _, err := was.ReadFrom(old); err != nil || was.String() != "before" {
		t.Errorf("the open file says %q, %v, want before", &was, err)
	}
	names, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(names) != 0 {
		t.Errorf("left %v, %v", names, err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteFile into nowhere = %v, want fs.ErrNotExist", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	ca := mustOpenCA(t)
	issued, err := ca.IssueHost("b1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing":          nil,
		"no PEM":           []byte("hello"),
		"a key":            issued.Key,
		"two certificates": slices.Concat(issued.Certificate, issued.Certificate),
		"a broken one":     EncodeCertificate([]byte{1, 2, 3}),
		"and rubbish":      append(slices.Clone(issued.Certificate), "rubbish"...),
	} {
		if _, err := ParseCertificate(text); err == nil {
			t.Errorf("%s: it is taken for a certificate", name)
		}
	}
	path := filepath.Join(t.TempDir(), "key")
	for name, text := range map[string][]byte{"a certificate": issued.Certificate, "nothing": nil, "a broken key": []byte("-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n")} {
		if err := WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(path); err == nil {
			t.Errorf("%s: it is taken for a key", name)
		}
	}
}

func FuzzParseCertificate(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cert, err := ParseCertificate(text)
		if (cert == nil) == (err == nil) {
			t.Errorf("ParseCertificate() = %v, %v, want one of them", cert, err)
		}
	})
}
