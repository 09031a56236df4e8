// Package reproduce compares what was made twice: packages byte by byte, with
// what differs in words, and the sets of packages of two buildroots.
//
// It knows RPMs and lists of packages, and refuses to know builds, the store and
// the database. What it reads is hostile and what it tells is bounded.
package reproduce
