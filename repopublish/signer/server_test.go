package signer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const repomd = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision></repomd>
`

func TestSign(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	raw := pack(t, 100)
	digest := f.record.recordRPM(raw)
	rpm := file(t, raw)
	// The signer reads from the beginning, wherever the caller is.
	if _, err := rpm.Seek(50, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	signature, err := f.SignRPM(t.Context(), "release", rpm, digest)
	if err != nil {
		t.Fatal(err)
	}
	f.verify(t, signature, headerOf(t, raw))
	if !signature.SignedAt.Equal(recordedAt.Truncate(time.Second)) || signature.Fingerprint != f.key.Fingerprint {
		t.Errorf("signed at %s by %s", signature.SignedAt, signature.Fingerprint)
	}
	last := f.last(t)
	if last.Event != EventSignRPM || last.NEVRA != "hello-1-1.noarch" || last.SHA256 != digest || last.Key != "release" ||
		last.Signature != digestOf(signature.Packet) || last.Seq != signature.Receipt.Seq || *last.UID != uint32(os.Geteuid()) || last.PID != int32(os.Getpid()) {
		t.Errorf("logged %+v, receipt %+v", last, signature.Receipt)
	}
	again, err := f.SignRPM(t.Context(), "release", rpm, digest)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Packet, signature.Packet) {
		t.Error("signing once more gives another signature")
	}

	f.record.recordRepomd([]byte(repomd))
	signature, err = f.SignRepomd(t.Context(), "release", []byte(repomd))
	if err != nil {
		t.Fatal(err)
	}
	f.verify(t, signature, []byte(repomd))
	if last := f.last(t); last.Event != EventSignRepomd || last.SHA256 != digestOf([]byte(repomd)) {
		t.Errorf("logged %+v", last)
	}
	keys, err := f.Client.Keys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Fingerprint != f.key.Fingerprint || !strings.HasSuffix(f.key.Fingerprint, keys[0].ID) {
		t.Errorf("keys: %+v, %v", keys, err)
	}
}

// TestYoungKey signs what was recorded before its key was made: no signature is
// older than its key.
func TestYoungKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(f *fixture) { f.record.at = keyMade.Add(-time.Hour) })
	raw := pack(t, 100)
	signature, err := f.SignRPM(t.Context(), "release", file(t, raw), f.record.recordRPM(raw))
	if err != nil {
		t.Fatal(err)
	}
	f.verify(t, signature, headerOf(t, raw))
	if !signature.SignedAt.Equal(f.key.Created) {
		t.Errorf("signed at %s, want %s", signature.SignedAt, f.key.Created)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := pack(t, 100)
	digest := digestOf(good)
	other := bytes.Clone(good)
	other[len(other)-1] ^= 1
	broken := bytes.Repeat([]byte("no package"), 100)
	uncovered := bytes.Clone(good)
	copy(uncovered[bytes.Index(uncovered, binary.BigEndian.AppendUint32(nil, 5092)):], binary.BigEndian.AppendUint32(nil, 5091))
	for name, test := range map[string]struct {
		want    Code
		key     string // default release
		content []byte // default good
		digest  string // default that of content
		file    func(t *testing.T) *os.File
		prepare func(f *fixture)
	}{
		"the key is not there":        {want: CodeUnknownKey, key: "nobody"},
		"the key's name is a path":    {want: CodeUnknownKey, key: "../keys/release"},
		"the key is retired":          {want: CodeRetiredKey, key: "retired"},
		"the key has expired":         {want: CodeExpiredKey, key: "expired"},
		"the digest is none":          {want: CodeBadRequest, digest: "x"},
		"the digest is in capitals":   {want: CodeBadRequest, digest: strings.ToUpper(digest)},
		"nobody recorded it":          {want: CodeNotRecorded, content: other},
		"the bytes are others":        {want: CodeWrongDigest, content: other, digest: digest},
		"there are more bytes":        {want: CodeWrongDigest, content: append(bytes.Clone(good), 0), digest: digest},
		"there are fewer bytes":       {want: CodeWrongDigest, content: good[:len(good)-1], digest: digest},
		"what is recorded is none":    {want: CodeMalformed, content: broken, prepare: func(f *fixture) { f.record.recordRPM(broken) }},
		"its payload is not covered":  {want: CodeMalformed, content: uncovered, prepare: func(f *fixture) { f.record.recordRPM(uncovered) }},
		"the database can't be asked": {want: CodeUnavailable, prepare: func(f *fixture) { f.record.err = errors.New("password of postgres is wrong") }},
		"the log can't be written":    {want: CodeUnavailable, prepare: func(f *fixture) { f.breakLog() }},
		"it is a directory":           {want: CodeBadRequest, file: func(t *testing.T) *os.File { return open(t, t.TempDir()) }},
		"it is a pipe that nobody fills": {want: CodeBadRequest, file: func(t *testing.T) *os.File {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = errors.Join(r.Close(), w.Close()) })
			return r
		}},
		"it can't be read": {want: CodeUnavailable, file: func(t *testing.T) *os.File {
			path := filepath.Join(t.TempDir(), "it.rpm")
			write(t, path, good)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		}},
		"there is no file": {want: CodeBadRequest, file: func(*testing.T) *os.File { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(f *fixture) {
				switch test.key {
				case "expired":
					addKey(t, f.dir, "expired", time.Hour)
				case "retired":
					addKey(t, f.dir, "retired", 0)
					if _, err := RetireKey(filepath.Join(f.dir, "keys"), "retired", recordedAt); err != nil {
						t.Fatal(err)
					}
				}
				f.record.recordRPM(good)
			})
			if _, err := f.Client.Keys(t.Context()); err != nil { // it has begun
				t.Fatal(err)
			}
			if test.prepare != nil {
				test.prepare(f)
			}
			content, key, digest := test.content, test.key, test.digest
			if content == nil {
				content = good
			}
			if key == "" {
				key = "release"
			}
			if digest == "" {
				digest = digestOf(content)
			}
			rpm := file(t, content)
			if test.file != nil {
				rpm = test.file(t)
			}
			signature, err := f.SignRPM(t.Context(), key, rpm, digest)
			if code(err) != test.want {
				t.Errorf("got %+v, %v, want the code %s", signature, err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "password") {
				t.Errorf("the caller is told %q", err)
			}
			if name == "the log can't be written" {
				return
			}
			if last := f.last(t); last.Event != EventRefused || last.Code != test.want {
				t.Errorf("logged %+v", last)
			}
		})
	}
}

// breakLog is a disk that takes nothing and gives nothing back.
func (f *fixture) breakLog() {
	f.Audit.mu.Lock()
	defer f.Audit.mu.Unlock()
	f.Audit.broken = errors.New("no room")
}

// TestDocuments has documents refused that are no repomd.xml, though they are
// recorded: who can have any bytes signed can have packages signed.
func TestDocuments(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for name, document := range map[string]string{
		"the header of a package":       string(headerOf(t, pack(t, 100))),
		"a header after a comment":      "<!-- " + string(headerOf(t, pack(t, 100))) + " -->" + repomd,
		"another document":              `<html xmlns="http://linux.duke.edu/metadata/repo"/>`,
		"another namespace":             `<repomd xmlns="http://example.org"/>`,
		"no namespace":                  "<repomd/>",
		"two roots":                     repomd + `<repomd xmlns="http://linux.duke.edu/metadata/repo"/>`,
		"a document type":               `<!DOCTYPE repomd [<!ENTITY a "b">]>` + repomd,
		"text before its root":          "text" + repomd,
		"text after its root":           repomd + "text",
		"a root that does not end":      `<repomd xmlns="http://linux.duke.edu/metadata/repo">`,
		"only a comment":                "<!-- nothing -->",
		"more than a document may have": repomd + strings.Repeat(" ", MaxDocument),
	} {
		f.record.recordRepomd([]byte(document))
		if _, err := f.SignRepomd(t.Context(), "release", []byte(document)); code(err) != CodeMalformed {
			t.Errorf("%s: got %v, want the code %s", name, err, CodeMalformed)
		}
	}
	if _, err := f.SignRepomd(t.Context(), "release", []byte(repomd)); code(err) != CodeNotRecorded {
		t.Errorf("one that is not recorded: got %v, want the code %s", err, CodeNotRecorded)
	}
	if _, err := f.SignRepomd(t.Context(), "release", nil); code(err) != CodeBadRequest {
		t.Errorf("none: got %v, want the code %s", err, CodeBadRequest)
	}
	if _, err := f.SignRepomd(t.Context(), "release", make([]byte, 2*maxMessage)); code(err) != CodeBadRequest {
		t.Errorf("one that is larger than a message: got %v, want the code %s", err, CodeBadRequest)
	}
}

// TestExchangedFile changes the header of a package all the time while it is
// signed: a signature is of the recorded header or there is none.
func TestExchangedFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	raw := pack(t, 1<<20)
	digest := f.record.recordRPM(raw)
	good := headerOf(t, raw)
	at := bytes.Index(raw, []byte("noarch\x00"))
	path := filepath.Join(t.TempDir(), "it.rpm")
	write(t, path, raw)
	rpm, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rpm.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	changed := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			for _, text := range []string{"rooted", "noarch"} {
				if _, err := rpm.WriteAt([]byte(text), int64(at)); err != nil {
					changed <- err
					return
				}
			}
		}
		changed <- nil
	}()
	signed, refused := 0, 0
	for signed+refused < 200 {
		signature, err := f.SignRPM(t.Context(), "release", rpm, digest)
		switch {
		case code(err) == CodeWrongDigest:
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			signed++
			f.verify(t, signature, good)
		}
	}
	stop()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	t.Logf("signed %d times, refused %d times", signed, refused)
}

// TestFileExchangedAfterTheRecordWasAsked changes the file at the latest moment
// that can be chosen.
func TestFileExchangedAfterTheRecordWasAsked(t *testing.T) {
	t.Parallel()
	raw := pack(t, 100)
	path := filepath.Join(t.TempDir(), "it.rpm")
	write(t, path, raw)
	f := newFixture(t, nil)
	digest := f.record.recordRPM(raw)
	rpm := open(t, path)
	f.record.asked = func() {
		evil := bytes.Clone(raw)
		evil[len(evil)-1] ^= 1
		write(t, path, evil)
	}
	if _, err := f.SignRPM(t.Context(), "release", rpm, digest); code(err) != CodeWrongDigest {
		t.Errorf("got %v, want the code %s", err, CodeWrongDigest)
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	now := recordedAt
	f := newFixture(t, func(f *fixture) {
		f.Allow = []uint32{uint32(os.Geteuid()) + 1}
		f.Now = func() time.Time { return now }
	})
	for range 20 {
		if _, err := f.Client.Keys(t.Context()); code(err) != CodeForbidden {
			t.Fatalf("got %v, want the code %s", err, CodeForbidden)
		}
	}
	// The server has nothing to do with the clock now: it answered.
	f.refusals.mu.Lock()
	now = now.Add(refusalPause)
	f.refusals.mu.Unlock()
	if _, err := f.Client.Keys(t.Context()); code(err) != CodeForbidden {
		t.Fatalf("got %v, want the code %s", err, CodeForbidden)
	}
	lines := f.lines(t)
	if len(lines) != 3 || lines[1].Times != 0 || lines[2].Times != 20 || *lines[2].UID != uint32(os.Geteuid()) || lines[2].Code != CodeForbidden {
		t.Errorf("logged %+v", lines)
	}
}

// TestBrokenMessages sends what no client sends. The signer says what is wrong
// and goes on.
func TestBrokenMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	message := func(text string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	for name, test := range map[string]struct {
		raw   []byte
		files int
		want  Code
	}{
		"a length beyond all bounds": {raw: []byte("\xff\xff\xff\xff{}"), want: CodeBadRequest},
		"a length beyond the bound":  {raw: binary.BigEndian.AppendUint32(nil, maxMessage+1), want: CodeBadRequest},
		"fewer bytes than it says":   {raw: message(`{"version":1,"op":"keys"}`)[:20], want: CodeBadRequest},
		"no length":                  {raw: []byte{0, 0}, want: CodeBadRequest},
		"no JSON":                    {raw: message("keys"), want: CodeBadRequest},
		"two values":                 {raw: message(`{"version":1,"op":"keys"}{}`), want: CodeBadRequest},
		"a field nobody knows":       {raw: message(`{"version":1,"op":"keys","force":true}`), want: CodeBadRequest},
		"an operation nobody knows":  {raw: message(`{"version":1,"op":"export-private-key"}`), want: CodeBadRequest},
		"another version":            {raw: message(`{"version":2,"op":"keys"}`), want: CodeVersion},
		"a file where none belongs":  {raw: message(`{"version":1,"op":"keys"}`), files: 1, want: CodeBadRequest},
		"two files":                  {raw: message(`{"version":1,"op":"sign-rpm"}`), files: 2, want: CodeBadRequest},
		"many files":                 {raw: message(`{"version":1,"op":"sign-rpm"}`), files: 50, want: CodeBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			var fds []int
			for range test.files {
				fds = append(fds, int(file(t, nil).Fd()))
			}
			got := exchangeRaw(t, f.Socket, test.raw, fds)
			if got.Error == nil || got.Error.Code != test.want {
				t.Errorf("got %+v, want the code %s", got, test.want)
			}
		})
	}
	if _, err := f.Client.Keys(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	f.lines(t)
}

// exchangeRaw sends bytes as they are, with files, and returns the answer.
func exchangeRaw(t *testing.T, socket string, raw []byte, fds []int) (a answer) {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(raw, rights, nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var prefix [4]byte
	if _, err := io.ReadFull(conn, prefix[:]); err != nil {
		t.Fatalf("no answer: %v", err)
	}
	if err := decode(prefix, conn, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestManyCallers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const packages, times = 10, 20
	var raws [][]byte
	for i := range packages {
		raw := pack(t, 100+8*i)
		f.record.recordRPM(raw)
		raws = append(raws, raw)
	}
	packets := make([][]byte, packages*times)
	var group errgroup.Group
	for i := range packets {
		group.Go(func() error {
			raw := raws[i%packages]
			signature, err := f.SignRPM(t.Context(), "release", file(t, raw), digestOf(raw))
			if err == nil {
				packets[i] = signature.Packet
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, packet := range packets {
		if !bytes.Equal(packet, packets[i%packages]) {
			t.Fatalf("package %d has two signatures", i%packages)
		}
	}
	if lines := f.lines(t); len(lines) != 1+len(packets) {
		t.Errorf("%d lines in the log, want %d", len(lines), 1+len(packets))
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := &Client{Socket: filepath.Join(t.TempDir(), "socket")}
	if _, err := c.Keys(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want %v", err, ErrUnreachable)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := c.Keys(ctx); !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	info, err := os.Stat(f.Socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %s, %v", info.Mode(), err)
	}
	if _, err := Listen(f.Socket, 0o600, -1); err == nil || !strings.Contains(err.Error(), "somebody listens") {
		t.Errorf("a second signer at the socket: %v", err)
	}
	if _, err := OpenAudit(f.dir); err == nil || !strings.Contains(err.Error(), "another signer") {
		t.Errorf("a second signer with the log: %v", err)
	}
}
