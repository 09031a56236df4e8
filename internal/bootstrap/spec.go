package bootstrap

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// rpmSpec is what this package says in a spec file. The fields may hold any
// text a Debian package can hold: String escapes it.
type rpmSpec struct {
	Name        string
	EVR         evr
	Noarch      bool
	Summary     string
	URL         string   // left out unless it is a plain http(s) URL
	Provides    []string // as in the tag: "name" or "name = evr"
	Requires    []string
	RequiresPre []string
	Files       []string // lines of %files, already patterns (filePatterns)
	Trailer     string   // literal spec text after the file list
}

var plainURL = regexp.MustCompile(`^https?://[A-Za-z0-9./_~?&=#:@+-]+$`)

// String writes the spec. No line begins with text that came from a package:
// rpm looks for %if and its kin after it has expanded macros, so there even
// "%%if" would be obeyed.
func (s rpmSpec) String() string {
	var b strings.Builder
	line := func(tag, value string) {
		fmt.Fprintf(&b, "%s: %s\n", tag, escapeMacros(value))
	}
	line("Name", s.Name)
	if s.EVR.Epoch != "" {
		line("Epoch", s.EVR.Epoch)
	}
	line("Version", s.EVR.Version)
	line("Release", s.EVR.Release)
	line("Summary", s.Name+": "+s.Summary)
	line("License", "See the copyright file of the Debian package")
	if plainURL.MatchString(s.URL) {
		line("URL", s.URL)
	}
	if s.Noarch {
		line("BuildArch", "noarch")
	}
	// Dependencies come from Debian's fields, which know more than what can be
	// read from files; Provides are also generated, as packages built later
	// ask for sonames and pkgconfig() names.
	line("AutoReq", "no")
	for _, p := range s.Provides {
		line("Provides", p)
	}
	for _, r := range s.RequiresPre {
		line("Requires(pre)", r)
	}
	for _, r := range s.Requires {
		line("Requires", r)
	}
	fmt.Fprintf(&b, "\n%%description\nPart of the base distribution made by distbot bootstrap.\n\n%%files\n%%defattr(-,root,root,-)\n")
	for _, f := range s.Files {
		b.WriteString(f + "\n")
	}
	b.WriteString(s.Trailer)
	return b.String()
}

// escapeMacros makes text that rpm's macro expansion returns unchanged, in one
// line.
func escapeMacros(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	// A backslash at the end would join the next line.
	return strings.TrimRight(strings.ReplaceAll(text, "%", "%%"), `\ `)
}

// filePatterns lists the files of a tree for %files, without the directories
// in shared. A directory stands for all below it, so few names are written;
// in those, every byte that rpm might expand, split or match becomes `?`. The
// pattern can match a neighbour too, which the package then lists twice: rpm
// takes that as once.
func filePatterns(t *tree, shared map[string]bool) []string {
	var lines []string
	for _, name := range t.paths() {
		if dir := path.Dir(name); dir != "." && !shared[dir] {
			continue // its directory is listed, or one above
		}
		if t.Files[name] && shared[name] {
			continue
		}
		lines = append(lines, "/"+patternFor(name))
	}
	return lines
}

// patternFor works on bytes: rpmbuild runs in the C locale, where `?` matches
// one byte.
func patternFor(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/._+-", c) >= 0:
		default:
			b[i] = '?'
		}
	}
	return string(b)
}

var commandName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// oldPaths provides /bin/x for every /usr/bin/x, and /sbin/x likewise: scripts
// and scriptlets name both, and rpm's file dependencies know no links.
func oldPaths(t *tree) []string {
	var provides []string
	for _, name := range t.paths() {
		dir, base := path.Split(name)
		if t.Files[name] || !commandName.MatchString(base) {
			continue
		}
		switch dir {
		case "usr/bin/":
			provides = append(provides, "/bin/"+base)
		case "usr/sbin/":
			provides = append(provides, "/sbin/"+base)
		}
	}
	return provides
}
