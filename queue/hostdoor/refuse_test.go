package hostdoor_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostdoor"
)

// credential writes a certificate that nobody enrolled, by an authority, and
// returns a configuration with it.
func (h *hub) credential(t *testing.T, issued pki.Issued) hostdoor.HostConfig {
	t.Helper()
	dir := t.TempDir()
	config := hostdoor.HostConfig{
		Hub: h.desk.HubURL, CA: filepath.Join(h.caDir, "ca.pem"), Certificate: filepath.Join(dir, "host.pem"),
		Key: filepath.Join(dir, "host.key"), DatabasePassword: filepath.Join(dir, "password"),
	}
	for path, text := range map[string][]byte{config.Certificate: issued.Certificate, config.Key: issued.Key, config.DatabasePassword: []byte("secret")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// know puts a certificate into the table, as that of a host.
func (h *hub) know(t *testing.T, host string, issued pki.Issued, notAfter time.Time) {
	t.Helper()
	_, err := h.pool.Exec(t.Context(), `with h as (insert into hosts (name) values ($1) returning id)
		insert into host_credentials (host_id, fingerprint, not_after, created_by) select id, $2, $3, 'test' from h`,
		host, issued.Fingerprint[:], notAfter)
	if err != nil {
		t.Fatal(err)
	}
}

// tomorrow is later than the end of any certificate a test shows.
func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

func TestCertificatesThatDoNotCount(t *testing.T) {
	t.Parallel()
	h := setup(t)
	foreign, err := pki.OpenCA(filepath.Join(t.TempDir(), "ca"))
	if err != nil {
		t.Fatal(err)
	}
	issue := func(t *testing.T, ca *pki.CA, name string, validity time.Duration) pki.Issued {
		t.Helper()
		issued, err := ca.IssueHost(name, validity)
		if err != nil {
			t.Fatal(err)
		}
		return issued
	}
	for name, credential := range map[string]func(t *testing.T) pki.Issued{
		"of a host that was never enrolled": func(t *testing.T) pki.Issued {
			return issue(t, h.ca, "unknown", 0)
		},
		"that has ended, though the table knows it": func(t *testing.T) pki.Issued {
			issued := issue(t, h.ca, "ended", time.Nanosecond)
			h.know(t, "ended", issued, tomorrow())
			return issued
		},
		"that has not ended, though the table says so": func(t *testing.T) pki.Issued {
			issued := issue(t, h.ca, "ended in the table", 0)
			h.know(t, "ended in the table", issued, time.Now().Add(-time.Second))
			return issued
		},
		"of another authority, though the table knows it": func(t *testing.T) pki.Issued {
			issued := issue(t, foreign, "foreign", 0)
			h.know(t, "foreign", issued, tomorrow())
			return issued
		},
		"that serves servers, though the table knows it": func(t *testing.T) pki.Issued {
			issued, err := h.ca.IssueForServers(time.Hour, "server")
			if err != nil {
				t.Fatal(err)
			}
			h.know(t, "server", issued, tomorrow())
			return issued
		},
	} {
		t.Run("One "+name, func(t *testing.T) {
			t.Parallel()
			host := newHost(t, h.credential(t, credential(t)))
			if status, body, err := h.who(client(t, host)); err == nil && status != http.StatusForbidden {
				t.Errorf("HTTP: %d %q, want a refusal", status, body)
			}
			if err := host.Check(t.Context()); !hostdoor.Refused(err) {
				t.Errorf("Check() = %v, want a refusal of the certificate", err)
			}
			pool, err := host.Postgres(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			if err := pool.Ping(t.Context()); !hostdoor.Refused(err) {
				t.Errorf("PostgreSQL: %v, want a refusal of the certificate", err)
			}
		})
	}

	t.Run("None at all", func(t *testing.T) {
		t.Parallel()
		conn, err := tls.Dial("tcp", h.addr, &tls.Config{RootCAs: h.ca.Pool()})
		if err == nil {
			// With TLS 1.3 the client learns of it when it reads.
			defer conn.Close()
			_, err = conn.Read(make([]byte, 1))
		}
		if err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("error %v, want that a certificate is required", err)
		}
	})

	t.Run("TLS 1.2 is not spoken", func(t *testing.T) {
		t.Parallel()
		old := &tls.Config{RootCAs: h.ca.Pool(), MaxVersion: tls.VersionTLS12} //nolint:gosec // that this is refused is tested
		_, err := tls.Dial("tcp", h.addr, old)
		var remote *net.OpError
		if !errors.As(err, &remote) || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("error %v, want that the version is not supported", err)
		}
	})

	t.Run("A host does not speak to another hub", func(t *testing.T) {
		t.Parallel()
		other := setup(t)
		config := h.config(t, "loyal")
		config.Hub = other.desk.HubURL
		_, _, err := other.who(client(t, newHost(t, config)))
		if err == nil || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("error %v, want that the other hub's authority is unknown", err)
		}
	})

	t.Run("A host's key that others may read is not used", func(t *testing.T) {
		t.Parallel()
		for _, open := range []func(hostdoor.HostConfig) string{
			func(c hostdoor.HostConfig) string { return c.Key },
			func(c hostdoor.HostConfig) string { return c.DatabasePassword },
		} {
			config := h.config(t, "open"+filepath.Base(t.TempDir()))
			if err := os.Chmod(open(config), 0o640); err != nil {
				t.Fatal(err)
			}
			var mode *pki.ModeError
			if _, err := hostdoor.NewHost(config); !errors.As(err, &mode) || mode.Path != open(config) {
				t.Errorf("NewHost() = %v, want a *ModeError about %s", err, open(config))
			}
		}
	})
}
