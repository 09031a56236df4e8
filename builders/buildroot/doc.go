// Package buildroot says what a recipe means to rpm and dnf: which recipes can
// be done at all, the macros of a build, the repositories' configuration, and
// the key of their content.
//
// It knows recipes and the formats they are told in. It refuses to know how a
// buildroot is installed, and runs nothing.
//
// All functions and methods may be called concurrently.
package buildroot
