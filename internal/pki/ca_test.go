package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustOpenCA(t *testing.T) *CA {
	t.Helper()
	ca, err := OpenCA(filepath.Join(t.TempDir(), "state", "ca"))
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func mustParse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	cert, err := ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestOpenCA(t *testing.T) {
	t.Parallel()

	t.Run("Many at once open the same, and nothing else is left", func(t *testing.T) {
		t.Parallel()
		state := t.TempDir()
		certs := make([][]byte, 8)
		var wg sync.WaitGroup
		for i := range certs {
			wg.Go(func() {
				ca, err := OpenCA(filepath.Join(state, "ca"))
				if err != nil {
					t.Error(err)
					return
				}
				certs[i] = ca.Certificate()
			})
		}
		wg.Wait()
		for _, cert := range certs[1:] {
			if !bytes.Equal(cert, certs[0]) {
				t.Error("two authorities were opened")
			}
		}
		got := map[string]string{}
		err := filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == state {
				return err
			}
			info, err := entry.Info()
			got[path[len(state)+1:]] = info.Mode().String()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"ca": "drwx------", "ca/ca.key": "-rw-------", "ca/ca.pem": "-rw-r--r--"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})

	t.Run("A key that others may read is refused", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o601} {
			dir := filepath.Join(t.TempDir(), "ca")
			if _, err := OpenCA(dir); err != nil {
				t.Fatal(err)
			}
			key := filepath.Join(dir, caKeyFile)
			if err := os.Chmod(key, mode); err != nil {
				t.Fatal(err)
			}
			var wrong *ModeError
			if _, err := OpenCA(dir); !errors.As(err, &wrong) || wrong.Path != key {
				t.Errorf("mode %o: OpenCA() = %v, want a *ModeError about %s", mode, err, key)
			}
		}
	})

	t.Run("A key of another certificate is refused", func(t *testing.T) {
		t.Parallel()
		one, two := filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "ca")
		for _, dir := range []string{one, two} {
			if _, err := OpenCA(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(filepath.Join(two, caKeyFile), filepath.Join(one, caKeyFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCA(one); err == nil {
			t.Error("it is opened")
		}
	})

	t.Run("A lost key is not made anew", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "ca")
		if _, err := OpenCA(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, caKeyFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCA(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("OpenCA() = %v, want that the key is not there", err)
		}
	})

	t.Run("What is no authority is not replaced by one", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "ca")
		if err := os.MkdirAll(filepath.Join(dir, "something"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCA(dir); err == nil {
			t.Error("it is opened")
		}
	})
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca := mustOpenCA(t)

	t.Run("A host's serves clients only, and signs nothing", func(t *testing.T) {
		t.Parallel()
		before := time.Now().Truncate(time.Second)
		issued, err := ca.IssueHost("b1", 0)
		if err != nil {
			t.Fatal(err)
		}
		cert := mustParse(t, issued.Certificate)
		if cert.Subject.CommonName != "b1" || len(cert.DNSNames)+len(cert.IPAddresses) != 0 || cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Errorf("certificate of %v, names %v %v, authority %v, usage %v", cert.Subject, cert.DNSNames, cert.IPAddresses, cert.IsCA, cert.KeyUsage)
		}
		if diff := cmp.Diff([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, cert.ExtKeyUsage); diff != "" {
			t.Errorf("extended usage (-want +got):\n%s", diff)
		}
		if bits := cert.SerialNumber.BitLen(); bits < 64 || bits > 129 {
			t.Errorf("the serial number has %d bits, want about 128", bits)
		}
		if left := cert.NotAfter.Sub(before); left < HostValidity || left > HostValidity+time.Minute {
			t.Errorf("it counts for %v, want %v", left, HostValidity)
		}
		if issued.Fingerprint != FingerprintOf(cert) || !issued.NotAfter.Equal(cert.NotAfter) {
			t.Errorf("issued %v until %v, the certificate is %v until %v", issued.Fingerprint, issued.NotAfter, FingerprintOf(cert), cert.NotAfter)
		}
		if err := ca.Made(cert); err != nil {
			t.Error(err)
		}
	})

	t.Run("Two for one host are two", func(t *testing.T) {
		t.Parallel()
		one, err := ca.IssueHost("b1", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		two, err := ca.IssueHost("b1", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if one.Fingerprint == two.Fingerprint || bytes.Equal(one.Key, two.Key) {
			t.Error("they are the same")
		}
	})

	t.Run("None outlives its authority, and none is made after its end", func(t *testing.T) {
		t.Parallel()
		old := *ca
		old.now = func() time.Time { return ca.cert.NotAfter.Add(-time.Hour) }
		issued, err := old.IssueHost("b1", 0)
		if err != nil || !issued.NotAfter.Equal(ca.cert.NotAfter) {
			t.Errorf("it ends %v, %v, want %v", issued.NotAfter, err, ca.cert.NotAfter)
		}
		old.now = func() time.Time { return ca.cert.NotAfter.Add(time.Hour) }
		if _, err := old.IssueHost("b1", 0); err == nil {
			t.Error("one was made after the authority's end")
		}
	})

	t.Run("A validity must be reasonable", func(t *testing.T) {
		t.Parallel()
		for _, validity := range []time.Duration{-time.Second, MaxHostValidity + 1} {
			if _, err := ca.IssueHost("b1", validity); err == nil {
				t.Errorf("%v is taken", validity)
			}
		}
	})

	t.Run("A hub's is replaced before its end", func(t *testing.T) {
		t.Parallel()
		clock := *ca
		now := time.Now()
		clock.now = func() time.Time { return now }
		server, err := clock.NewServerCertificate([]string{"hub.example.org", "192.0.2.7", "2001:db8::7"})
		if err != nil {
			t.Fatal(err)
		}
		fingerprint := func() Fingerprint {
			cert, err := server.Get(nil)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"hub.example.org", "192.0.2.7", "2001:db8::7"} {
				if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: ca.Pool(), CurrentTime: now}); err != nil {
					t.Errorf("called by %s after %v: %v", name, now, err)
				}
			}
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
				t.Error("it serves clients")
			}
			return FingerprintOf(leaf)
		}
		first := fingerprint()
		now = now.Add(serverValidity - serverRenewal - time.Minute)
		if fingerprint() != first {
			t.Error("it was replaced early")
		}
		now = now.Add(2 * time.Minute)
		if fingerprint() == first {
			t.Error("it was not replaced")
		}
	})

	t.Run("A hub has a name", func(t *testing.T) {
		t.Parallel()
		if _, err := ca.NewServerCertificate(nil); err == nil {
			t.Error("one without a name was made")
		}
	})
}

func TestClientFiles(t *testing.T) {
	t.Parallel()
	ca := mustOpenCA(t)
	write := func(t *testing.T, issued Issued, key []byte) ClientFiles {
		t.Helper()
		dir := t.TempDir()
		files := ClientFiles{CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "host.pem"), Key: filepath.Join(dir, "host.key")}
		for path, text := range map[string][]byte{files.CA: ca.Certificate(), files.Certificate: issued.Certificate, files.Key: key} {
			if err := WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	issue := func(t *testing.T) Issued {
		t.Helper()
		issued, err := ca.IssueHost("b1", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return issued
	}

	t.Run("A renewed certificate is shown without a restart", func(t *testing.T) {
		t.Parallel()
		server, err := ca.NewServerCertificate([]string{"127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := tls.Listen("tcp", "127.0.0.1:0", ca.ServerTLS(server, "test"))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		seen := make(chan Fingerprint, 1)
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				if err := conn.(*tls.Conn).HandshakeContext(t.Context()); err == nil {
					seen <- FingerprintOf(conn.(*tls.Conn).ConnectionState().PeerCertificates[0])
				}
				_ = conn.Close()
			}
		}()
		first, second := issue(t), issue(t)
		files := write(t, first, first.Key)
		config, err := files.TLS()
		if err != nil {
			t.Fatal(err)
		}
		config.NextProtos = []string{"test"}
		shown := func() Fingerprint {
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", listener.Addr().String(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			select {
			case fingerprint := <-seen:
				return fingerprint
			case <-time.After(10 * time.Second):
				t.Fatal("no handshake in 10 s")
				return Fingerprint{}
			}
		}
		if got := shown(); got != first.Fingerprint {
			t.Errorf("shown %v, want the first", got)
		}
		for path, text := range map[string][]byte{files.Certificate: second.Certificate, files.Key: second.Key} {
			if err := WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := shown(); got != second.Fingerprint {
			t.Errorf("shown %v, want the second", got)
		}
	})

	t.Run("A key of another certificate is refused", func(t *testing.T) {
		t.Parallel()
		if _, err := write(t, issue(t), issue(t).Key).TLS(); err == nil {
			t.Error("it is taken")
		}
	})
}
