package enroll

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostdoor"
)

// The files of an enrolment, all with mode 0600.
const (
	FileCertificate = "host.pem"
	FileKey         = "host.key"
	FileCA          = "ca.pem"
	FilePassword    = "database.password"
	// FileConfig is written once: whoever changed it finds it as it was.
	FileConfig = "builder.yaml"
)

// Files is all of them, in the order they are written in: the certificate comes
// first, so that a killed enrolment is known by it.
func Files() []string {
	return []string{FileCertificate, FileKey, FileCA, FilePassword, FileConfig}
}

// FilesError says that files are in the way.
type FilesError struct {
	Dir   string
	Files []string
}

// Error implements error.
func (e *FilesError) Error() string {
	return fmt.Sprintf("enroll: %s has %s already, which may be in use: name another directory, or replace them with --force",
		e.Dir, strings.Join(e.Files, ", "))
}

// bundle is the directory of an enrolment, locked against another one.
type bundle struct {
	path string
	dir  *os.File
	// made are the directories that were made for it, the innermost first.
	made []string
}

// openBundle makes the directory if it does not exist. Others than its owner
// must not have access.
func openBundle(path string) (*bundle, error) {
	if path == "" {
		return nil, errors.New("enroll: open directory: it has no name")
	}
	b := &bundle{path: path}
	for dir := filepath.Clean(path); isMissing(dir); dir = filepath.Dir(dir) {
		b.made = append(b.made, dir)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		b.discard()
		return nil, fmt.Errorf("enroll: make directory: %w", err)
	}
	var err error
	if b.dir, err = os.Open(path); err != nil {
		b.discard()
		return nil, fmt.Errorf("enroll: open directory: %w", err)
	}
	if err := b.claim(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// claim locks the directory and makes sure that it is its owner's alone.
func (b *bundle) claim() error {
	if err := unix.Flock(int(b.dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("enroll: lock %s: %w", b.path, err)
	}
	info, err := b.dir.Stat()
	if err != nil {
		return fmt.Errorf("enroll: open directory: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if _, err := b.dir.Readdirnames(1); err == nil {
		return fmt.Errorf("enroll: %s has mode %04o, so others may look into it: chmod 700 it, or name another directory", b.path, info.Mode().Perm())
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("enroll: read %s: %w", b.path, err)
	}
	if err := b.dir.Chmod(0o700); err != nil {
		return fmt.Errorf("enroll: close %s to others: %w", b.path, err)
	}
	return nil
}

// discard removes the directories that were made, as far as nothing lies in them.
func (b *bundle) discard() {
	for _, dir := range b.made {
		if os.Remove(dir) != nil {
			return // somebody has put something there
		}
	}
}

// isMissing reports whether nothing has this name.
func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// close gives the directory free.
func (b *bundle) close() { _ = b.dir.Close() }

func (b *bundle) file(name string) string { return filepath.Join(b.path, name) }

// has reports whether a file is there, of whatever kind.
func (b *bundle) has(name string) bool { return !isMissing(b.file(name)) }

// present lists those of our files that are there.
func (b *bundle) present() (names []string) {
	for _, name := range Files() {
		if b.has(name) {
			names = append(names, name)
		}
	}
	return names
}

// certificate returns the fingerprint of the host's certificate that is there,
// if this authority made it.
func (b *bundle) certificate(ca *pki.CA) (pki.Fingerprint, error) {
	cert, err := pki.ReadCertificate(b.file(FileCertificate))
	if err != nil {
		return pki.Fingerprint{}, err
	}
	if err := ca.Made(cert); err != nil {
		return pki.Fingerprint{}, err
	}
	return pki.FingerprintOf(cert), nil
}

// contents is what the files say.
type contents struct {
	host, hub string
	arches    []string
	issued    pki.Issued
	ca        []byte
	// password is empty to keep the file that is there.
	password string
}

// settings is builder.yaml as it is first written.
type settings struct {
	hostdoor.HostConfig `yaml:",inline"`
	Arches              []string `yaml:"arches,flow,omitempty"`
}

// write writes the files, each whole or not at all, and removes what an enrolment
// has begun of them that was killed.
func (b *bundle) write(c contents) error {
	config, err := yaml.Marshal(settings{
		HostConfig: hostdoor.HostConfig{Hub: c.hub, CA: FileCA, Certificate: FileCertificate, Key: FileKey, DatabasePassword: FilePassword},
		Arches:     c.arches,
	})
	if err != nil {
		return fmt.Errorf("enroll: write %s: %w", FileConfig, err)
	}
	text := map[string][]byte{
		FileCertificate: c.issued.Certificate, FileKey: c.issued.Key, FileCA: c.ca,
		FilePassword: []byte(c.password + "\n"),
		FileConfig: fmt.Appendf(nil, "# Build host %s. docs/configuration.md describes every key; relative paths start at this file's folder.\n%s",
			c.host, config),
	}
	for _, name := range Files() {
		if err := pki.RemoveUnfinished(b.file(name)); err != nil {
			return fmt.Errorf("enroll: %w", err)
		}
		if name == FilePassword && c.password == "" || name == FileConfig && b.has(name) {
			continue
		}
		if err := pki.WriteFile(b.file(name), text[name], 0o600); err != nil {
			return fmt.Errorf("enroll: %w", err)
		}
	}
	return nil
}
