package rpmfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// Sizes of the two kinds of member header after the 6 bytes of magic.
const (
	newcHeader     = 104 // 13 fields of 8 hex digits
	strippedHeader = 8   // the file's index in the header, 8 hex digits
)

const trailer = "TRAILER!!!"

// archive reads rpm's cpio. cavaliergopher/cpio is not used: it does not know
// the stripped form, and takes hex fields with a sign, so that a negative size
// makes its Read panic.
type archive struct {
	r      *bufio.Reader
	p      *Package
	limits Limits

	index   map[string]int // Package.Files by archive name
	content map[[2]int64]int
	seen    []bool
	entries int
	at      int64 // bytes consumed
	left    int64 // content of the current member not yet read
	broken  error // what the payload could not be read for; the walk ends with it
}

func newArchive(r io.Reader, p *Package, limits Limits) *archive {
	a := &archive{
		r: bufio.NewReaderSize(r, 64<<10), p: p, limits: limits,
		index: make(map[string]int, len(p.Files)), content: map[[2]int64]int{},
		seen: make([]bool, len(p.Files)),
	}
	for i, f := range p.Files {
		a.index[strings.TrimPrefix(f.Path, "/")] = i
		if f.IsRegular() && !f.IsGhost() && f.inode != 0 {
			a.content[[2]int64{f.device, f.inode}] = i
		}
	}
	return a
}

// next moves to the next member; io.EOF (alone) after the trailer.
func (a *archive) next() (PayloadFile, error) {
	if err := a.skip(a.left); err != nil {
		return PayloadFile{}, err
	}
	if a.entries++; a.entries > a.limits.Entries {
		return PayloadFile{}, fmt.Errorf("more than %d members: %w", a.limits.Entries, ErrTooLarge)
	}
	if err := a.pad(); err != nil {
		return PayloadFile{}, err
	}
	magic, err := a.take(6)
	if err != nil {
		return PayloadFile{}, err
	}
	var file PayloadFile
	switch string(magic) {
	case "070701", "070702":
		file, err = a.newc()
	case "07070X":
		file, err = a.stripped()
	default:
		err = fmt.Errorf("cpio magic %q: %w", magic, ErrMalformed)
	}
	if err != nil {
		return PayloadFile{}, err
	}
	if err := a.pad(); err != nil {
		return PayloadFile{}, err
	}
	a.left = file.Size
	if file.Size > a.limits.Bytes-a.at {
		return PayloadFile{}, fmt.Errorf("more than %d bytes: %w", a.limits.Bytes, ErrTooLarge)
	}
	return file, nil
}

// newc reads the rest of a header of the SVR4 format.
func (a *archive) newc() (PayloadFile, error) {
	h, err := a.take(newcHeader)
	if err != nil {
		return PayloadFile{}, err
	}
	var mode, size, nameSize uint32
	for _, f := range []struct {
		field int
		into  *uint32
	}{{1, &mode}, {6, &size}, {11, &nameSize}} {
		if *f.into, err = hexField(h[f.field*8:]); err != nil {
			return PayloadFile{}, err
		}
	}
	if nameSize < 2 || nameSize > maxPath {
		return PayloadFile{}, fmt.Errorf("cpio name of %d bytes: %w", nameSize, ErrMalformed)
	}
	raw, err := a.take(int(nameSize))
	if err != nil {
		return PayloadFile{}, err
	}
	name := strings.TrimSuffix(string(raw), "\x00")
	if name == trailer {
		return PayloadFile{}, io.EOF
	}
	i, err := a.lookup(name)
	if err != nil {
		return PayloadFile{}, err
	}
	return PayloadFile{Path: a.p.Files[i].Path, Mode: mode, Size: int64(size), File: &a.p.Files[i]}, nil
}

// lookup finds the header's entry for a member's name: "./usr/bin/x" or
// "/usr/bin/x" in a binary RPM, "x.spec" in a source RPM.
func (a *archive) lookup(name string) (int, error) {
	rel := strings.TrimPrefix(strings.TrimPrefix(name, "."), "/")
	if a.p.Source {
		rel = name
	}
	i, ok := a.index[rel]
	if !ok || path.Clean("/"+rel) != "/"+rel || a.p.Source && strings.Contains(rel, "/") {
		return 0, fmt.Errorf("member %q is not in the file list: %w", clip(name), ErrMalformed)
	}
	return i, a.once(i)
}

func (a *archive) once(i int) error {
	if a.seen[i] {
		return fmt.Errorf("member %q occurs twice: %w", clip(a.p.Files[i].Path), ErrMalformed)
	}
	a.seen[i] = true
	return nil
}

// stripped reads the rest of a header that only names an index of the file
// list; mode and size come from there (rpm's iterReadArchiveNext). Of a set of
// hard links the last has the content.
func (a *archive) stripped() (PayloadFile, error) {
	h, err := a.take(strippedHeader)
	if err != nil {
		return PayloadFile{}, err
	}
	fx, err := hexField(h)
	if err != nil {
		return PayloadFile{}, err
	}
	if fx == 0xffffffff {
		return PayloadFile{}, io.EOF
	}
	if int64(fx) >= int64(len(a.p.Files)) {
		return PayloadFile{}, fmt.Errorf("member %d of %d files: %w", fx, len(a.p.Files), ErrMalformed)
	}
	f := &a.p.Files[fx]
	if _, err := a.lookup(f.Path); err != nil {
		return PayloadFile{}, err
	}
	file := PayloadFile{Path: f.Path, Mode: uint32(f.Mode), File: f}
	switch {
	case f.IsSymlink():
		file.Size = f.Size
	case f.IsRegular() && (f.inode == 0 || a.content[[2]int64{f.device, f.inode}] == int(fx)):
		file.Size = f.Size
	}
	return file, nil
}

// Read reads the content of the current member.
func (a *archive) Read(b []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > a.left {
		b = b[:a.left]
	}
	n, err := a.r.Read(b)
	a.at += int64(n)
	a.left -= int64(n)
	if err != nil && a.left == 0 {
		err = nil // n is the whole rest; what follows is the next member's trouble
	}
	if err != nil {
		a.broken = a.readError(err)
		return n, a.broken
	}
	return n, nil
}

// take returns the next n bytes; they are valid until the next call.
func (a *archive) take(n int) ([]byte, error) {
	b, err := a.r.Peek(n)
	if err != nil {
		return nil, a.readError(err)
	}
	return b, a.skip(int64(n))
}

func (a *archive) skip(n int64) error {
	a.left = 0
	if a.broken != nil {
		return a.broken
	}
	if n > a.limits.Bytes-a.at {
		return fmt.Errorf("more than %d bytes: %w", a.limits.Bytes, ErrTooLarge)
	}
	for n > 0 {
		step := int(min(n, 1<<30))
		done, err := a.r.Discard(step)
		a.at += int64(done)
		n -= int64(done)
		if err != nil {
			return a.readError(err)
		}
	}
	return nil
}

// pad skips to a multiple of 4 bytes.
func (a *archive) pad() error { return a.skip(-a.at & 3) }

// readError turns the end of the payload, and whatever a decompressor found
// wrong with it, into ErrMalformed.
func (a *archive) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("payload truncated: %w", ErrMalformed)
	}
	return fmt.Errorf("read payload: %w", err)
}

// hexField reads 8 hex digits, and nothing that strconv would also allow.
func hexField(b []byte) (uint32, error) {
	v, err := strconv.ParseUint(string(b[:8]), 16, 32)
	if err != nil || b[0] == '+' {
		return 0, fmt.Errorf("cpio field %q: %w", b[:8], ErrMalformed)
	}
	return uint32(v), nil
}
