// Package repopublish makes the repositories of tags: immutable numbered
// generations, of which one is the latest.
//
// It knows which RPMs are the latest of a tag, repodata and the switch of a
// generation, and refuses to know who asked and how packages were built. It is
// the only writer of public trees, and takes nothing whose digest is not
// recorded. Its transaction: the generation is published, the tag's revision
// is built, and the builds that became installable by it say so.
package repopublish
