// Package mock is the driver for hosts whose operators trust mock: it builds
// with the host's mock (https://rpm-software-management.github.io/mock/).
//
// It knows mock's configuration, command line, exit codes and logs, and refuses
// to know tags, tasks and the store.
//
// # The way of a build
//
// The recipe becomes a configuration (config.go) that is named by its content
// and by that of its repositories; so is the root in it, and with it mock's
// root cache: another content gives another cache, the same content the same
// one, and those that were not used for longest are removed (cache.go). Each
// order gets a directory (job.go) with its input and a configuration of
// its own. mock runs in namespaces
// (launch.go) with the order's own uniqueext, where the host's rpm keeps
// databases in the roots (hostmacros.go); its logs are read and passed on
// while they grow (follow.go), and say why it failed (exit.go). When it succeeds,
// what its root holds is compared with what mock listed before the build, and
// recorded (installed.go), and the packages are taken out (files.go). In any
// case the root is cleaned with the same uniqueext, also when the build was
// canceled. What a killed process left is cleaned by the next New (sweep.go).
//
// For %autorelease and %autochangelog (autospec.go) mock makes the root first;
// the specs of the package's history are evaluated in a sandbox over it, which
// can't change it; then mock makes the source package of the processed spec in
// the same root.
//
// # Isolation
//
// mock alone (isolation "simple") leaves builds the host's network, and
// daemons that a build starts may outlive it. So mock runs in network, process
// and mount namespaces of its own: nothing but a loopback interface is there,
// and when the first process of the namespace ends, for whatever reason, the
// kernel ends all others and the mounts with them.
//
// Repositories in directories of this host need no network. Those on the
// network are read through a server (proxy.go) that listens on the loopback
// interface inside: it hands out repomd.xml, what that names, and the packages
// that the metadata lists, nothing else. So builds can fetch packages that they
// could have required, and can tell nobody anything.
//
// mock needs real root, to chroot and to mount, and scriptlets of packages run
// as root in its chroot: who may put packages into a tag that this driver
// builds from must be trusted like root on the builder. Driver rootfs has
// neither need.
package mock
