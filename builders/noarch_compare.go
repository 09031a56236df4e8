package builders

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Bounds of what is said of two packages that differ.
const (
	maxDifferences     = 20
	maxDifferenceRunes = 240
	maxValueRunes      = 40
)

// differences is how two packages of one name differ, in words.
type differences struct {
	// header is what Koji does not take (its rpmdiff, called with the fields it
	// ignores), and the epoch, which Koji sees in the packages' own provides.
	header noted
	// content is what Koji does not look at: the content of files, weak
	// dependencies and the scripts of transactions. Times are no difference.
	content noted
}

// noted keeps the first of what may be very many differences.
type noted struct {
	first []string
	n     int
}

func (l *noted) add(format string, args ...any) {
	if l.n++; len(l.first) < maxDifferences {
		l.first = append(l.first, clipRunes(fmt.Sprintf(format, args...), maxDifferenceRunes))
	}
}

// String joins the differences.
func (l *noted) String() string {
	text := strings.Join(l.first, "; ")
	if more := l.n - len(l.first); more > 0 {
		text += fmt.Sprintf("; and %d more differences", more)
	}
	return text
}

// compareNoarch compares a package that two architectures made. a and b are the
// names of the architectures.
func compareNoarch(a string, p *rpmfile.Package, b string, q *rpmfile.Package) differences {
	c := &comparison{a: a, b: b}
	c.texts(p, q)
	c.scripts(p, q)
	c.dependencies(p, q)
	c.files(p, q)
	return c.found
}

// comparison collects differences.
type comparison struct {
	a, b  string
	found differences
}

// both notes that a field has two values.
func (c *comparison) both(what string, x, y any) { c.found.header.add("%s %v / %v", what, x, y) }

// texts compares the tags that hold one text.
func (c *comparison) texts(p, q *rpmfile.Package) {
	for _, field := range []struct{ what, x, y string }{
		{"name", p.Name, q.Name},
		{"summary", p.Summary, q.Summary},
		{"description", p.Description, q.Description},
		{"group", p.Group, q.Group},
		{"license", p.License, q.License},
		{"URL", p.URL, q.URL},
	} {
		if field.x != field.y {
			c.both(field.what, quoted(field.x), quoted(field.y))
		}
	}
	if p.Epoch != q.Epoch {
		c.both("epoch", p.Epoch, q.Epoch)
	}
}

// ignoredScripts are those that Koji does not compare.
var ignoredScripts = []string{"pretrans", "posttrans", "verifyscript"}

func (c *comparison) scripts(p, q *rpmfile.Package) {
	x, y := map[string]string{}, map[string]string{}
	for _, script := range p.Scripts {
		x[script.Kind] = script.Text
	}
	for _, script := range q.Scripts {
		y[script.Kind] = script.Text
	}
	for _, kind := range keysOfBoth(x, y, strings.Compare) {
		say := c.found.header.add
		if slices.Contains(ignoredScripts, kind) {
			say = c.found.content.add
		}
		inX, inY := has(x, kind), has(y, kind)
		switch {
		case inX != inY:
			say("%%%s only on %s", kind, c.only(inX))
		case x[kind] != y[kind]:
			say("%%%s %s / %s", kind, quoted(x[kind]), quoted(y[kind]))
		}
	}
}

// only is the architecture that alone has something.
func (c *comparison) only(first bool) string {
	if first {
		return c.a
	}
	return c.b
}

// dependency is what makes two dependencies the same.
type dependency struct {
	name  string
	flags rpmfile.Flags
	evr   string
}

func (c *comparison) dependencies(p, q *rpmfile.Package) {
	for _, kind := range []struct {
		what string
		x, y []rpmfile.Dependency
		say  func(string, ...any)
	}{
		{"requires", p.Requires, q.Requires, c.found.header.add},
		{"provides", withoutOwn(p), withoutOwn(q), c.found.header.add},
		{"conflicts", p.Conflicts, q.Conflicts, c.found.header.add},
		{"obsoletes", p.Obsoletes, q.Obsoletes, c.found.header.add},
		{"recommends", p.Recommends, q.Recommends, c.found.content.add},
		{"suggests", p.Suggests, q.Suggests, c.found.content.add},
		{"supplements", p.Supplements, q.Supplements, c.found.content.add},
		{"enhances", p.Enhances, q.Enhances, c.found.content.add},
	} {
		x, y := dependencySet(kind.x), dependencySet(kind.y)
		shown := map[string]int{}
		for _, d := range keysOfBoth(x, y, dependency.compare) {
			if has(x, d) != has(y, d) {
				shown[x[d]+y[d]]++
			}
		}
		for _, d := range keysOfBoth(x, y, dependency.compare) {
			if has(x, d) == has(y, d) {
				continue
			}
			text := x[d] + y[d] // one of them is empty
			if shown[text] > 1 {
				text += fmt.Sprintf(" (flags %#x)", uint32(d.flags))
			}
			kind.say("%s %s only on %s", kind.what, text, c.only(has(x, d)))
		}
	}
}

// withoutOwn are the provides of a package without that of its own name and
// version.
func withoutOwn(p *rpmfile.Package) []rpmfile.Dependency {
	own := dependency{p.Name, rpmfile.FlagEqual, p.Version + "-" + p.Release}
	return slices.DeleteFunc(slices.Clone(p.Provides), func(d rpmfile.Dependency) bool {
		return dependency{d.Name, d.Flags, d.EVR} == own
	})
}

// dependencySet maps dependencies to how they are written.
func dependencySet(list []rpmfile.Dependency) map[dependency]string {
	set := make(map[dependency]string, len(list))
	for _, d := range list {
		set[dependency{d.Name, d.Flags, d.EVR}] = clipRunes(d.String(), 2*maxValueRunes)
	}
	return set
}

func (d dependency) compare(e dependency) int {
	return cmp.Or(strings.Compare(d.name, e.name), strings.Compare(d.evr, e.evr), cmp.Compare(d.flags, e.flags))
}

func (c *comparison) files(p, q *rpmfile.Package) {
	x, y := filesByPath(p), filesByPath(q)
	var changed noted
	for _, path := range keysOfBoth(x, y, strings.Compare) {
		f, g := x[path], y[path]
		if f == nil || g == nil {
			c.found.header.add("%s only on %s", path, c.only(f != nil))
			continue
		}
		c.file(path, f, g)
		if otherContent(f, g) {
			changed.add("%s", clipRunes(path, 2*maxValueRunes))
		}
	}
	if changed.n > 0 {
		// Bounded already.
		c.found.content.first = append(c.found.content.first, "content of "+changed.paths())
		c.found.content.n++
	}
}

// paths lists what was noted as paths.
func (l *noted) paths() string {
	text := strings.Join(l.first, ", ")
	if more := l.n - len(l.first); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// filesByPath maps paths to files. Of a path that is there twice the last one
// counts, as for Koji.
func filesByPath(p *rpmfile.Package) map[string]*rpmfile.File {
	files := make(map[string]*rpmfile.File, len(p.Files))
	for i := range p.Files {
		files[p.Files[i].Path] = &p.Files[i]
	}
	return files
}

// file compares what Koji compares of a file.
func (c *comparison) file(path string, f, g *rpmfile.File) {
	path = clipRunes(path, 2*maxValueRunes)
	if f.Mode != g.Mode {
		c.both(path+" mode", mode(f, g), mode(g, f))
	}
	if f.User != g.User {
		c.both(path+" owner", quotedIfOdd(f.User), quotedIfOdd(g.User))
	}
	if f.Group != g.Group {
		c.both(path+" group", quotedIfOdd(f.Group), quotedIfOdd(g.Group))
	}
	if f.Flags != g.Flags {
		c.both(path+" is", fileKind(f.Flags), fileKind(g.Flags))
	}
	if f.RDev != g.RDev {
		c.both(path+" device", fmt.Sprintf("%d:%d", f.RDev>>8, f.RDev&0xff), fmt.Sprintf("%d:%d", g.RDev>>8, g.RDev&0xff))
	}
	if f.VerifyFlags != g.VerifyFlags {
		c.both(path+" verify flags", fmt.Sprintf("%#x", f.VerifyFlags), fmt.Sprintf("%#x", g.VerifyFlags))
	}
	if f.State != g.State {
		c.both(path+" state", f.State, g.State)
	}
}

// mode is the mode of a file: without the type where another one has the same.
func mode(f, other *rpmfile.File) string {
	const permissions = 0o7777
	if f.Mode&^permissions == other.Mode&^permissions {
		return fmt.Sprintf("%04o", f.Mode&permissions)
	}
	return fmt.Sprintf("%06o", f.Mode)
}

// fileKind writes file flags as %files does.
func fileKind(flags rpmfile.FileFlags) string {
	var words []string
	for _, known := range []struct {
		flag rpmfile.FileFlags
		word string
	}{{rpmfile.FileConfig, "%config"}, {rpmfile.FileDoc, "%doc"}, {rpmfile.FileGhost, "%ghost"}, {rpmfile.FileLicense, "%license"}} {
		if flags&known.flag != 0 {
			words, flags = append(words, known.word), flags&^known.flag
		}
	}
	if flags != 0 {
		words = append(words, fmt.Sprintf("flags %#x", uint32(flags)))
	}
	if len(words) == 0 {
		return "plain"
	}
	return strings.Join(words, " ")
}

// otherContent reports whether what is shipped under a path differs. Digests of
// different algorithms can't be compared, then sizes must do.
func otherContent(f, g *rpmfile.File) bool {
	if f.IsGhost() || g.IsGhost() || f.Mode != g.Mode {
		return false
	}
	if f.LinkTo != g.LinkTo || f.Caps != g.Caps {
		return true
	}
	if !f.IsRegular() {
		return false
	}
	return f.Size != g.Size || len(f.Digest) == len(g.Digest) && f.Digest != g.Digest
}

// keysOfBoth are the keys of two maps in order.
func keysOfBoth[K comparable, V any](x, y map[K]V, compare func(K, K) int) []K {
	all := maps.Clone(x)
	maps.Copy(all, y)
	return slices.SortedFunc(maps.Keys(all), compare)
}

func has[K comparable, V any](m map[K]V, key K) bool {
	_, ok := m[key]
	return ok
}

// quoted is text as a Go string, clipped.
func quoted(text string) string { return fmt.Sprintf("%q", clipRunes(text, maxValueRunes)) }

// quotedIfOdd quotes the name of a user unless it looks like one.
func quotedIfOdd(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" && name != "" {
		return clipRunes(name, maxValueRunes)
	}
	return quoted(name)
}

// clipRunes is text with at most n characters.
func clipRunes(text string, n int) string {
	if len(text) <= n || utf8.RuneCountInString(text) <= n {
		return text
	}
	i := 0
	for range n - 1 {
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return text[:i] + "…"
}
