// Package directory makes the repodata of a directory of RPMs, as createrepo_c
// does, without an installation of distbot.
//
// It knows files of a directory, how to tell that one has not changed, and what
// of older repodata is kept. It refuses to know tags, builds and the database,
// and where a repository is served.
package directory
