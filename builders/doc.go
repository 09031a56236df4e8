// Package builders makes packages: the source package of a commit, the binary
// packages of each architecture in a fresh buildroot, and, once all are there
// and verified, their place in the distribution.
//
// It knows drivers (how to build in isolation), architectures, results and
// logs, and refuses to know tags' rules, repositories' making and forges. What
// it runs is hostile: specs, sources and build scripts run in a driver's
// sandbox only, and what comes out is read with bounded readers before a byte
// of it is kept.
//
// This package is the hub's side: what an attempt of a task begins with and what
// becomes of its results (attempt.go). Hosts carry attempts out, in this process
// or on other machines (buildhost, remote), by drivers (rootfs, mock, host).
//
// Its transactions, one for each end of a stage: source package made (NVR
// claimed, arch tasks), arch finished (the last one enqueues
// the import), build imported (RPMs recorded, the build COMPLETE, its tagging
// enqueued).
package builders
