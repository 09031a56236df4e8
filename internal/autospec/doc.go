// Package autospec computes what %autorelease and %autochangelog stand for, by
// the rules of rpmautospec, from the history of a package.
//
// It knows commits, the rules, and how a processed spec looks. It refuses to
// know git, and it never evaluates a spec: whoever calls Process brings an
// Evaluate that does so where nothing can be harmed, each spec in a process of
// its own. Script, Input and ReadOutput are what an Evaluate needs that has a
// shell and rpm in a buildroot.
//
// The rules are those of rpmautospec 0.8, and its results are the tests'
// vectors. Differences, each because its result could not be built or would do
// what a commit's text says:
//
//   - % is escaped in names of authors too, and %% is never cut in two by a line
//     break.
//   - A line of an entry never begins with a conditional of rpm (%if), which rpm
//     would follow, nor with #, which rpm would leave out as a comment, and never
//     ends with a backslash, which would join it to the next.
//   - Control characters are dropped. Line breaks in an author's name are spaces.
//   - A merge that removes the changelog file and equals no parent starts the
//     changelog anew.
package autospec
