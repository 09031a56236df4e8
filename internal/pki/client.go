package pki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// ClientFiles names what a host shows and verifies with.
type ClientFiles struct {
	// CA, Certificate and Key are PEM files; Key has mode 0600.
	CA, Certificate, Key string
}

// TLS is a host's side of TLS 1.3. The files are read for each connection, so
// that a renewed certificate counts without a restart; the first time is now, so
// that a mistake is told at once.
func (f ClientFiles) TLS() (*tls.Config, error) {
	authority, err := ReadCertificate(f.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	if _, err := f.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		RootCAs:              roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.load() },
	}, nil
}

// load reads certificate and key.
func (f ClientFiles) load() (*tls.Certificate, error) {
	key, err := ReadKey(f.Key)
	if err != nil {
		return nil, err
	}
	cert, err := ReadCertificate(f.Certificate)
	if err != nil {
		return nil, err
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("pki: read %s: the key in %s is another certificate's", f.Certificate, f.Key)
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}
