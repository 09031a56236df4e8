// Package slim makes a small repository of packages out of large ones, modular
// packages with the module documents they need: what a client sees in it is what
// it would see of these packages in the large repositories, and it goes on with
// their updates.
//
// The rules, by the files that keep them:
//
//   - documents.go: stream documents come from the sources' modules records, of
//     the same moment as the packages, never from RPM headers; every document
//     that lists a package is kept, others are not; several sources are merged
//     by N:S:V:C:A, and what differs is refused. Names, versions, contexts and
//     all other fields stay as they are.
//   - artifacts.go: lists of artifacts stay whole, since what they name hides
//     packages that are not modular. They may be trimmed, with a warning.
//   - profiles.go: profiles keep their names and lose what is not there; a
//     default profile is not lost.
//   - companions.go: defaults, obsoletes and translations stay as they are.
//   - groups.go, advisories.go: groups lose what is not there, as profiles do,
//     and updates stay known for what is there in their version or a later one.
//   - requires.go: required modules are there or declared to be elsewhere.
//   - validate.go: what a client can't read, or what clashes with a repository
//     beside it, is refused.
//
// It knows packages and module documents. It refuses to know tags and how
// repositories are fetched.
package slim

import "errors"

var (
	// ErrRefused is wrapped when a repository can't be made by the rules.
	ErrRefused = errors.New("refused")

	// ErrExists is wrapped when there is something where the repository is to
	// be made.
	ErrExists = errors.New("the directory is not empty")
)
