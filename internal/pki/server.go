package pki

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	serverValidity = 30 * 24 * time.Hour
	// serverRenewal is how long before its end a certificate is replaced.
	serverRenewal = 10 * 24 * time.Hour
)

// ServerCertificate makes the hub's certificates, which live in memory only:
// whoever restarts the hub gets a new one, and a running one is replaced when it
// has ten of its thirty days left. Safe for concurrent use.
type ServerCertificate struct {
	ca    *CA
	names []string

	mu      sync.Mutex
	current *tls.Certificate
	renew   time.Time
}

// NewServerCertificate returns the source of certificates for a hub that hosts
// call by these DNS names and IP addresses, of which there must be one.
func (ca *CA) NewServerCertificate(names []string) (*ServerCertificate, error) {
	if len(names) == 0 {
		return nil, errors.New("pki: make certificate of the hub: it has no name")
	}
	s := &ServerCertificate{ca: ca, names: names}
	if _, err := s.Get(nil); err != nil {
		return nil, err
	}
	return s, nil
}

// Get returns the certificate to show now; it is made for
// tls.Config.GetCertificate.
func (s *ServerCertificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.ca.now().Before(s.renew) {
		return s.current, nil
	}
	issued, err := s.ca.IssueForServers(serverValidity, s.names...)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		return nil, fmt.Errorf("pki: make certificate of the hub: %w", err)
	}
	s.current, s.renew = &pair, issued.NotAfter.Add(-serverRenewal)
	return s.current, nil
}

// IssueForServers makes a key and a certificate for a server that is called by
// these names.
func (ca *CA) IssueForServers(validity time.Duration, names ...string) (Issued, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	issued, err := ca.issue(template, validity)
	if err != nil {
		return Issued{}, fmt.Errorf("pki: make certificate of the hub: %w", err)
	}
	return issued, nil
}

// ServerTLS is the hub's side of TLS 1.3: a client must show a certificate of
// this authority that serves client authentication, and is not believed for that
// alone. There are no session tickets, so every connection shows it anew.
func (ca *CA) ServerTLS(cert *ServerCertificate, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		GetCertificate:         cert.Get,
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              ca.Pool(),
		NextProtos:             protocols,
		SessionTicketsDisabled: true,
		Time:                   ca.now,
	}
}
