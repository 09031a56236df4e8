package builders

import (
	"errors"
	"slices"

	"github.com/distbot/distbot/internal/arch"
)

const noarch = arch.Noarch

// ErrNoArches is Koji's refusal of a package none of the tag's architectures
// can build.
var ErrNoArches = errors.New("builders: no matching arches were found")

// ArchTags are the tags of a source package that choose architectures.
type ArchTags struct {
	BuildArch     []string
	ExclusiveArch []string
	ExcludeArch   []string
}

// ArchTask is one arch task to run.
type ArchTask struct {
	// Arch is what is built: an architecture of the tag, or noarch.
	Arch string
	// RootArch is the architecture of the buildroot.
	RootArch string
}

// SelectArches chooses what to build of a package in a tag with the given
// architectures, by Koji's rules: BuildArch replaces the tag's list,
// ExclusiveArch limits and ExcludeArch reduces it; noarch stands for itself
// where BuildArch or ExclusiveArch name it and ExcludeArch does not. Only what
// the tag's architectures can build is kept. It returns ErrNoArches when
// nothing is left. The order is the tag's, noarch last.
func SelectArches(tagArches []string, tags ArchTags) ([]ArchTask, error) {
	list := tagArches
	if len(tags.BuildArch) > 0 {
		list = tags.BuildArch
	}
	if len(tags.ExclusiveArch) > 0 {
		list = keep(list, func(a string) bool { return slices.Contains(tags.ExclusiveArch, a) })
	}
	list = keep(list, func(a string) bool { return !slices.Contains(tags.ExcludeArch, a) })
	wantNoarch := !slices.Contains(tags.ExcludeArch, noarch) &&
		(slices.Contains(tags.BuildArch, noarch) || slices.Contains(tags.ExclusiveArch, noarch))

	var tasks []ArchTask
	for _, root := range tagArches {
		for _, a := range list {
			if a != noarch && arch.Serves(root, a) && !slices.ContainsFunc(tasks, func(t ArchTask) bool { return t.Arch == a }) {
				tasks = append(tasks, ArchTask{Arch: a, RootArch: root})
			}
		}
	}
	if wantNoarch {
		root, ok := noarchRoot(tagArches, tags)
		if ok {
			tasks = append(tasks, ArchTask{Arch: noarch, RootArch: root})
		}
	}
	if len(tasks) == 0 {
		return nil, ErrNoArches
	}
	return tasks, nil
}

// noarchRoot is the first architecture of the tag on which a noarch package
// says it can be built.
func noarchRoot(tagArches []string, tags ArchTags) (string, bool) {
	exclusive := keep(tags.ExclusiveArch, func(a string) bool { return a != noarch })
	for _, a := range tagArches {
		if len(exclusive) > 0 && !slices.Contains(exclusive, a) {
			continue
		}
		if !slices.Contains(tags.ExcludeArch, a) {
			return a, true
		}
	}
	return "", false
}

func keep(list []string, wanted func(string) bool) []string {
	var kept []string
	for _, item := range list {
		if wanted(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
