// Package tags keeps the tags: which builds belong where, which tags inherit
// from which, what targets build into, and the distribution file that says all
// this as text.
//
// It knows Koji's tag model and refuses to know files, repositories' making
// and how packages are built. Its transaction is tags.apply: a build is tagged
// and every repository whose content that changes is marked stale, with the
// job that makes it anew.
package tags
