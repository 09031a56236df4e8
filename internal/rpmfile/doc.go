// Package rpmfile reads RPM package files that may have been made by an enemy.
//
// It knows the lead, the signature header, the main header and the payload of
// an RPM (format versions 3 and 4), how packages are named (NEVRA, NVR) and how
// their versions are ordered. It is the only package that imports
// cavaliergopher/rpm, and it hands that library nothing before it has checked
// it: see [Read].
//
// It refuses to know repositories, tags, builds and the database, and it never
// writes, installs or executes anything.
//
// Reading is safe for concurrent use: there is no state outside the values
// returned, and a *[Package] may be shared as long as nobody changes it.
package rpmfile

import "errors"

var (
	// ErrMalformed is wrapped by every error that says the input is not an RPM,
	// or is a broken or truncated one.
	ErrMalformed = errors.New("malformed RPM")

	// ErrTooLarge is wrapped by every error that says a bound was exceeded: the
	// input may be an RPM, but not one this package is willing to hold or walk.
	ErrTooLarge = errors.New("RPM exceeds a limit")

	// ErrDigest is wrapped when a digest stored in the RPM does not match its
	// bytes.
	ErrDigest = errors.New("RPM digest mismatch")

	// ErrName is wrapped when a name, version, release or architecture is not
	// one RPM and distbot allow.
	ErrName = errors.New("invalid package name")
)
