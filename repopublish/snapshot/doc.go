// Package snapshot reads a repository that somebody else may be changing, in a
// directory or at an HTTP(S) address, as one moment of it: repomd.xml first,
// then every document that it names, by its checksum. A repository that changes
// in between is read again; what [Open] returns never changes any more. RPMs are
// fetched when they are asked for, each checked against the checksum and size
// that the snapshot's primary.xml gives.
//
// Everything that is read is hostile: sizes and times are bounded, only SHA-256
// and SHA-512 are believed, no location leaves the repository, also none with
// xml:base, and no redirect leads from the web to anything else.
//
// It knows repodata and how files are fetched. It refuses to know what is made
// of packages and module documents.
//
// A [Snapshot] may be used by many goroutines at once until it is closed.
package snapshot

import "errors"

var (
	// ErrUnstable is wrapped when a repository's documents are not those that
	// its repomd.xml names, however often it is read: it changes too fast, its
	// mirrors are out of step, or it is damaged.
	ErrUnstable = errors.New("the repository does not hold what its repomd.xml says")

	// ErrNoRepository is wrapped when there is no repomd.xml.
	ErrNoRepository = errors.New("no repository")

	// ErrDenied is wrapped when a server has something against giving a file: a
	// status of 400 or more that neither says that there is none nor is a
	// trouble that may pass.
	ErrDenied = errors.New("the server does not give it")

	// ErrElsewhere is wrapped when a repository says that one of its RPMs is in
	// another one. It is not followed there: name that repository, too.
	ErrElsewhere = errors.New("the RPM is in another repository")

	// ErrDamaged is wrapped when an RPM is not the one that primary.xml lists.
	ErrDamaged = errors.New("the RPM is not the one that the repository lists")
)
