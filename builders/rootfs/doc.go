// Package rootfs is the built-in driver: it builds in overlays over cached
// buildroots, inside user namespaces, with the host's dnf 4 and rpm as its
// tools.
//
// It knows how a buildroot is installed, how rpmbuild is run in it and what
// its output means, and refuses to know tags, tasks and the store. Nothing of
// a package is evaluated outside the sandbox: specs, scriptlets, build scripts
// and the installing of buildroots all run in it, without a network. Only dnf
// gets one, to download from repositories that have no directory on this host,
// in a run that installs nothing.
//
// # The way of a build
//
// A base root (base.go) holds the packages of a tag's group; it is installed
// once for each set of packages that dnf resolves for the group from what the
// repositories hold (metadata.go), and shared, read-only, by all builds of all
// processes on the host (shelf.go). A build (build.go)
// gets an overlay over it. The source package is unpacked, its build
// requirements are installed into the overlay (requirements.go), what the root
// holds then is recorded, and rpmbuild runs (rpmbuild.go), again when the spec
// asks for more. Its output is read for phases and reasons while it is written
// to the log (package diagnosis). The packages are copied out (collect.go), and the
// overlay is thrown away, also when the build was canceled or its process
// killed (sweep.go).
//
// # What a build may use
//
// Memory, processes and the size of a file are bounded by the sandbox. Time,
// space on the disk and the size of logs are a budget of the whole build
// (budget.go, disk.go, logfile.go). A package that exceeds its budget has
// failed; when the host's disk is nearly full, it is the builder that has.
//
// # Reproducible builds
//
// The same source package built in the same root gives the same bytes, on any
// host: paths, user and host names are constant, times are the commit's, and
// nothing else of the host can be seen.
package rootfs
