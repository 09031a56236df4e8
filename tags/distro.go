package tags

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Distro is a distribution as text: distro.yaml. It does not change.
type Distro struct {
	// Arches are those of every tag that says nothing about its own.
	Arches []Text
	// ExternalRepos maps a name to a repository this installation does not
	// make.
	ExternalRepos map[string]ExternalRepo
	Tags          map[string]Tag
	Targets       map[string]Target
	// Packages are the package lists of tags. A tag that is not here keeps the
	// list it has.
	Packages map[string]PackageList
	// IgnoreBranches are globs of branches whose pushes are nobody's business:
	// elsewhere, a push to a branch no target builds is answered with an error
	// status.
	IgnoreBranches []Text
	// Digest is the SHA-256 of the file, in hexadecimal.
	Digest string
}

// ExternalRepo is a repository made elsewhere. $arch in URL stands for the
// architecture.
type ExternalRepo struct {
	URL  Text
	line int
}

// Tag is a tag of the distribution file.
type Tag struct {
	// Arches are the tag's own; nil are the distribution's, and an empty list is
	// none.
	Arches []Text
	// InheritArches leaves them to the parents.
	InheritArches bool
	// Perm is the permission that tagging requires, if any.
	Perm   Text
	Locked bool
	// Inherit lists the parents; those without a priority get 10, 20, … by their
	// place.
	Inherit []Parent
	// ExternalRepos are used in this order, after the tag's own repository.
	ExternalRepos []TagRepo
	// Groups are the tag's own comps groups.
	Groups map[string]Group
	// Extra holds Koji's extra settings; rpm.macro.NAME sets a macro in
	// buildroots.
	Extra map[string]Setting
	// ExtraBlocked names settings that are not inherited.
	ExtraBlocked []Text
	line         int
}

// Parent is one link of inheritance, in the file a tag's name or a mapping.
type Parent struct {
	Parent Text
	// Priority is nil where the place in the list says it.
	Priority *int32
	// MaxDepth is how many generations may follow the parent, nil any number.
	MaxDepth               *int32
	Intransitive, NoConfig bool
	// PkgFilter is the pattern that names of packages must match, in Python's
	// syntax.
	PkgFilter Text
	line      int
}

// TagRepo is an external repository of a tag, in the file its name or a
// mapping.
type TagRepo struct {
	Name Text
	// URL is another one than external_repos says, if it is not empty.
	URL Text
	// Priority is nil where the place in the list says it.
	Priority *int32
}

// Setting is the JSON value of an extra setting.
type Setting struct {
	Value json.RawMessage
	line  int
}

// Group is a comps group of a tag, in the file a list of packages or a mapping.
type Group struct {
	// Inherited means that the tag itself only adds to what its parents say of
	// the group.
	Inherited bool
	// Blocked hides the group, from those who inherit too.
	Blocked bool
	// DisplayName is the group's name if it is empty.
	DisplayName, Description Text
	// UserVisible and Exported are true by default.
	Default, UserVisible, Exported bool
	LangOnly                       Text
	BiarchOnly                     bool
	Packages                       []GroupPackage
	Requires                       []GroupRequire
	line                           int
	// described is true when something says what an inherited group has its
	// parents for.
	described bool
}

// GroupPackage is a package of a group, in the file its name or a mapping.
type GroupPackage struct {
	Name Text
	// Type is mandatory (the default), default, optional or conditional.
	Type Text
	// Requires is what a conditional package waits for.
	Requires              Text
	BaseArchOnly, Blocked bool
}

// GroupRequire is a group that another one needs, in the file its name or a
// mapping.
type GroupRequire struct {
	Group, Type Text
	Blocked     bool
}

// PackageList is the whole list of a tag's own entries.
type PackageList struct {
	Entries []PackageEntry
	line    int
}

// PackageEntry is an entry of a package list, in the file a name or a mapping.
type PackageEntry struct {
	Package Text
	// Owner is System if it is empty.
	Owner Text
	// ExtraArches are built for beside the build tag's; nil is nothing said.
	ExtraArches []Text
	// Blocked hides the package and its builds.
	Blocked bool
}

// Target says which tag a branch is built with and which tag it goes to.
type Target struct {
	BuildTag, DestTag Text
	// Branches of dist-git whose pushes are built. It is empty, and not nil, for
	// a target that only people build for.
	Branches []Text
	// ArchPolicy says what the failure of an architecture means; those that are
	// not named are blocking.
	ArchPolicy []ArchPolicy
	// NoarchContent is warn if it is empty.
	NoarchContent Text
	// RepoLag is a duration, 0 if it is empty.
	RepoLag Text
	line    int
}

// Text is a scalar kept as it is written, with its line: 1.10 stays 1.10.
type Text struct {
	Value string
	line  int
}

// DistroError says what is wrong with a distribution file. Nothing was changed.
type DistroError struct {
	// Problems are all mistakes in the order of their lines, each beginning with
	// "line N: ".
	Problems []string
}

// Error implements error.
func (e *DistroError) Error() string { return "tags: distro.yaml: " + strings.Join(e.Problems, "; ") }

// maxProblems bounds how many mistakes are told.
const maxProblems = 200

// distroError makes an error of problems, nil if there are none.
func distroError(list []problem) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b problem) int { return a.line - b.line })
	e := &DistroError{}
	for i, p := range list {
		if i == maxProblems {
			e.Problems = append(e.Problems, fmt.Sprintf("and %d more mistakes", len(list)-i))
			break
		}
		e.Problems = append(e.Problems, fmt.Sprintf("line %d: %s", p.line, p.text))
	}
	return e
}

// maxDistro bounds distro.yaml.
const maxDistro = 4 << 20

// ReadDistro reads and checks a distribution file. What is wrong with its
// content is a *DistroError.
func ReadDistro(r io.Reader) (*Distro, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDistro+1))
	if err != nil {
		return nil, fmt.Errorf("tags: read distro.yaml: %w", err)
	}
	if len(text) > maxDistro {
		return nil, errors.New("tags: distro.yaml is larger than 4 MiB")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var tree yaml.Node
	if err := decoder.Decode(&tree); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("tags: distro.yaml: %w", err)
	}
	if !writtenOut(&tree) {
		return nil, fmt.Errorf("tags: distro.yaml: its aliases stand for more than %d values", maxNodes)
	}
	// Who applies an empty file by mistake would lose all targets.
	if len(tree.Content) == 0 || isNull(tree.Content[0]) {
		return nil, errors.New("tags: distro.yaml is empty")
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("tags: distro.yaml holds more than one document")
	}
	reader := &distroReader{}
	d := reader.distro(tree.Content[0])
	sum := sha256.Sum256(text)
	d.Digest = hex.EncodeToString(sum[:])
	if err := distroError(append(reader.list, d.check()...)); err != nil {
		return nil, err
	}
	return d, nil
}

// arches are a tag's architectures where it does not inherit them.
func (d *Distro) arches(tag Tag) []string {
	if tag.Arches == nil {
		return values(d.Arches)
	}
	return values(tag.Arches)
}

// priority is a link's own or the one its place gives it.
func (p Parent) priority(index int) int32 { return priority(p.Priority, index) }

func (r TagRepo) priority(index int) int32 { return priority(r.Priority, index) }

func priority(own *int32, index int) int32 {
	if own != nil {
		return *own
	}
	// maxNodes bounds the index.
	return int32(index+1) * 10
}

func values(texts []Text) []string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = text.Value
	}
	return list
}
