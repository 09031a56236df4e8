// Package rpmsig reads, checks and replaces the OpenPGP signatures of RPM files
// of format 4.
//
// It knows the signature header, which lies before the main header and may
// change while everything behind it stays as it is: what a signature is made
// over is the main header alone, and that holds the digest of the payload. It
// refuses to know keys beyond what package pgp says of them, where files lie and
// who asks.
//
// # A signature header of our own
//
// The header is taken apart and put together here rather than by a library for
// all of RPM. What is needed is small: a sorted list of values, of which one is
// new and one has a new length. The files come from strangers, so the bounds of
// package rpmfile must hold before anything is parsed or allocated, which other
// libraries do not promise. And the result is byte for byte what rpmsign(8)
// would have written around the same signature, which the tests compare.
//
// Everything is safe for concurrent use.
package rpmsig

import "errors"

var (
	// ErrMalformed is wrapped when a file is no RPM whose signatures can be read
	// or replaced; errors of package rpmfile are wrapped as they are.
	ErrMalformed = errors.New("malformed RPM")

	// ErrNotCovered is wrapped when a signature of the main header would say
	// nothing about the payload, as the header has no SHA-256 of it: the package
	// was made by rpm before 4.14.
	ErrNotCovered = errors.New("the header has no digest of the payload")

	// ErrUnsigned is wrapped when an RPM has no signature of its header.
	ErrUnsigned = errors.New("not signed")
)
