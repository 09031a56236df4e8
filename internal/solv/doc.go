// Package solv answers questions about dependencies between RPMs with libsolv,
// the solver of dnf, zypper, mock and MBS: what provides a requirement, which
// packages installing some needs, why that can't be done, and what comes nearest
// to a requirement that nothing provides.
//
// It knows how libsolv is called and how much it can be trusted with. libsolv
// ends the process when it runs out of memory, follows parentheses on its stack,
// and multiplies boolean dependencies out; so everything is read and bounded in
// Go ([ErrTooLarge], [ErrMalformed]) before it is handed over, repodata included.
// What is not bounded is the time of [Pool.Solve], which can't be cancelled
// either: satisfiability is hard, and packages made for the purpose could keep
// it busy for long. It refuses to know where repositories come from, what
// belongs into them, and the database.
//
// All memory of libsolv belongs to a [Pool] and is freed by [Pool.Close], which
// must be called; what methods return is Go's own. A Pool is not safe for
// concurrent use, not even for reading, since libsolv computes lazily; different
// pools are independent.
//
// libsolv (BSD licence) is linked dynamically, by pkg-config. Its companion
// libsolvext, which reads repodata, is not: that would link librpm and a dozen
// other libraries too, for parsers in C of what strangers wrote.
package solv

import "errors"

var (
	// ErrMalformed is wrapped when a package or dependency is not one.
	ErrMalformed = errors.New("malformed dependency")

	// ErrTooLarge is wrapped when packages exceed a bound.
	ErrTooLarge = errors.New("packages exceed a limit")

	// ErrClosed is returned by every method of a Pool that is closed.
	ErrClosed = errors.New("solv: pool is closed")
)
