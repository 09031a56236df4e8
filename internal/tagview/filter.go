package tagview

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"github.com/dlclark/regexp2/syntax"

	"github.com/distbot/distbot/internal/db"
)

const (
	// maxFilter bounds a pattern, in characters.
	maxFilter = 1000
	// matchTimeout bounds one match: a backtracking engine may take for ever.
	matchTimeout = 100 * time.Millisecond
)

// Filter is a pkg_filter: a pattern in Python's syntax that must match at the
// beginning of a package's name (re.match), look-ahead included. Safe for
// concurrent use.
type Filter struct {
	pattern string
	re      *regexp2.Regexp
}

// CompileFilter checks and compiles a pattern. Koji takes a broken one, and then
// every look at the tag fails.
func CompileFilter(pattern string) (*Filter, error) {
	if n := utf8.RuneCountInString(pattern); n > maxFilter {
		return nil, fmt.Errorf("pkg_filter has %d characters, at most %d are allowed", n, maxFilter)
	}
	if !utf8.ValidString(pattern) {
		return nil, errors.New("pkg_filter is not UTF-8")
	}
	anchored, err := fromPython(pattern)
	if err != nil {
		return nil, fmt.Errorf("pkg_filter %q: %w", pattern, err)
	}
	re, err := regexp2.Compile(anchored, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("pkg_filter %q: %s", pattern, complaint(err))
	}
	re.MatchTimeout = matchTimeout
	return &Filter{pattern: pattern, re: re}, nil
}

// complaint is what the engine has against a pattern, without the pattern: the
// one it read is not the one that was written.
func complaint(err error) string {
	var e *syntax.Error
	switch {
	case !errors.As(err, &e):
		return "it is no pattern"
	case len(e.Args) > 0:
		return fmt.Sprintf(e.Code.String(), e.Args...)
	}
	return e.Code.String()
}

// ErrSlowFilter says that a pattern takes too long to match names.
var ErrSlowFilter = errors.New("takes too long")

// Match reports whether a name matches. When that takes too long the error is
// ErrSlowFilter.
func (f *Filter) Match(name string) (bool, error) {
	ok, err := f.re.MatchString(name)
	if err != nil {
		return false, fmt.Errorf("pkg_filter %q %w for %q: simplify it", f.pattern, ErrSlowFilter, name)
	}
	return ok, nil
}

// FilterError is a link's filter that can't be applied to a package, without
// which nothing can be said of what its child inherits.
type FilterError struct {
	// Child and Parent are the link's.
	Child, Parent string
	// Pattern is its filter, Package the name it was to match.
	Pattern, Package string
	// Err is ErrSlowFilter, or says why the pattern is none.
	Err error
}

// Error names the link, and the command that mends it.
func (e *FilterError) Error() string {
	return fmt.Sprintf("tagview: apply the filter of the link %s -> %s to %s: %v; set another one with distbot tag edit-inheritance %[1]s %[2]s --pkg-filter PATTERN",
		e.Child, e.Parent, e.Package, e.Err)
}

// Unwrap returns the cause.
func (e *FilterError) Unwrap() error { return e.Err }

// maxCheck bounds what CheckFilter takes for all names.
const maxCheck = 2 * time.Second

// CheckFilter compiles a pattern and matches it with the names of all packages
// there are, so that no read of a tag meets it first. What CompileFilter
// refuses it refuses, too; a pattern that takes too long for a name, or more
// than two seconds for all of them, is an ErrSlowFilter.
func CheckFilter(ctx context.Context, conn db.DBTX, pattern string) error {
	filter, err := CompileFilter(pattern)
	if err != nil || pattern == "" {
		return err
	}
	names, err := query[struct{ Name string }](ctx, Reader{Conn: conn}, "select name from packages")
	if err != nil {
		return fmt.Errorf("tagview: read names of packages: %w", err)
	}
	begin := time.Now()
	for i, row := range names {
		if _, err := filter.Match(row.Name); err != nil {
			return err
		}
		if time.Since(begin) > maxCheck {
			return fmt.Errorf("pkg_filter %q %w: after %v it had matched %d of %d packages; simplify it", pattern, ErrSlowFilter, maxCheck, i+1, len(names))
		}
	}
	return nil
}

// filters compiles the patterns of one question once.
type filters map[string]*Filter

// pass reports whether a name matches all filters on the way to a step of a
// walk, and which link's it does not. A filter that can't be applied is a
// *FilterError.
func (f filters) pass(name string, steps []Step, at int) (stopped *Stop, err error) {
	for _, pattern := range steps[at].Filters {
		ok, err := f.match(name, pattern)
		if err != nil {
			stop := stopAt(steps, at, pattern)
			return nil, &FilterError{Child: stop.Child, Parent: stop.Parent, Pattern: pattern, Package: name, Err: err}
		}
		if !ok {
			return stopAt(steps, at, pattern), nil
		}
	}
	return nil, nil
}

func (f filters) match(name, pattern string) (bool, error) {
	filter := f[pattern]
	if filter == nil {
		var err error
		if filter, err = CompileFilter(pattern); err != nil {
			return false, err
		}
		f[pattern] = filter
	}
	return filter.Match(name)
}

// stopAt names the link on the way to a step that has a filter, of several the
// one nearest to the start: it is the first that fails.
func stopAt(steps []Step, at int, pattern string) *Stop {
	stop := &Stop{Filter: pattern}
	for ; at >= 0; at = steps[at].Before {
		if steps[at].PkgFilter == pattern {
			stop.Child, stop.Parent = steps[at].Child, steps[at].Parent
		}
	}
	return stop
}
