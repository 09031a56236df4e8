package signer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/rpmsig"
)

// recordedAt is when the tests' digests were recorded, and the time of their
// keys is a day before.
var (
	recordedAt = time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	keyMade    = recordedAt.Add(-24 * time.Hour).Truncate(time.Second)
)

const passphrase = "correct horse battery"

// memory is a record in memory.
type memory struct {
	mu      sync.Mutex
	rpms    map[string]int64
	repomds map[string]bool
	at      time.Time
	err     error
	// asked is called at each question, where it is set.
	asked func()
}

func (m *memory) RPM(_ context.Context, digest string) (int64, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked != nil {
		m.asked()
	}
	size, ok := m.rpms[digest]
	if m.err == nil && !ok {
		return 0, time.Time{}, ErrNotRecorded
	}
	return size, m.at, m.err
}

func (m *memory) Repomd(_ context.Context, digest string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil && !m.repomds[digest] {
		return time.Time{}, ErrNotRecorded
	}
	return m.at, m.err
}

func (m *memory) recordRPM(raw []byte) (digest string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	digest = digestOf(raw)
	m.rpms[digest] = int64(len(raw))
	return digest
}

func (m *memory) recordRepomd(document []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.repomds[digestOf(document)] = true
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// fixture is a signer with a key named release.
type fixture struct {
	*Server
	*Client
	record *memory
	dir    string
	key    Key
}

// newDir makes the directory of a signer with a key named release.
func newDir(t testing.TB) (dir string, key Key) {
	t.Helper()
	dir, err := os.MkdirTemp("", "signer") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	write(t, filepath.Join(dir, "passphrase"), []byte(passphrase+"\n"))
	made, err := release()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "keys", "release.key"), made.file)
	return dir, made.key
}

// madeKey is a key and its file.
type madeKey struct {
	key  Key
	file []byte
}

// release makes the key of all fixtures once: a passphrase is slow to use, as it
// should be.
var release = sync.OnceValues(func() (made madeKey, err error) {
	private, err := pgp.Generate(pgp.Ed25519, "release", keyMade, 0)
	if err != nil {
		return made, err
	}
	text, err := private.Encrypted([]byte(passphrase))
	if err != nil {
		return made, err
	}
	made.file = []byte(text)
	made.key, err = NewKey("release", private.PublicKey)
	return made, err
})

func addKey(t testing.TB, dir, name string, lifetime time.Duration) Key {
	t.Helper()
	key, err := CreateKey(filepath.Join(dir, "keys"), []byte(passphrase), name, name, pgp.Ed25519, keyMade, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newFixture starts a signer that ends with the test; prepare, which may be nil,
// changes it before.
func newFixture(t testing.TB, prepare func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{record: &memory{rpms: map[string]int64{}, repomds: map[string]bool{}, at: recordedAt}}
	f.dir, f.key = newDir(t)
	keys, err := OpenKeys(filepath.Join(f.dir, "keys"), filepath.Join(f.dir, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	audit, err := OpenAudit(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = &Server{
		Keys: keys, Record: f.record, Audit: audit, Allow: []uint32{uint32(os.Geteuid())}, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return recordedAt.Add(time.Hour) },
	}
	f.Client = &Client{Socket: filepath.Join(f.dir, "socket")}
	if prepare != nil {
		prepare(f)
	}
	l, err := Listen(f.Socket, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, audit.Close()); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return f
}

// lines are those of the audit log, which must be as it was written.
func (f *fixture) lines(t testing.TB) []Line {
	t.Helper()
	var lines []Line
	report, err := VerifyAudit(f.dir, nil, func(line Line) { lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Errorf("audit log: %q", report.Problems)
	}
	return lines
}

// last is the newest line.
func (f *fixture) last(t testing.TB) Line {
	t.Helper()
	lines := f.lines(t)
	return lines[len(lines)-1]
}

// verify checks a signature.
func (f *fixture) verify(t testing.TB, signature *Signature, content []byte) {
	t.Helper()
	public, err := pgp.ParsePublicKeys([]byte(f.key.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pgp.ParseSignature(signature.Packet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Verify(content, public, recordedAt.Add(time.Hour)); err != nil {
		t.Error(err)
	}
}

// pack is an RPM with a payload of about so many bytes.
func pack(t testing.TB, size int) []byte {
	t.Helper()
	// It has to stay as large when it is compressed.
	body := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	return rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "hello", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
		r.AddFile(rpmpack.RPMFile{Name: "/usr/share/hello", Body: body, Mode: 0o644})
	})
}

func headerOf(t testing.TB, raw []byte) []byte {
	t.Helper()
	head, err := rpmsig.ReadHead(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return head.Header()
}

// file is content as an open file.
func file(t testing.TB, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "it.rpm")
	write(t, path, content)
	return open(t, path)
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// code is the code of a refusal, or the error's text.
func code(err error) Code {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Code
	}
	if err == nil {
		return ""
	}
	return Code("error: " + err.Error())
}
