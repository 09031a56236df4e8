package distgit

import (
	"errors"
	"fmt"
	"strings"
)

// Marker files at the root of a dist-git tree.
const (
	deadPackageFile = "dead.package"
	noAutoBuildFile = "noautobuild"
)

// FindSpec returns the name of the one spec file at the root of a tree. A
// package has exactly one: the error for none or for several is permanent and
// says which there are.
func FindSpec(t *Tree) (string, error) {
	var specs, skipped []string
	for _, file := range t.Files() {
		if isRootSpec(file.Name) {
			specs = append(specs, file.Name)
		}
	}
	for _, entry := range t.Skipped() {
		if isRootSpec(entry.Name) {
			skipped = append(skipped, entry.Name+" is a "+entry.Reason)
		}
	}
	switch {
	case len(specs) == 1:
		return specs[0], nil
	case len(specs) > 1:
		return "", fmt.Errorf("distgit: find spec: %d spec files at the root, there must be one: %s", len(specs), shortList(specs))
	case len(skipped) > 0:
		return "", fmt.Errorf("distgit: find spec: no spec file at the root: %s", shortList(skipped))
	}
	return "", errors.New("distgit: find spec: no spec file at the root")
}

// isRootSpec reports whether name is NAME.spec at the root.
func isRootSpec(name string) bool {
	return strings.HasSuffix(name, ".spec") && !strings.Contains(name, "/") && name != ".spec"
}

// shortList joins the first few names.
func shortList(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// Retired reports whether the package is retired: a file dead.package at the
// root says that it must never be built.
func Retired(t *Tree) bool { return t.has(deadPackageFile) }

// NoAutoBuild reports whether pushes do not build by themselves: there is a
// file noautobuild at the root.
func NoAutoBuild(t *Tree) bool { return t.has(noAutoBuildFile) }

// has reports whether a regular file of that name is in the tree.
func (t *Tree) has(name string) bool {
	_, ok := t.blobs[name]
	return ok
}
