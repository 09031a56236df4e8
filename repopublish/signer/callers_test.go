package signer

import (
	"net"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestIdleConnections: an account that connects and says nothing is refused more
// connections at once, and hinders no other account.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var idle []net.Conn
	for range maxPerCaller {
		conn, err := net.Dial("unix", f.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	const more = 5 * refusalBurst
	for range more {
		if _, err := f.Client.Keys(t.Context()); code(err) != CodeUnavailable {
			t.Fatalf("got %v, want the code %s", err, CodeUnavailable)
		}
	}
	if n := len(f.lines(t)); n != 1+refusalBurst {
		t.Errorf("%d lines were logged, want %d", n, 1+refusalBurst)
	}
	for _, other := range []account{{allowed: true, uid: uint32(os.Geteuid()) + 1}, {}} {
		if !f.callers.enter(other) {
			t.Errorf("%+v is refused for the connections of another", other)
		}
		f.callers.leave(other)
	}
	for _, conn := range idle {
		conn.Close()
	}
	for {
		_, err := f.Client.Keys(t.Context())
		if err == nil {
			break
		}
		if code(err) != CodeUnavailable {
			t.Fatal(err)
		}
	}
}

// TestRefusalsAreCounted: nobody fills the disk with refusals, and none is lost.
func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const times = 3 * refusalBurst
	for range times {
		if _, err := f.SignRepomd(t.Context(), "nosuch", []byte("<repomd/>")); code(err) != CodeUnknownKey {
			t.Fatalf("got %v, want the code %s", err, CodeUnknownKey)
		}
	}
	if _, err := f.SignRepomd(t.Context(), "release", []byte("<repomd/>")); code(err) != CodeNotRecorded {
		t.Fatalf("got %v, want the code %s", err, CodeNotRecorded)
	}
	f.logRest()
	refused := map[Code]int{}
	lines := map[Code]int{}
	for _, line := range f.lines(t) {
		if line.Event == EventRefused {
			refused[line.Code] += max(1, line.Times)
			lines[line.Code]++
		}
	}
	if diff := cmp.Diff(map[Code]int{CodeUnknownKey: times, CodeNotRecorded: 1}, refused); diff != "" {
		t.Errorf("refusals (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[Code]int{CodeUnknownKey: refusalBurst + 1, CodeNotRecorded: 1}, lines); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
}
