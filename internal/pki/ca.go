// Package pki is the project's own certificate authority: the certificates by
// which a hub and its build hosts know each other.
//
// It knows X.509, the files that keys live in, and who may read them. It refuses
// to know which hosts there are and whose certificate was revoked: that is a
// table's business, and a certificate says nothing about it. Standard library
// only.
//
// All keys are ECDSA on P-256, which every TLS library speaks. There is one
// level: the authority signs the hub's and the hosts' certificates itself and can
// sign nothing that could sign (a path length of zero, RFC 5280 section
// 4.2.1.9). A host's certificate serves client authentication only, the hub's
// server authentication only, so neither can play the other's part.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	// HostValidity is how long a host's certificate counts by default.
	HostValidity = 365 * 24 * time.Hour
	// MaxHostValidity bounds what may be asked for.
	MaxHostValidity = 10 * 365 * 24 * time.Hour

	caValidity = 20 * 365 * 24 * time.Hour
	// skew is how far a peer's clock may be behind the hub's.
	skew = time.Hour

	caCertFile = "ca.pem"
	caKeyFile  = "ca.key"
)

// CA is the authority of one installation. Its methods may be called by several
// goroutines at once.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time
}

// Fingerprint is the SHA-256 of a certificate's DER, by which it is known.
type Fingerprint [sha256.Size]byte

// String is the fingerprint in hexadecimal digits.
func (f Fingerprint) String() string { return fmt.Sprintf("%x", f[:]) }

// FingerprintOf returns the fingerprint of a certificate.
func FingerprintOf(cert *x509.Certificate) Fingerprint { return sha256.Sum256(cert.Raw) }

// OpenCA opens the authority in dir, which is made, once, when there is none:
// dir has mode 0700, ca.key in it 0600. Any number of processes may call it at
// once; they get the same authority. A key that others than its owner may read
// is refused with a *ModeError.
func OpenCA(dir string) (*CA, error) {
	_, err := os.Lstat(filepath.Join(dir, caCertFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = makeCA(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: open authority: %w", err)
	}
	key, err := ReadKey(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, err
	}
	cert, err := ReadCertificate(filepath.Join(dir, caCertFile))
	if err != nil {
		return nil, err
	}
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !cert.IsCA || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("pki: open authority: %s and %s in %s do not belong together", caCertFile, caKeyFile, dir)
	}
	return &CA{cert: cert, key: key, now: time.Now}, nil
}

// makeCA makes the authority beside its place and moves it there whole, so that
// nobody ever sees a certificate without its key. Who comes second throws its
// own away.
func makeCA(dir string) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+"-") // has mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	der, err := sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "distbot builders " + rand.Text()[:8]},
		NotBefore: now.Add(-skew), NotAfter: now.Add(caValidity),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, key.Public(), key)
	if err != nil {
		return err
	}
	encoded, err := EncodeKey(key)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		text []byte
		mode fs.FileMode
	}{{caKeyFile, encoded, 0o600}, {caCertFile, EncodeCertificate(der), 0o644}} {
		if err := WriteFile(filepath.Join(fresh, file.name), file.text, file.mode); err != nil {
			return err
		}
	}
	// A directory replaces an empty one and nothing else, rename(2).
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Lstat(filepath.Join(dir, caCertFile)); there == nil {
			return nil
		}
		return err
	}
	return syncDir(parent)
}

// Certificate is the authority's own certificate, which hosts verify the hub
// with, in PEM.
func (ca *CA) Certificate() []byte { return EncodeCertificate(ca.cert.Raw) }

// Pool holds the authority's certificate alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Issued is a new certificate and its key, which is nowhere else.
type Issued struct {
	// Certificate and Key are PEM; Key is PKCS #8.
	Certificate, Key []byte
	Fingerprint      Fingerprint
	NotAfter         time.Time
}

// IssueHost makes a key and a certificate for the build host name: its subject's
// common name, for people; hosts are known by the fingerprint. validity 0 means
// HostValidity. The certificate never outlives the authority.
func (ca *CA) IssueHost(name string, validity time.Duration) (Issued, error) {
	if validity == 0 {
		validity = HostValidity
	}
	if validity < 0 || validity > MaxHostValidity {
		return Issued{}, fmt.Errorf("pki: issue certificate of %s: a validity of %v is not between 0 and %v", name, validity, MaxHostValidity)
	}
	issued, err := ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, validity)
	if err != nil {
		return Issued{}, fmt.Errorf("pki: issue certificate of %s: %w", name, err)
	}
	return issued, nil
}

// issue completes and signs a template of an end's certificate.
func (ca *CA) issue(template *x509.Certificate, validity time.Duration) (Issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Issued{}, err
	}
	now := ca.now()
	template.NotBefore, template.NotAfter = now.Add(-skew), now.Add(validity)
	if template.NotAfter.After(ca.cert.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	if template.NotAfter.Before(now) {
		return Issued{}, fmt.Errorf("the authority's own certificate ended on %s", ca.cert.NotAfter.Format(time.DateOnly))
	}
	template.BasicConstraintsValid, template.KeyUsage = true, x509.KeyUsageDigitalSignature
	der, err := sign(template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return Issued{}, err
	}
	encoded, err := EncodeKey(key)
	if err != nil {
		return Issued{}, err
	}
	return Issued{
		Certificate: EncodeCertificate(der), Key: encoded,
		Fingerprint: sha256.Sum256(der), NotAfter: template.NotAfter.Truncate(time.Second),
	}, nil
}

// sign gives the template a random serial number of 128 bits and signs it; a nil
// parent is the template itself.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1)) // never zero, RFC 5280 section 4.1.2.2
	if parent == nil {
		parent = template
	}
	return x509.CreateCertificate(rand.Reader, template, parent, public, key)
}

// Made returns nil if this authority signed the certificate, whatever it is for
// and however old it is.
func (ca *CA) Made(cert *x509.Certificate) error {
	if err := cert.CheckSignatureFrom(ca.cert); err != nil {
		return fmt.Errorf("pki: verify certificate: %w", err)
	}
	return nil
}
