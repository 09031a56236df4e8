package solv

import (
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of one dependency.
const (
	maxNameBytes = 4 << 10 // of a name, a path or a version
	maxRichBytes = 32 << 10
	maxRichTerms = 1024
	maxRichDepth = 32
)

// operators are the comparisons that rpm reads in a spec.
var operators = map[string]rpmfile.Flags{
	"<":  rpmfile.FlagLess,
	">":  rpmfile.FlagGreater,
	"=":  rpmfile.FlagEqual,
	"==": rpmfile.FlagEqual,
	"<=": rpmfile.FlagLess | rpmfile.FlagEqual,
	"=<": rpmfile.FlagLess | rpmfile.FlagEqual,
	">=": rpmfile.FlagGreater | rpmfile.FlagEqual,
	"=>": rpmfile.FlagGreater | rpmfile.FlagEqual,
}

// ParseDependency reads a dependency as a spec writes it: a name, "name >=
// version" with blanks around the comparison, a path, or a rich dependency in
// parentheses. Of the result only Name, Flags and EVR are set. The error wraps
// ErrMalformed or ErrTooLarge.
func ParseDependency(text string) (rpmfile.Dependency, error) {
	d, err := split(strings.TrimSpace(text))
	if err == nil {
		err = check(d)
	}
	if err != nil {
		return rpmfile.Dependency{}, fmt.Errorf("solv: parse dependency %.200q: %w", text, err)
	}
	return d, nil
}

// split takes a dependency apart.
func split(text string) (rpmfile.Dependency, error) {
	if strings.HasPrefix(text, "(") {
		return rpmfile.Dependency{Name: text}, nil
	}
	if len(text) > 3*maxNameBytes {
		return rpmfile.Dependency{}, fmt.Errorf("%d bytes: %w", len(text), ErrTooLarge)
	}
	words := strings.Fields(text)
	switch {
	case len(words) == 1:
		return rpmfile.Dependency{Name: words[0]}, nil
	case len(words) == 3 && operators[words[1]] != 0:
		return rpmfile.Dependency{Name: words[0], Flags: operators[words[1]], EVR: words[2]}, nil
	}
	return rpmfile.Dependency{}, fmt.Errorf("want a name, or name, comparison and version: %w", ErrMalformed)
}

// check says whether libsolv may see a dependency.
func check(d rpmfile.Dependency) error {
	switch {
	case isRich(d):
		_, err := parseRich(d.Name)
		return err
	case d.Name == "":
		return fmt.Errorf("dependency without a name: %w", ErrMalformed)
	case len(d.Name) > maxNameBytes || len(d.EVR) > maxNameBytes:
		return fmt.Errorf("dependency %.40q… of %d bytes: %w", d.Name, len(d.Name)+len(d.EVR), ErrTooLarge)
	case strings.ContainsRune(d.Name, 0) || strings.ContainsRune(d.EVR, 0):
		return fmt.Errorf("dependency %.200q: NUL: %w", d.Name, ErrMalformed)
	case reserved(d.Name):
		return fmt.Errorf("dependency %.200q: a name that libsolv keeps to itself: %w", d.Name, ErrMalformed)
	}
	return nil
}

// isRich says whether a dependency is a boolean expression.
func isRich(d rpmfile.Dependency) bool {
	return strings.HasPrefix(d.Name, "(") && d.Flags.Op() == ""
}

// reserved names have a meaning to libsolv where it expects dependencies: they
// divide its lists, or are always provided.
func reserved(name string) bool {
	return strings.HasPrefix(name, "solvable:") || name == "system:system"
}

// ignored says whether rpm itself meets a requirement.
func ignored(name string) bool { return strings.HasPrefix(name, "rpmlib(") }

// comparison is libsolv's number of a dependency's comparison: 1 is greater, 2
// equal, 4 less. A comparison with nothing compares nothing, as in repodata.
func comparison(d rpmfile.Dependency) byte {
	if d.EVR == "" {
		return 0
	}
	var op byte
	if d.Flags&rpmfile.FlagGreater != 0 {
		op |= 1
	}
	if d.Flags&rpmfile.FlagEqual != 0 {
		op |= 2
	}
	if d.Flags&rpmfile.FlagLess != 0 {
		op |= 4
	}
	return op
}

// version is a dependency's version without an epoch of 0, which libsolv would
// take for another text.
func version(evr string) string {
	if rest, ok := strings.CutPrefix(evr, "0:"); ok && rest != "" {
		return rest
	}
	return strings.TrimPrefix(evr, ":")
}
