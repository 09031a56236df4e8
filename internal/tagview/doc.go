// Package tagview answers questions about tags, as they are now or were at any
// moment: who inherits from whom, which packages and builds a tag has and why,
// its settings, its groups, and what changed when.
//
// It knows Koji's rules of inheritance to the letter, its quirks included, and
// the tables that package tags keep. It refuses to change anything, to know who
// may, and to know what a build is beyond its name.
package tagview
