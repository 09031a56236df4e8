// Package pgp makes and reads the OpenPGP keys and signatures that packages
// and repositories are signed with (RFC 4880, RFC 9580 for version 4 only).
//
// It knows key generation, keys protected by a passphrase, detached binary
// signatures, armor, and when a signature counts. It is the only package that
// imports ProtonMail/go-crypto. It refuses to know what is signed, where keys
// lie and who may use them, and never talks to an agent or a key server.
//
// Signatures are deterministic: the same key, bytes and time give the same
// signature, so that work which was interrupted can be done again.
//
// Keys may be used by any number of goroutines at once.
package pgp

import (
	"errors"
	"time"
)

var (
	// ErrMalformed is wrapped when bytes are no key or signature of a kind this
	// package knows.
	ErrMalformed = errors.New("malformed OpenPGP data")

	// ErrPassphrase is wrapped when a private key can't be decrypted.
	ErrPassphrase = errors.New("wrong passphrase")

	// ErrUnknownKey is wrapped when none of the given keys made a signature.
	ErrUnknownKey = errors.New("signed with a key that is not known")

	// ErrBadSignature is wrapped when a signature does not fit the bytes, or is
	// not one that counts.
	ErrBadSignature = errors.New("signature is not valid")
)

// Algorithm is what a key is made of.
type Algorithm string

// The algorithms of keys that Generate makes. Every rpm verifies RSA. Ed25519 is
// faster and smaller, but came to rpm in 2020 (its pull request 1202): that of
// EL 8 and 9 refuses it.
const (
	Ed25519 Algorithm = "ed25519"
	RSA4096 Algorithm = "rsa4096"
)

// clockSkew is how far a signature may lie in the future: the clocks of two
// machines differ.
const clockSkew = 5 * time.Minute
