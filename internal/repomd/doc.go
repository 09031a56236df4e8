// Package repomd writes and reads repodata: repomd.xml, primary.xml,
// filelists.xml, other.xml, comps.xml, and the place of modules.yaml among
// them. The reference is createrepo_c 0.17.3: for the same RPM it writes the
// same bytes.
//
// It knows formats only. A package is rendered once into its three [Fragments],
// which a caller may keep for ever under the RPM's SHA-256; [Write] makes a
// repodata directory from any ordered sequence of them. The same input gives
// the same bytes: no clock is read and no modification time is written.
//
// It refuses to know which RPMs belong into a repository, where repositories
// are published, and the database.
//
// All functions may be called concurrently, on different directories.
package repomd

import "errors"

var (
	// ErrMalformed is wrapped by every error that says that metadata being
	// read is not what its format promises.
	ErrMalformed = errors.New("malformed repository metadata")

	// ErrTooLarge is wrapped when metadata being read exceeds a bound.
	ErrTooLarge = errors.New("repository metadata exceeds a limit")

	// ErrChecksum is wrapped when a document is not the one repomd.xml
	// describes.
	ErrChecksum = errors.New("repository metadata has another checksum")

	// ErrUnprintable is wrapped when a name (of a package, file, dependency, or
	// location) holds a character that XML cannot express.
	ErrUnprintable = errors.New("character that XML cannot express")

	// ErrNotSynced is wrapped when a repository has its new repomd.xml, which a
	// crash of the machine may undo.
	ErrNotSynced = errors.New("the new repomd.xml is there, but was not synced to disk")

	// ErrOrder is wrapped when packages are not given to Write in ascending
	// order without repetition.
	ErrOrder = errors.New("packages out of order")
)
