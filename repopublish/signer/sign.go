package signer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/rpmsig"
)

// answer does what is asked for. Every refusal is in the audit log, and so is
// every signature before it is returned.
func (s *Server) answer(ctx context.Context, peer *unix.Ucred, r request, file *os.File) answer {
	if r.Version != ProtocolVersion {
		return s.refused(peer, r, refuse(CodeVersion, "the signer speaks version %d of the protocol, the caller %d", ProtocolVersion, r.Version))
	}
	s.refreshKeys()
	if (file != nil) != (r.Op == opSignRPM) || (len(r.Document) > 0) != (r.Op == opSignRepomd) {
		return s.refused(peer, r, refuse(CodeBadRequest, "a file belongs to %s and a document to %s", opSignRPM, opSignRepomd))
	}
	switch r.Op {
	case opKeys:
		return answer{Keys: s.Keys.List()}
	case opSignRPM, opSignRepomd:
		signature, refusal := s.sign(ctx, peer, r, file)
		if refusal != nil {
			return s.refused(peer, r, refusal)
		}
		return answer{Signature: signature}
	}
	return s.refused(peer, r, refuse(CodeBadRequest, "there is no operation %.40q", r.Op))
}

func (s *Server) refused(peer *unix.Ucred, r request, refusal *RefusedError) answer {
	s.log(peer, r, refusal)
	return answer{Error: refusal}
}

// refreshKeys reads the key directory where it has changed.
func (s *Server) refreshKeys() {
	changes, err := s.Keys.refresh()
	if err != nil {
		s.Logger.Error("signer: keys can't be used", "error", err)
	}
	for _, change := range changes {
		s.append(change.line())
	}
}

// subject is what is signed, once it was found to be what was recorded.
type subject struct {
	content []byte
	nevra   string
	// recorded is when its digest was.
	recorded time.Time
}

// sign signs a package or a document.
func (s *Server) sign(ctx context.Context, peer *unix.Ucred, r request, file *os.File) (*Signature, *RefusedError) {
	if !isDigest(r.SHA256) {
		return nil, refuse(CodeBadRequest, "%.80q is no SHA-256", r.SHA256)
	}
	_, refusal := s.Keys.use(r.Key, s.now())
	if refusal != nil {
		return nil, refusal
	}
	var of *subject
	if r.Op == opSignRPM {
		of, refusal = s.readRPM(ctx, r.SHA256, file)
	} else {
		of, refusal = s.readRepomd(ctx, r.SHA256, r.Document)
	}
	if refusal != nil {
		return nil, refusal
	}
	// A large package takes its time, in which the key may have been retired.
	s.refreshKeys()
	key, refusal := s.Keys.use(r.Key, s.now())
	if refusal != nil {
		return nil, refusal
	}
	at := of.recorded.UTC().Truncate(time.Second)
	if at.Before(key.Created) {
		at = key.Created
	}
	packet, err := key.private.Sign(of.content, at)
	if err != nil {
		s.Logger.Error("signer: sign", "key", key.Name, "error", err)
		return nil, refuse(CodeUnavailable, "signing with the key %s failed", key.Name)
	}
	sum := sha256.Sum256(packet)
	receipt, err := s.Audit.Append(Line{
		Event: r.Op, UID: &peer.Uid, PID: peer.Pid, Key: key.Name, Fingerprint: key.Fingerprint, SHA256: r.SHA256, NEVRA: of.nevra,
		Signature: hex.EncodeToString(sum[:]), SignedAt: &at,
	})
	if err != nil {
		s.Logger.Error("signer: nothing is signed that can't be logged", "error", err)
		return nil, refuse(CodeUnavailable, "the audit log can't be written")
	}
	return &Signature{Packet: packet, Key: key.Name, Fingerprint: key.Fingerprint, SignedAt: at, Receipt: receipt}, nil
}

// unavailable refuses for a database that can't be asked, and says so in the
// signer's own log only: the cause may name what a caller need not know.
func (s *Server) unavailable(err error) *RefusedError {
	s.Logger.Error("signer: the record can't be read", "error", err)
	return refuse(CodeUnavailable, "the database can't be asked what is recorded")
}

// readRPM hashes a package and returns its main header, as it was hashed.
func (s *Server) readRPM(ctx context.Context, digest string, file *os.File) (*subject, *RefusedError) {
	size, recorded, err := s.Record.RPM(ctx, digest)
	if errors.Is(err, ErrNotRecorded) {
		return nil, refuse(CodeNotRecorded, "no finished build has a package with the SHA-256 %s", digest)
	}
	if err != nil {
		return nil, s.unavailable(err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, refuse(CodeBadRequest, "the file can't be looked at: %v", err)
	case !info.Mode().IsRegular():
		return nil, refuse(CodeBadRequest, "the package is no regular file")
	case info.Size() != size:
		return nil, refuse(CodeWrongDigest, "the file has %d bytes, the package with the SHA-256 %s has %d", info.Size(), digest, size)
	}
	head, got, err := hashRPM(ctx, file, size)
	switch {
	case got != "" && got != digest:
		return nil, refuse(CodeWrongDigest, "the file has the SHA-256 %s, not %s", got, digest)
	case errors.Is(err, rpmsig.ErrMalformed):
		return nil, refuse(CodeMalformed, "the package with the SHA-256 %s can't be signed: %v", digest, err)
	case err != nil:
		return nil, refuse(CodeUnavailable, "the file can't be read: %v", err)
	}
	pkg, err := head.Parse()
	if err == nil {
		err = rpmsig.Covered(pkg)
	}
	if err != nil {
		return nil, refuse(CodeMalformed, "the package with the SHA-256 %s can't be signed: %v", digest, err)
	}
	return &subject{content: head.Header(), nevra: pkg.NEVRA.String(), recorded: recorded}, nil
}

// hashRPM reads a file once, from its beginning and no more than size bytes, and
// returns its head and the SHA-256 of all of it. Nothing is parsed.
func hashRPM(ctx context.Context, file *os.File, size int64) (*rpmsig.Head, string, error) {
	sum := sha256.New()
	// ReadAt: the offset is shared with the caller, who may move it.
	in := io.TeeReader(&stoppable{ctx: ctx, r: io.NewSectionReader(file, 0, size)}, sum)
	head, malformed := rpmsig.ReadHead(in)
	n, err := io.Copy(io.Discard, in)
	if err != nil {
		return nil, "", err
	}
	if malformed == nil && head.Size()+n != size {
		return nil, "", errors.New("it became shorter")
	}
	return head, hex.EncodeToString(sum.Sum(nil)), malformed
}

// stoppable ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (s *stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}

// readRepomd checks that a document is a repomd.xml and the one recorded.
func (s *Server) readRepomd(ctx context.Context, digest string, document []byte) (*subject, *RefusedError) {
	sum := sha256.Sum256(document)
	if got := hex.EncodeToString(sum[:]); got != digest {
		return nil, refuse(CodeWrongDigest, "the document has the SHA-256 %s, not %s", got, digest)
	}
	if len(document) > MaxDocument {
		return nil, refuse(CodeMalformed, "the document has %d bytes, at most %d", len(document), MaxDocument)
	}
	recorded, err := s.Record.Repomd(ctx, digest)
	if errors.Is(err, ErrNotRecorded) {
		return nil, refuse(CodeNotRecorded, "no repository that is being made has a repomd.xml with the SHA-256 %s", digest)
	}
	if err != nil {
		return nil, s.unavailable(err)
	}
	if err := checkRepomd(document); err != nil {
		return nil, refuse(CodeMalformed, "the document with the SHA-256 %s is no repomd.xml: %v", digest, err)
	}
	return &subject{content: document, recorded: recorded}, nil
}

// repomdSpace is the XML namespace of repomd.xml.
const repomdSpace = "http://linux.duke.edu/metadata/repo"

// checkRepomd refuses what is not one well-formed XML document whose root is that
// of a repomd.xml, without declarations of its own.
func checkRepomd(document []byte) error {
	if !bytes.HasPrefix(document, []byte("<")) || !utf8.Valid(document) {
		return errors.New("it does not begin with <, or is not UTF-8")
	}
	decoder := xml.NewDecoder(bytes.NewReader(document))
	depth, roots := 0, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("it has a document type")
		case xml.StartElement:
			if depth == 0 {
				roots++
				if roots > 1 || t.Name.Local != "repomd" || t.Name.Space != repomdSpace {
					return fmt.Errorf("its root is <%.40s>", t.Name.Local)
				}
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("it has text outside of its root")
			}
		}
	}
	if roots != 1 {
		return errors.New("it has no root")
	}
	return nil
}

// isDigest says whether a text is a SHA-256 in lower-case hex.
func isDigest(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}
