// Package host is a driver for developers of distbot and of specs: it runs the
// host's rpmbuild as it is.
//
// It knows private directories and how all that a build started is found again,
// and refuses to know isolation: builds see the host's files and network, and
// use what is installed there. Recipes are not installed, and what a build
// used is not recorded; the driver says so, by its method Lacks and in every
// root.log. Never build what others push with it.
//
// It does not run rpmbuild as root, which a spec could use to change the host:
// when distbot is root, another account must be named.
package host
