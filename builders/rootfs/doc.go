// Package rootfs is the built-in driver: it builds in overlays over cached
// buildroots, inside user namespaces, with the host's dnf and rpm as its only
// tools.
//
// It knows how a buildroot is installed, how rpmbuild is run in it and what
// its output means, and refuses to know tags, tasks and the store. Nothing of
// a package is evaluated outside the sandbox: specs, scriptlets, build scripts
// and the installing of buildroots all run in it, without a network.
//
// A base root holds the packages of a tag's group; it is installed once for
// each content of the repositories it comes from and shared, read-only, by all
// builds. A build gets an overlay over it, its build requirements in the
// overlay, and is thrown away with it.
package rootfs
