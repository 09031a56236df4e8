package builders

import (
	"time"

	"github.com/distbot/distbot/queue"
)

// Work is what a host is to do in an attempt of a task. It names no path of the
// hub but in the repositories of Root, which a hub that is reached over the
// network serves.
type Work struct {
	queue.Claim
	// Method is queue.MethodBuildSRPM or queue.MethodBuildArch.
	Method string
	// Arch is what rpmbuild is told as target; empty for a source package.
	Arch string
	Root Recipe
	// Epoch is the commit's time: SOURCE_DATE_EPOCH.
	Epoch time.Time
	// Spec is the spec's file name among the sources, for a source package.
	Spec string
	// SRPM is what packages are built from.
	SRPM SourcePackage
}

// SourcePackage is a source package in the hub's store.
type SourcePackage struct {
	Name   string
	SHA256 string
	Size   int64
}
