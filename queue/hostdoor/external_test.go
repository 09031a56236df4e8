package hostdoor_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/pglocal"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostdoor"
)

// externalServer is a PostgreSQL that speaks TLS, as one that others administer
// does. It returns the hub's URL there.
func externalServer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// The server may have another account.
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	server, err := pglocal.Start(t.Context(), pglocal.Config{Dir: filepath.Join(dir, "postgres"), MaxConnections: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	dbtest.Migrate(t, server.URL())
	ca, err := pki.OpenCA(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	address := encrypt(t, ca, filepath.Join(private.Query().Get("host"), ".s.PGSQL."+private.Query().Get("port")))
	return fmt.Sprintf("postgres://distbot@%s/distbot?sslmode=verify-full&sslrootcert=%s", address, filepath.Join(dir, "ca", "ca.pem"))
}

// encrypt speaks TLS, as PostgreSQL does it, before a server's socket.
func encrypt(t *testing.T, ca *pki.CA, socket string) (address string) {
	t.Helper()
	issued, err := ca.IssueForServers(pki.HostValidity, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	go func() {
		for {
			plain, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer plain.Close()
				request := make([]byte, 8)
				want, _ := (&pgproto3.SSLRequest{}).Encode(nil)
				if _, err := io.ReadFull(plain, request); err != nil || string(request) != string(want) {
					return // Nobody is served without TLS.
				}
				if _, err := plain.Write([]byte{'S'}); err != nil {
					return
				}
				client := tls.Server(plain, config)
				server, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer server.Close()
				go func() {
					defer server.Close()
					_, _ = io.Copy(server, client)
				}()
				_, _ = io.Copy(client, server)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestTunnelToAnExternalServer(t *testing.T) {
	t.Parallel()
	h := setupAt(t, externalServer(t))

	t.Run("Goes through TLS, and the host's own password counts", func(t *testing.T) {
		t.Parallel()
		var user, auth string
		err := postgres(t, h.enroll(t, "b1")).QueryRow(t.Context(), "select session_user, current_database()").Scan(&user, &auth)
		if err != nil || user == "distbot" || auth != "distbot_builders" {
			t.Errorf("session of %q in %q, %v", user, auth, err)
		}
	})

	t.Run("A wrong password does not", func(t *testing.T) {
		t.Parallel()
		config := h.config(t, "b2")
		if err := os.WriteFile(config.DatabasePassword, []byte("wrong"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := postgres(t, newHost(t, config)).Ping(t.Context())
		if !hostdoor.WrongPassword(err) {
			t.Errorf("error %v, want that the password is wrong", err)
		}
	})
}
