// Package gitea pins the Gitea that the e2e tests drive.
//
// It is a module of its own, with no code: go.mod and go.sum name Gitea and its
// 285 modules at the versions Gitea itself was released with, and scripts/gitea
// builds the program from them. The main module's ./... does not enter it, and
// nothing of it becomes part of distbot.
package gitea
