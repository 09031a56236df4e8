// Package buildhost is a host: the process, or the part of one, that carries out
// what the scheduler gives it.
//
// It knows how an attempt goes, from its beginning to its end with a driver, how
// a host keeps its lease and ends its own builds when it can't, and what it must
// have of disk and memory to take work. It refuses to know where the hub is: it
// speaks to a Hub, which is the same process or far away; and how packages are
// built, which is the driver's.
//
// # Leases
//
// A host says every five seconds that it lives and what it works on, and learns
// what else it was given and what it has no business to any more. When nobody
// has answered for 20 s it ends its builds by itself, whatever else hangs, ten seconds before the hub
// gives them to others: no two hosts work on a task for long, and what a host
// says of an attempt that is not its own any more is refused anyway.
package buildhost
