// Package bootstrap makes a small base distribution of RPMs on a Debian host,
// by repacking Debian's packages: enough for a build root in which packages
// written for Fedora build, C and C++ with debug packages included. Demo and
// tests build on it where no Fedora or EL repository is at hand.
//
// It knows Debian's packages and which names, paths, macros and files Fedora's
// packages expect instead. It refuses to know how build roots are installed and
// isolated, and it runs nothing of what it repacks: no maintainer script, no
// binary. The host's dpkg database is neither read nor written.
//
// # The way of a package
//
// apt resolves and downloads as if nothing were installed (apt.go), with the
// host's sources and signatures. Each package's archive is unpacked (tree.go):
// /bin, /sbin and /lib* move below /usr, documentation stays behind, owners and
// set-id bits are dropped. A spec is written around the tree (spec.go):
// Requires from Debian's Depends within the set (depends.go), Provides from the
// files by rpm's own generators and from the tables of Fedora's names
// (assets/). rpmbuild packs it (pack.go). Two RPMs come from no Debian
// package (filesystem.go): distbot-filesystem, which all others are installed
// after, and distbot-rpm-macros, which stands for redhat-rpm-config. Metadata,
// comps groups and a record of what was made of what (bootstrap.json) complete
// the repository, which replaces the old one in one step (publish.go).
//
// The same Debian packages give the same bytes, whichever user or directory
// made them. Finished RPMs are kept under a digest of all they were made of;
// if apt's lists have not changed either, a second run only compares digests.
//
// # Installing a build root
//
// Debian's rpm keeps its database in $HOME/.rpmdb, also below an installroot.
// dnf therefore needs a HOME whose .rpmmacros says
//
//	%_dbpath /var/lib/rpm
//
// and this command line, tried with dnf 4.14 and rpm 4.18, where ROOT is
// absent or empty, HOME, CACHE and LOG exist, and REPO is Result.Path:
//
//	HOME=... LC_ALL=C.UTF-8 dnf -y --config=CONF --installroot=ROOT
//	  --releasever=1 --setopt=reposdir=/dev/null --setopt=varsdir=/dev/null
//	  --setopt=cachedir=CACHE --setopt=logdir=LOG --setopt=persistdir=PERSIST
//	  --disableplugin=* --enableplugin=builddep
//	  --repofrompath=bootstrap,file://REPO install @build
//
// CONF holds [main] with gpgcheck=0, install_weak_deps=False and best=True.
// reposdir keeps the host's repositories out. Debian enables a plugin that adds
// a repository of its own, so plugins are named. The three directories are
// options because dnf puts those of a file below the installroot. For another
// architecture add --forcearch=ARCH. `dnf … builddep FILE` with the same options,
// and a second --repofrompath for the tag's repository, installs what a spec or
// a source RPM needs; without -q, which would hide what is missing. dnf keeps
// metadata by URL for two days: a repository that changes under one URL needs
// --refresh (metadata_expire=0 does not help), one with a URL per generation not.
//
// In the root, rpmbuild needs nothing but `--define "_topdir /builddir/build"`,
// HOME=/builddir, and for reproducible RPMs SOURCE_DATE_EPOCH and always the same
// _topdir. /builddir belongs to root: whoever builds as mockbuild (1000:1000)
// gives it a directory of its own there. All files of the RPMs belong to
// root:root, so a user namespace with a single mapped uid can install them.
// A file trigger runs ldconfig after every transaction that brings libraries to
// /usr/lib64; where the root's programs cannot run (a foreign architecture
// without an emulator) it fails, and dnf says so and goes on.
package bootstrap
