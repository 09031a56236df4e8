package signer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// ProtocolVersion is that of the requests and answers. Another one is refused.
const ProtocolVersion = 1

const (
	// MaxDocument bounds a repomd.xml, in bytes.
	MaxDocument = 1 << 20
	// maxMessage bounds a request or an answer: a document in base64, or many
	// public keys.
	maxMessage = 2 << 20
)

// What can be asked for.
const (
	opSignRPM    = "sign-rpm"
	opSignRepomd = "sign-repomd"
	opKeys       = "keys"
)

// request is one message to the signer: four bytes with the length of what
// follows, big-endian, and JSON. With sign-rpm the first byte carries the open
// file (SCM_RIGHTS). A connection has one request and one answer.
type request struct {
	Version int    `json:"version"`
	Op      string `json:"op"`
	Key     string `json:"key,omitempty"`
	// SHA256 is that of the whole package, or of the document.
	SHA256   string `json:"sha256,omitempty"`
	Document []byte `json:"document,omitempty"`
}

// answer is the signer's: an error, or what was asked for.
type answer struct {
	Version   int           `json:"version"`
	Error     *RefusedError `json:"error,omitempty"`
	Signature *Signature    `json:"signature,omitempty"`
	Keys      []Key         `json:"keys,omitempty"`
}

// Signature is a signature that was made, and logged.
type Signature struct {
	// Packet is the OpenPGP packet.
	Packet []byte `json:"packet"`
	// Key and Fingerprint name the key that made it.
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"`
	SignedAt    time.Time `json:"signed_at"`
	Receipt     Receipt   `json:"receipt"`
}

// Receipt names the line of the audit log that tells of a signature.
type Receipt struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Code says why something was refused.
type Code string

// The codes of refusals.
const (
	// CodeForbidden: the account may not use the signer.
	CodeForbidden Code = "forbidden"
	// CodeBadRequest: the request is not one of this protocol, or too large.
	CodeBadRequest Code = "bad-request"
	// CodeVersion: the two programs are of different versions.
	CodeVersion Code = "version"
	// CodeUnknownKey: the signer has no key of that name.
	CodeUnknownKey Code = "unknown-key"
	// CodeRetiredKey and CodeExpiredKey: nothing is signed with it any more.
	CodeRetiredKey Code = "retired-key"
	CodeExpiredKey Code = "expired-key"
	// CodeNotRecorded: the database does not say that this may be signed.
	CodeNotRecorded Code = "not-recorded"
	// CodeWrongDigest: the bytes are not those that were recorded.
	CodeWrongDigest Code = "wrong-digest"
	// CodeMalformed: the bytes are recorded, but no package or repomd.xml that
	// can be signed.
	CodeMalformed Code = "malformed"
	// CodeUnavailable: the database, the log or the key could not be read or
	// written; the signer's own log says more. Trying again may help.
	CodeUnavailable Code = "unavailable"
)

// RefusedError is the signer's refusal. Only CodeUnavailable may end by itself.
type RefusedError struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

// Error implements error.
func (e *RefusedError) Error() string { return "signer: refused: " + e.Text }

func refuse(code Code, format string, args ...any) *RefusedError {
	return &RefusedError{Code: code, Text: fmt.Sprintf(format, args...)}
}

// errTooLarge says that a message claims more than maxMessage bytes.
var errTooLarge = errors.New("message is too large")

// encode is a message as it is sent.
func encode(message any) ([]byte, error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if len(text) > maxMessage {
		return nil, errTooLarge
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...), nil
}

// decode reads the rest of a message, whose first bytes were read, into a
// request or an answer. Unknown fields are errors: they belong to another
// version.
func decode(prefix [4]byte, r io.Reader, into any) error {
	size := binary.BigEndian.Uint32(prefix[:])
	if size > maxMessage {
		return fmt.Errorf("%d bytes, at most %d: %w", size, maxMessage, errTooLarge)
	}
	var text bytes.Buffer
	if _, err := io.CopyN(&text, r, int64(size)); err != nil {
		return err
	}
	decoder := json.NewDecoder(&text)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
