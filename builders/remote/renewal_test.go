package remote

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestRenewedCertificate renews a host's certificate while its connections show
// the old one, which does not count any more. Whatever the host asks next is asked
// once more with the new one.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	id, transport := b.enroll(t, "far-1")
	peer := Peer{HostID: id, Name: "far-1"}
	var newest atomic.Pointer[tls.Certificate]
	newest.Store(&transport.TLSClientConfig.Certificates[0])
	transport.TLSClientConfig.Certificates = nil
	transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return newest.Load(), nil }
	h := b.newProcess(t, id, transport, b.driver(t, nil))
	if err := h.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	build := b.Start(t, b.NewBuild(1))
	claim := queuetest.Give(t, b.Pool, queue.Holder{ID: h.id, ClientID: h.client.session}, queuetest.Task(t, b.Pool, build, queue.MethodBuildSRPM, ""))
	begun, err := h.client.Begin(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	defer begun.Close()
	a := begun.(*attempt)
	dir, good := t.TempDir(), sourcePackage(t)
	file := builders.Upload{Name: "hello-1-1.src.rpm", SHA256: sumOf(good), Size: int64(len(good))}
	if err := os.WriteFile(filepath.Join(dir, file.Name), good, 0o644); err != nil {
		t.Fatal(err)
	}
	beat := func() error {
		_, err := h.client.Heartbeat(t.Context(), queue.HostStatus{Running: []queue.Claim{claim}})
		return err
	}
	phase := func() error { return a.post(t.Context(), "phase", phaseMessage{Phase: builders.PhaseSRPM}) }
	fetch := func() error {
		response, err := a.getOfRepo(t.Context(), "0", repomdPath, nil)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	for _, test := range []struct {
		what string
		// before leaves a connection for ask that shows the old certificate.
		before, ask func() error
	}{
		{"a heartbeat", beat, beat},
		{"a message", phase, phase},
		{"a file", fetch, fetch},
		{"a result", fetch, func() error { return a.send(t.Context(), dir, file) }},
	} {
		if err := test.before(); err != nil {
			t.Fatalf("before %s: %v", test.what, err)
		}
		renewed := b.certificate(t, peer)
		newest.Store(&renewed)
		if err := test.ask(); err != nil {
			t.Errorf("%s with a renewed certificate: %v", test.what, err)
		}
	}
	_ = b.certificate(t, peer) // which the host does not have
	if _, err := h.client.Heartbeat(t.Context(), queue.HostStatus{}); !errors.Is(err, ErrIdentity) {
		t.Errorf("a heartbeat of a host that is not known any more: %v, want %v", err, ErrIdentity)
	}
}
