//go:build e2e

package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"
)

// lookaside serves source files where Fedora's lookaside has them.
type lookaside struct {
	addr string

	mu    sync.Mutex
	files map[string][]byte
	holds map[string]*hold
	http  *http.Server
}

// hold keeps a request unanswered.
type hold struct {
	// arrived is closed when the request came.
	arrived chan struct{}
	// release is closed to let it, and all others, go on.
	release chan struct{}
	once    sync.Once
}

func newHold() *hold { return &hold{arrived: make(chan struct{}), release: make(chan struct{})} }

// wait is called by who is held, until release or the end of the caller.
func (h *hold) wait(r *http.Request) {
	h.once.Do(func() { close(h.arrived) })
	select {
	case <-h.release:
	case <-r.Context().Done():
	}
}

// await waits until a request is held.
func (h *hold) await(t testing.TB, what string) {
	t.Helper()
	select {
	case <-h.arrived:
	case <-time.After(patience):
		t.Fatalf("no %s within %s", what, patience)
	}
}

func newLookaside(t testing.TB) *lookaside {
	t.Helper()
	l := &lookaside{addr: loopback(t), files: map[string][]byte{}, holds: map[string]*hold{}}
	l.up(t)
	t.Cleanup(func() { l.down(t) })
	return l
}

func (l *lookaside) url() string { return "http://" + l.addr + "/repo" }

// up begins to answer.
func (l *lookaside) up(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		t.Fatalf("lookaside: %v", err)
	}
	l.http = &http.Server{Handler: l, ReadHeaderTimeout: time.Minute}
	go func() { _ = l.http.Serve(listener) }() // It ends when down closes it.
}

// down makes connections be refused, and breaks those there are.
func (l *lookaside) down(t testing.TB) {
	t.Helper()
	if err := l.http.Close(); err != nil {
		t.Errorf("lookaside: %v", err)
	}
}

// ServeHTTP implements http.Handler.
func (l *lookaside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	data, ok := l.files[r.URL.Path]
	held := l.holds[r.URL.Path]
	l.mu.Unlock()
	if held != nil {
		held.wait(r)
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// put offers a file and returns its line for the sources file.
func (l *lookaside) put(pkg, file string, data []byte) (line string) {
	digest := sha512.Sum512(data)
	return l.putAs(pkg, file, hex.EncodeToString(digest[:]), data)
}

// putAs offers a file under any digest.
func (l *lookaside) putAs(pkg, file, digest string, data []byte) (line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[path.Join("/repo/rpms", pkg, file, "sha512", digest, file)] = data
	return fmt.Sprintf("SHA512 (%s) = %s\n", file, digest)
}

// hold keeps the next requests for a package's file unanswered.
func (l *lookaside) hold(t testing.TB, pkg string) *hold {
	t.Helper()
	h := newHold()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.files {
		if strings.HasPrefix(name, "/repo/rpms/"+pkg+"/") {
			l.holds[name] = h
		}
	}
	return h
}

// tarball packs files, by name and content, below a directory; the same bytes
// every time.
func tarball(t testing.TB, dir string, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, name := range sortedNames(files) {
		header := &tar.Header{Name: path.Join(dir, name), Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(1_700_000_000, 0), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// letGo ends all holds.
func (l *lookaside) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, held := range l.holds {
		close(held.release)
		delete(l.holds, name)
	}
}
