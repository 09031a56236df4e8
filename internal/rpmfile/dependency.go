package rpmfile

import (
	"fmt"
	"strings"
)

// Flags of a dependency, as the header holds them (rpm's rpmsenseFlags).
type Flags uint32

// Flags that compare versions, and those that say when a requirement must be
// met.
const (
	FlagLess       Flags = 1 << 1
	FlagGreater    Flags = 1 << 2
	FlagEqual      Flags = 1 << 3
	FlagPrereq     Flags = 1 << 6
	FlagScriptPre  Flags = 1 << 9
	FlagScriptPost Flags = 1 << 10
	FlagMissingOK  Flags = 1 << 19

	flagCompare = 0xf
)

// Op is the comparison as repodata spells it: "LT", "GT", "EQ", "LE", "GE", or
// "" when the dependency is not versioned.
func (f Flags) Op() string {
	switch f & flagCompare {
	case FlagLess:
		return "LT"
	case FlagGreater:
		return "GT"
	case FlagEqual:
		return "EQ"
	case FlagLess | FlagEqual:
		return "LE"
	case FlagGreater | FlagEqual:
		return "GE"
	}
	return ""
}

// Dependency is one requires, provides, conflicts, obsoletes or weak dependency
// of a package. Rich (boolean) dependencies are one Name in parentheses.
type Dependency struct {
	Name  string
	Flags Flags
	// EVR is the version as written, [epoch:]version[-release], or "".
	EVR string
	// Epoch, Version and Release are EVR taken apart. Epoch is "0" where EVR
	// has none, and all three are "" where EVR is empty. An epoch that is not
	// a number leaves Epoch empty: such a dependency can never be met, and
	// createrepo_c leaves it out.
	Epoch, Version, Release string
	// Pre says that the requirement must be met before the package's
	// scriptlets run; always false for other kinds of dependency.
	Pre bool
}

// String is the dependency as a spec writes it, such as "foo >= 1:2.0-3".
func (d Dependency) String() string {
	op, ok := map[string]string{"LT": "<", "GT": ">", "EQ": "=", "LE": "<=", "GE": ">="}[d.Flags.Op()]
	if !ok || d.EVR == "" {
		return d.Name
	}
	return d.Name + " " + op + " " + d.EVR
}

// dependencyTags are the tags that hold the three columns of one kind.
type dependencyTags struct {
	what                  string
	name, flags, versions int
}

func (t tags) dependencies(of dependencyTags) ([]Dependency, error) {
	names := t.strs(of.name)
	flags, err := perItem(of.what+" flags", t.ints(of.flags), len(names))
	if err != nil {
		return nil, err
	}
	versions, err := perItem(of.what+" versions", t.strs(of.versions), len(names))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, nil
	}
	deps := make([]Dependency, len(names))
	for i, name := range names {
		d := Dependency{Name: name, Flags: Flags(at(flags, i)), EVR: at(versions, i)}
		d.Epoch, d.Version, d.Release = splitEVR(d.EVR)
		deps[i] = d
	}
	return deps, nil
}

// allDependencies fills every list of dependencies of p.
func (p *Package) allDependencies(t tags) error {
	for _, kind := range []struct {
		dependencyTags
		list *[]Dependency
	}{
		{dependencyTags{"requires", 1049, 1048, 1050}, &p.Requires},
		{dependencyTags{"provides", 1047, 1112, 1113}, &p.Provides},
		{dependencyTags{"conflicts", 1054, 1053, 1055}, &p.Conflicts},
		{dependencyTags{"obsoletes", 1090, 1114, 1115}, &p.Obsoletes},
		{dependencyTags{"recommends", 5046, 5048, 5047}, &p.Recommends},
		{dependencyTags{"suggests", 5049, 5051, 5050}, &p.Suggests},
		{dependencyTags{"supplements", 5052, 5054, 5053}, &p.Supplements},
		{dependencyTags{"enhances", 5055, 5057, 5056}, &p.Enhances},
	} {
		deps, err := t.dependencies(kind.dependencyTags)
		if err != nil {
			return fmt.Errorf("dependencies: %w", err)
		}
		*kind.list = deps
	}
	for i := range p.Requires {
		const pre = FlagPrereq | FlagScriptPre | FlagScriptPost
		p.Requires[i].Pre = p.Requires[i].Flags&pre != 0
	}
	return nil
}

// splitEVR takes [epoch:]version[-release] apart at the first ':' and the
// first '-' after it.
func splitEVR(evr string) (epoch, version, release string) {
	if evr == "" {
		return "", "", ""
	}
	epoch = "0"
	version = evr
	if e, rest, ok := strings.Cut(evr, ":"); ok {
		version = rest
		switch {
		case e == "": // ":1" has an empty epoch, which counts as none
		case strings.Trim(e, "0123456789") == "":
			epoch = e
		default:
			epoch = ""
		}
	}
	version, release, _ = strings.Cut(version, "-")
	return epoch, version, release
}
