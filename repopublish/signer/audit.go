package signer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Files of the audit log in its directory.
const (
	auditFile = "audit.log"
	// auditHead holds the number and hash of the newest line, so that the end of
	// the log can't be cut off unseen.
	auditHead = "audit.head"
)

// Events of the audit log.
const (
	EventStart      = "start"       // the signer begins; Detail lists its keys
	EventRecovered  = "recovered"   // a line that a killed signer did not finish was cut off
	EventKey        = "key"         // a key came, went or was retired
	EventSignRPM    = "sign-rpm"    // an RPM was signed
	EventSignRepomd = "sign-repomd" // a repomd.xml was signed
	EventRefused    = "refused"     // a request was refused
)

// Line is one line of the audit log, as JSON.
type Line struct {
	// Seq counts lines from 1.
	Seq   int64     `json:"seq"`
	At    time.Time `json:"at"`
	Event string    `json:"event"`
	// UID and PID are the caller's, as the kernel says.
	UID *uint32 `json:"uid,omitempty"`
	PID int32   `json:"pid,omitempty"`
	// Key and Fingerprint are those of the key that was asked for.
	Key         string `json:"key,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// SHA256 is that of the package or document, and NEVRA the package's.
	SHA256 string `json:"sha256,omitempty"`
	NEVRA  string `json:"nevra,omitempty"`
	// Signature is the SHA-256 of the OpenPGP packet that was given out.
	Signature string     `json:"signature,omitempty"`
	SignedAt  *time.Time `json:"signed_at,omitempty"`
	// Code and Detail say why something was refused, or what happened.
	Code   Code   `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Times is how often it happened since the line before of the same kind,
	// where it was not written each time.
	Times int `json:"times,omitempty"`
	// Prev is the SHA-256 of the line before, without its newline; of the first
	// line it is 64 zeros.
	Prev string `json:"prev"`
}

// maxLine bounds a line of the log, in bytes.
const maxLine = 64 << 10

// noHash is the hash before the first line.
var noHash = strings.Repeat("0", 2*sha256.Size)

// AuditLog is the signer's own record of what it did: lines that are appended,
// each holding the hash of the one before, on the disk before anything they tell
// of leaves the process. One process has it open. Safe for concurrent use.
type AuditLog struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	mu         sync.Mutex
	file, head *os.File
	size       int64 // of file: whole lines
	last       Receipt
	broken     error // why nothing can be appended any more
	// retired is when lines that were there at first told of the end of keys, by
	// fingerprint.
	retired map[string]time.Time
}

// OpenAudit opens the log in a directory that only our account may enter, and
// makes it where there is none. It reads the whole chain first: a log that was
// changed or cut is a *TamperedError, and stays as it is. A last line that is
// not finished, since a signer was killed while it wrote it, was never acted on:
// it is cut off, which the log then says.
func OpenAudit(dir string) (*AuditLog, error) {
	if err := checkPrivateDir(dir); err != nil {
		return nil, fmt.Errorf("signer: open audit log: %w", err)
	}
	l := &AuditLog{retired: map[string]time.Time{}}
	torn, err := l.open(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("signer: open audit log: %w", err), l.Close())
	}
	if len(torn) > 0 {
		sum := sha256.Sum256(torn)
		_, err = l.Append(Line{Event: EventRecovered, SHA256: hex.EncodeToString(sum[:]), Detail: fmt.Sprintf("%d bytes of a line that was not finished were cut off", len(torn))})
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *AuditLog) open(dir string) (torn []byte, err error) {
	// The head comes first: a log without one was not made by us.
	if l.head, err = openPrivate(filepath.Join(dir, auditHead)); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(l.head.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another signer uses %s", dir)
		}
		return nil, err
	}
	if l.file, err = openPrivate(filepath.Join(dir, auditFile)); err != nil {
		return nil, err
	}
	head, err := readHead(l.head)
	if err != nil {
		return nil, err
	}
	// Nobody else writes.
	chain, torn, err := readChain(l.file, head, func() (Receipt, error) { return head, nil }, func(line Line, _ Receipt) {
		if line.Event == EventKey && line.Code == CodeRetiredKey {
			l.retired[line.Fingerprint] = line.At
		}
	})
	if err != nil {
		return nil, err
	}
	l.last, l.size = chain.last, chain.size
	if len(torn) > 0 {
		if err := errors.Join(l.file.Truncate(l.size), l.file.Sync()); err != nil {
			return nil, err
		}
	}
	// A signer that was killed may have written a line and not its head.
	return torn, l.writeHead()
}

// openPrivate opens a file for reading and writing that only we may use, and
// makes an empty one durable where there is none.
func openPrivate(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkPrivate(path, info)
	}
	if err == nil {
		err = syncDirOf(path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Append writes a line and returns when it is on the disk. Seq, At and Prev are
// filled in. After an error that leaves it open what the file holds, nothing is
// appended any more.
func (l *AuditLog) Append(line Line) (Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return Receipt{}, fmt.Errorf("signer: append to audit log: %w", l.broken)
	}
	now := l.Now
	if now == nil {
		now = time.Now
	}
	line.Seq, line.At, line.Prev = l.last.Seq+1, now().UTC().Truncate(time.Millisecond), l.last.Hash
	text, err := json.Marshal(line)
	if err == nil && len(text) >= maxLine {
		err = fmt.Errorf("the line has %d bytes", len(text))
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("signer: append to audit log: %w", err)
	}
	if err := l.write(text); err != nil {
		return Receipt{}, fmt.Errorf("signer: append to audit log: %w", err)
	}
	return l.last, nil
}

// write appends a line and moves the head. What is not wholly there is taken
// back.
func (l *AuditLog) write(text []byte) error {
	_, err := l.file.WriteAt(append(text, '\n'), l.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		if undo := errors.Join(l.file.Truncate(l.size), l.file.Sync()); undo != nil {
			l.broken = undo
		}
		return err
	}
	l.size += int64(len(text)) + 1
	l.last = Receipt{Seq: l.last.Seq + 1, Hash: hashLine(text)}
	if err := l.writeHead(); err != nil {
		l.broken = err
		return err
	}
	return nil
}

// headFormat is the content of the head: always as long, and written over.
const headFormat = "%019d %s\n"

func (l *AuditLog) writeHead() error {
	if _, err := l.head.WriteAt(fmt.Appendf(nil, headFormat, l.last.Seq, l.last.Hash), 0); err != nil {
		return err
	}
	return unix.Fdatasync(int(l.head.Fd()))
}

// Close ends the log.
func (l *AuditLog) Close() error {
	var errs []error
	for _, file := range []*os.File{l.file, l.head} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

func hashLine(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

const (
	// noHead is read of an empty file: that of a log nobody has written to.
	noHead = -1
	// unknownHead stands for one that can't be read.
	unknownHead = -2
)

// readHead reads which line was the newest.
func readHead(r io.ReaderAt) (Receipt, error) {
	text, err := io.ReadAll(io.NewSectionReader(r, 0, 256))
	if err != nil {
		return Receipt{}, err
	}
	if len(text) == 0 {
		return Receipt{Seq: noHead}, nil
	}
	var head Receipt
	if n, err := fmt.Sscanf(string(text), headFormat, &head.Seq, &head.Hash); n != 2 || err != nil || len(head.Hash) != len(noHash) {
		return Receipt{}, &TamperedError{Problems: []string{auditHead + " is not as it was written"}}
	}
	return head, nil
}

// TamperedError says that the audit log is not what a signer wrote.
type TamperedError struct {
	// Problems are in words, each with its line; at most maxProblems.
	Problems []string
}

// Error implements error.
func (e *TamperedError) Error() string {
	return "the audit log was changed: " + strings.Join(e.Problems, "; ")
}

// maxProblems bounds how many problems of a log are told.
const maxProblems = 20

// chain is what reading a log gives.
type chain struct {
	last Receipt
	size int64 // of the whole lines
}

// readChain reads a log, calls visit, which may be nil, with every line and its
// hash, and returns the bytes after the last newline. head is what was read of
// the head before, and later reads it again when the log was read: the newest
// line must be in the log by the one, and at most one line be newer than the
// other, that of a signer which has written a line and not yet its head.
// Whatever breaks the chain is a *TamperedError.
func readChain(r io.Reader, head Receipt, later func() (Receipt, error), visit func(Line, Receipt)) (c chain, torn []byte, err error) {
	c.last = Receipt{Hash: noHash}
	var problems []string
	problem := func(format string, args ...any) {
		if len(problems) < maxProblems {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	headSeen := head.Seq <= 0
	lines := bufio.NewReaderSize(r, maxLine)
	for n := int64(1); ; n++ {
		text, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			torn = bytes.Clone(text)
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			problem("line %d is longer than %d bytes", n, maxLine)
			break
		}
		if err != nil {
			return c, nil, err
		}
		c.size += int64(len(text))
		text = text[:len(text)-1]
		var line Line
		if err := unmarshalLine(text, &line); err != nil {
			problem("line %d is no line of the log: %v", n, err)
			c.last = Receipt{Seq: c.last.Seq + 1, Hash: hashLine(text)}
			continue
		}
		if line.Seq != c.last.Seq+1 {
			problem("line %d has number %d, want %d: lines were removed or added before it", n, line.Seq, c.last.Seq+1)
		} else if line.Prev != c.last.Hash {
			problem("the line before line %d was changed", n)
		}
		c.last = Receipt{Seq: line.Seq, Hash: hashLine(text)}
		if c.last == head {
			headSeen = true
		}
		if visit != nil {
			visit(line, c.last)
		}
	}
	if head.Seq == noHead && (c.last.Seq > 0 || len(torn) > 0) {
		problem("%s is empty", auditHead)
	}
	if !headSeen {
		problem("line %d, which was the newest, is not there, or was changed", head.Seq)
	}
	if head.Seq >= 0 {
		after, err := later()
		if err != nil {
			return c, torn, err
		}
		if c.last.Seq > after.Seq+1 {
			problem("%s is older than line %d", auditHead, c.last.Seq)
		}
	}
	if problems != nil {
		return c, torn, &TamperedError{Problems: problems}
	}
	return c, torn, nil
}

func unmarshalLine(text []byte, line *Line) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(line); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
