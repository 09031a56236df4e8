// Package diagnosis says why a build failed: from the logs of its steps and
// how their commands ended, by rules alone, the same answer every time.
//
// It knows what rpmbuild, dnf and the tools that builds run print when they
// fail, and refuses to know drivers, tasks and how anything is run. Drivers
// write their logs through a Log, which follows the phases while the log grows
// and remembers a bounded number of lines; or they hand finished logs to Read.
//
// # The first real error
//
// What stands last in a log is that make, ninja or rpm gave up. The reader
// looks for the line that made them: scripts of rpm run with set -e -x, so that
// what was printed before the last traced command did not end the script
// (rpmbuild.go); within that command's output the first line counts that says
// what went wrong, by the words that tools use for it (signs.go). Where a
// script ended itself (exit 1 after make || …) its whole section counts.
//
// # Whose fault
//
// A build must not be able to call itself infrastructure's failure: it would
// be tried again and again. So that verdict comes from how a command ended
// (Exit), which the driver measures, or from what dnf printed before the first
// scriptlet of a package could print anything.
//
// # For drivers
//
// While a log grows: NewLog in the place of its file, Begin before each step,
// Write, and Finding once a step has failed. From files that another program
// wrote: Read. Then FindInSpec where the spec is at hand, and AddNearest where
// the repositories are. A driver that ended a step itself says so in Exit.Limit;
// what a limit means is the driver's word, not the log's.
//
// Everything read is hostile: lines are cut, the number of lines that are kept
// is bounded, and what comes out is one line of printable characters.
package diagnosis
