package hostdoor_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/enroll"
	"github.com/distbot/distbot/queue/hostdoor"
)

// TestPossession: certificates are no secrets. Who shows that of a host without
// having its key is nobody, and nothing is noted of it.
func TestPossession(t *testing.T) {
	t.Parallel()
	h := setup(t)
	config := h.config(t, "far")
	// The old certificate counts until the new one is used.
	dir := t.TempDir() + "/renewed"
	if _, err := h.desk.Enroll(t.Context(), enroll.Request{Host: "far", Dir: dir, By: "test", Renew: true}); err != nil {
		t.Fatal(err)
	}
	shown, err := pki.ReadCertificate(dir + "/" + enroll.FileCertificate)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.ReadKey(config.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{hostdoor.ProtocolPostgres, "h2", "http/1.1"} {
		conn, err := tls.Dial("tcp", h.addr, &tls.Config{
			RootCAs: h.ca.Pool(), NextProtos: []string{protocol},
			Certificates: []tls.Certificate{{Certificate: [][]byte{shown.Raw}, PrivateKey: key}},
		})
		if err == nil {
			// With TLS 1.3 the client learns of it when it reads.
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil {
			t.Errorf("%s: the hub answers", protocol)
		}
	}
	var used, revoked int
	err = h.pool.QueryRow(t.Context(), "select count(last_used_at), count(revoked_at) from host_credentials").Scan(&used, &revoked)
	if err != nil || used != 0 || revoked != 0 {
		t.Errorf("%d certificates were used, %d revoked, %v; want none", used, revoked, err)
	}
	if status, _, err := h.who(client(t, newHost(t, config))); err != nil || status != http.StatusOK {
		t.Errorf("the host itself: %d, %v", status, err)
	}
}

// TestOneAddressDoesNotShutOutOthers opens more connections from one address than
// there are places for clients that are not known.
func TestOneAddressDoesNotShutOutOthers(t *testing.T) {
	t.Parallel()
	h := setup(t)
	config := h.config(t, "far")
	for range 300 {
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	files := pki.ClientFiles{CA: config.CA, Certificate: config.Certificate, Key: config.Key}
	tlsConfig, err := files.TLS()
	if err != nil {
		t.Fatal(err)
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}, Config: tlsConfig}
	conn, err := dialer.DialContext(t.Context(), "tcp", h.addr)
	if err != nil {
		t.Fatalf("from another address: %v", err)
	}
	_ = conn.Close()
}
