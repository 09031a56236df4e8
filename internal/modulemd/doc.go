// Package modulemd reads, checks, compares, merges, edits and writes module
// documents: the YAML of a repository's "modules" record, which tells which
// RPMs belong to which module stream.
//
// The way through it: [Read] splits a text of many documents and reads each by
// itself into an [Index] of streams, defaults, obsoletes and translations. What
// is wrong is a [Finding] with document, line and rule; one broken document
// costs only itself. [Index.Check] looks across the documents of one repository,
// [Clashes] across repositories that a client will enable together. [Merge]
// makes one index of several. [Stream.Edit] changes profiles and artifacts and
// leaves every other byte alone. [Index.Write] writes documents as they were
// read, [Index.Dump] in libmodulemd's canonical style. [Combinations] enumerates
// the sets of streams that can be active together.
//
// The reference is libmodulemd 2.15.3, the library of dnf, createrepo_c and MBS:
// what it accepts and rejects, and how it writes. Where it is known to crash, to
// lose data or to choose silently, this package refuses or says so instead; each
// such place is marked by "libmodulemd" in a comment.
//
// Scalars are text, always: stream 2.10 never becomes 2.1, context 00000000
// never 0. Only versions, times and orders are numbers.
//
// It knows the format only. It refuses to know where documents come from and how
// they are compressed, which RPMs exist, and how packages are solved.
//
// An [Index] and its documents may be read by many goroutines at once; nothing
// in this package changes a document after it was returned.
package modulemd

import "errors"

var (
	// ErrTooLarge is wrapped when a text exceeds a bound of [Limits].
	ErrTooLarge = errors.New("module documents exceed a limit")

	// ErrInvalid is wrapped by every error that says that a document is not
	// one that libmodulemd and dnf can use.
	ErrInvalid = errors.New("invalid module document")

	// ErrConflict is wrapped when documents of several indexes contradict each
	// other so that no merged document can be right.
	ErrConflict = errors.New("module documents contradict each other")
)
