package repomd

import (
	"fmt"
	"io"
)

// Bounds of the documents that list packages. Some hundred kilobytes may
// decompress to gigabytes, and what is a tag of a few bytes may cost whoever
// reads it a hundred in memory.
//
// rpm itself allows 1,048,575 files in a package (HEADER_ARRAY_MAX), and as many
// dependencies of each kind; the most that packages of distributions have are
// some 100,000 files (icon themes, sources for debuggers) and some 30,000
// dependencies (the symbols of kernels), and distributions have less than
// 100,000 packages with three million dependencies.
const (
	maxPackages        = 1 << 20   // of a document
	maxEntries         = 1 << 23   // dependencies and files in a primary.xml
	maxPackageEntries  = 1 << 18   // dependencies of a package
	maxPackageFiles    = 1 << 20   // files of a package
	maxPackageBytes    = 128 << 20 // of one <package>
	maxIdentifierBytes = 128       // of a pkgid: SHA-512 in hex
)

// tally counts what a document says. Its errors wrap ErrTooLarge.
type tally struct {
	packages int
	all      int // dependencies and files of the document, for one that is read whole

	entries, files int // of the package
	left           int64
}

// begin begins a package.
func (t *tally) begin(s *scanner) error {
	t.packages++
	t.entries, t.files, t.left = 0, 0, s.left
	return bound(t.packages, maxPackages, "packages")
}

// entry counts a dependency.
func (t *tally) entry() error {
	t.entries++
	t.all++
	if err := bound(t.all, maxEntries, "dependencies and files"); err != nil {
		return err
	}
	return bound(t.entries, maxPackageEntries, "dependencies of a package")
}

// file counts a file of a primary.xml.
func (t *tally) file() error {
	t.all++
	if err := bound(t.all, maxEntries, "dependencies and files"); err != nil {
		return err
	}
	return t.listed()
}

// listed counts a file of a filelists.xml, where only those of one package are
// held in memory.
func (t *tally) listed() error {
	t.files++
	return bound(t.files, maxPackageFiles, "files of a package")
}

// size bounds how much the scanner read of the package.
func (t *tally) size(s *scanner) error {
	if t.left-s.left > maxPackageBytes {
		return fmt.Errorf("a package of more than %d bytes: %w", maxPackageBytes, ErrTooLarge)
	}
	return nil
}

func bound(n, limit int, of string) error {
	if n > limit {
		return fmt.Errorf("more than %d %s: %w", limit, of, ErrTooLarge)
	}
	return nil
}

// Bounds of what decompresses to much: metadata is at most a tenth to a
// thirtieth of its size, hardly ever a hundredth. Small documents may be
// anything.
const (
	maxRatio   = 256
	freeOfCare = 64 << 20
)

// expansion reads what is decompressed, as long as it stays in proportion to
// what was read for it.
type expansion struct {
	io.ReadCloser
	packed *measured
	n      int64
}

// Read implements io.Reader. The error wraps ErrTooLarge.
func (e *expansion) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.n += int64(n); e.n > freeOfCare && e.n/maxRatio > e.packed.n {
		return 0, fmt.Errorf("repomd: decompress: %d bytes became more than %d: %w", e.packed.n, e.n, ErrTooLarge)
	}
	return n, err
}

// measured counts what is read.
type measured struct {
	io.Reader
	n int64
}

// Read implements io.Reader.
func (m *measured) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.n += int64(n)
	return n, err
}
