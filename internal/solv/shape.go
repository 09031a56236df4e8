package solv

import (
	"path"
	"regexp"
	"strings"
)

// rank orders how names resemble one another, the nearest first.
type rank int

const (
	sameName  rank = iota + 1 // in another version or package
	soname                    // the library in another version
	otherCase                 // or for another word size
	namespace                 // the same in another namespace, directory or spelling
	decorated                 // the same but for -devel, lib and the like
	misspelt                  // up to two letters are different
	unlike                    // nothing in common
)

// shape is a name taken apart for comparisons.
type shape struct {
	name  string
	lower string
	// space is what stands before a parenthesis: pkgconfig, cmake, perl; empty
	// for other names. inner is what stands in it, or the whole name, in lower
	// case.
	space, inner string
	plain        string // inner without separators
	stem         string // inner without decoration and separators; empty if nothing is left
	// library is a soname without its version; symbol and bits are the other
	// parts of such a requirement.
	library, symbol, bits string
	base                  string // of a path
	isa                   bool   // names a word size, and says no more than the name without
}

var (
	// libfoo.so.1.2(SYMBOL)(64bit), as rpm's elfdeps writes it.
	sonames = regexp.MustCompile(`^([^()/ ]+\.so)(?:\.[^()/ ]+)?(?:\(([^()]*)\))?(\(64bit\))?$`)
	// foo(x86-64), as rpm's %_isa writes it.
	isas = regexp.MustCompile(`^([^()]+)\([a-z0-9_]+-(?:32|64)\)$`)
	// pkgconfig(foo), python3.12dist(foo), perl(Foo::Bar).
	spaces = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]*)\((.+)\)$`)

	separators = strings.NewReplacer("-", "", "_", "", ".", "", "::", "", " ", "")
)

// What names of packages are decorated with, in lower case.
var (
	prefixes = []string{"python3-", "python2-", "python-", "perl-", "rubygem-", "golang-", "nodejs-", "php-", "ghc-", "ocaml-", "rust-", "texlive-", "mingw64-", "lib"}
	suffixes = []string{"-devel", "-dev", "-libs", "-lib", "-static", "-headers", "-tools", "-utils", "-common", "-core", "-doc", "-bin"}
)

func describe(name string) shape {
	s := shape{name: name, lower: strings.ToLower(name)}
	if strings.HasPrefix(name, "/") {
		s.base = path.Base(name)
		return s
	}
	if m := sonames.FindStringSubmatch(name); m != nil {
		s.library, s.symbol, s.bits = m[1], m[2], m[3]
		return s
	}
	s.inner = s.lower
	if m := isas.FindStringSubmatch(s.lower); m != nil {
		s.inner, s.isa = m[1], true
	} else if m := spaces.FindStringSubmatch(s.lower); m != nil {
		s.space, s.inner = m[1], m[2]
	}
	s.plain = separators.Replace(s.inner)
	s.stem = stem(s.inner)
	return s
}

// stem is a name without what it is decorated with.
func stem(name string) string {
	name = strings.ReplaceAll(name, "::", "-")
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(name, prefix); ok && len(rest) > 1 {
			name = rest
			break
		}
	}
	for _, suffix := range suffixes {
		if rest, ok := strings.CutSuffix(name, suffix); ok && len(rest) > 1 {
			name = rest
			break
		}
	}
	return separators.Replace(name)
}

// resembles says how a name that is there resembles the wanted one, and how far
// it is from it within the rank.
func (s shape) resembles(there shape) (rank, int) {
	switch {
	case s.library != "" || there.library != "":
		return s.resemblesLibrary(there)
	case s.base != "" || there.base != "":
		return s.resemblesFile(there)
	case there.isa:
		return unlike, 0
	case s.lower == there.lower || s.inner == there.inner && s.space == there.space:
		return otherCase, 0
	case s.plain != "" && s.plain == there.plain && (s.space == "") == (there.space == ""):
		return namespace, 0
	case s.stem != "" && s.stem == there.stem:
		return decorated, s.farFrom(there)
	}
	return s.misspells(there)
}

// farFrom prefers, among names of one stem, what is for building when that is
// wanted.
func (s shape) farFrom(there shape) int {
	if s.forBuilding() == there.forBuilding() {
		return 0
	}
	return 1
}

func (s shape) forBuilding() bool {
	return s.space == "pkgconfig" || s.space == "cmake" || strings.HasSuffix(s.inner, "-devel")
}

func (s shape) resemblesLibrary(there shape) (rank, int) {
	switch {
	case s.library != there.library:
		return unlike, 0
	case s.bits != there.bits:
		return otherCase, 0
	case (s.symbol == "") != (there.symbol == ""):
		return soname, 1
	}
	return soname, 0
}

func (s shape) resemblesFile(there shape) (rank, int) {
	switch {
	case s.base != "" && there.base == s.base:
		return namespace, 0
	case s.base != "" && there.lower == strings.ToLower(s.base):
		return decorated, 0 // the package is called as the file
	case s.base == "" || there.base == "" || path.Dir(s.name) != path.Dir(there.name):
		return unlike, 0
	}
	return within(s.base, there.base)
}

// misspells compares names of the same kind letter by letter.
func (s shape) misspells(there shape) (rank, int) {
	if s.space != there.space {
		return unlike, 0
	}
	return within(s.inner, there.inner)
}

// within allows one letter to differ in four, at most two. Of names of two or
// three letters the first must be right, and one other may not be.
func within(a, b string) (rank, int) {
	bound := min(2, len(a)/4)
	if (len(a) == 2 || len(a) == 3) && b != "" && a[0] == b[0] {
		bound = 1
	}
	if d := distance(a, b, bound); d <= bound {
		return misspelt, d
	}
	return unlike, 0
}

// distance is how many letters must be inserted, deleted, replaced or swapped
// with their neighbours to make b of a (optimal string alignment); bound+1 when
// it is more than bound, or when one is longer than a name anybody would type.
func distance(a, b string, bound int) int {
	const longest = 127
	if len(a)-len(b) > bound || len(b)-len(a) > bound || len(a) > longest || len(b) > longest {
		return bound + 1
	}
	// Three rows of the usual matrix: of the letter, the one before, and the one
	// before that.
	var matrix [3][longest + 1]int
	rows := [3][]int{matrix[0][:len(b)+1], matrix[1][:len(b)+1], matrix[2][:len(b)+1]}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, over := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], over[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > bound {
			return bound + 1
		}
	}
	return min(rows[len(a)%3][len(b)], bound+1)
}
