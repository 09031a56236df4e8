// Package testdata holds the dist-git packages that the demo builds: for each
// NAME the files of its repository below distgit/NAME/dist-git, and what its
// source tarball is made of below distgit/NAME/upstream.
package testdata

import "embed"

// DistGit is the tree of packages, below the folder distgit.
//
//go:embed distgit
var DistGit embed.FS
