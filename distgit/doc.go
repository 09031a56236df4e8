// Package distgit reads dist-git and decides what a push asks for.
//
// It knows mirrors (bare, never a work tree), specs as far as a static reader
// sees them, sources files and the lookaside, and refuses to run anything from
// a repository: no rpm, no macro, no shell. Configuration comes from the
// database, never from what was pushed.
//
// Its transaction: the delivery is planned, and for each target of the branch
// there is a build with its first job, or a refusal with its status.
package distgit
