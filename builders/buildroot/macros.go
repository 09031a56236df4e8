package buildroot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// TopDir is rpmbuild's directory inside a buildroot. It is the same for every
// build: paths end up in packages.
const TopDir = "/builddir/build"

// Macro is a definition in a file of macros. Its body is as rpm reads it.
type Macro struct{ Name, Body string }

// Macros is what a build's ~/.rpmmacros holds: what results rely on, and what
// the build's tag sets besides.
func Macros(tag map[string]string) string {
	return MacrosIn(TopDir, tag, Macro{"_dbpath", "/var/lib/rpm"})
}

// MacrosIn is as Macros, for a build in another directory, with rpm's own
// database and further macros.
//
// rpm reads no file of macros after this one, and what it can't read of a
// definition it looks for in the lines that follow. So distbot's own come first,
// where nothing of a tag precedes them, and a tag's of the same names are left
// out, as are those that CheckMacro refuses.
func MacrosIn(topDir string, tag map[string]string, more ...Macro) string {
	own := append([]Macro{
		{"_topdir", topDir},
		{"_buildhost", "distbot.invalid"},
		{"_rpmfilename", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"},
		// Reproducible Builds: SOURCE_DATE_EPOCH is in the environment.
		{"use_source_date_epoch_as_buildtime", "1"},
		{"clamp_mtime_to_source_date_epoch", "1"},
		{"source_date_epoch_from_changelog", "0"},
		{"_disable_source_fetch", "1"},
	}, more...)
	var text strings.Builder
	for _, macro := range own {
		fmt.Fprintf(&text, "%%%s %s\n", macro.Name, macro.Body)
	}
	for _, name := range slices.Sorted(maps.Keys(tag)) {
		taken := slices.ContainsFunc(own, func(m Macro) bool { return m.Name == name })
		if !taken && CheckMacro(name, tag[name]) == nil {
			text.WriteString(definition(name, tag[name]))
		}
	}
	return text.String()
}

// definition is how a file of macros defines one of a tag.
func definition(name, value string) string {
	body := strings.TrimSpace(value)
	if body == "" {
		body = "%{nil}" // rpm refuses an empty one
	}
	// A line break would end the macro; rpm reads on after a backslash.
	return "%" + name + " " + strings.ReplaceAll(body, "\n", "\\\n") + "\n"
}

// maxDefinition bounds a definition, in bytes. rpm takes what is beyond 16 KiB
// (MACROBUFSIZ) for a line of its own.
const maxDefinition = 8 << 10

// CheckMacro says why rpm would not define a tag's macro as it is set: it would
// go on reading in what follows, or lose a part.
func CheckMacro(name, value string) error {
	if !macroName.MatchString(name) {
		return fmt.Errorf("%.100q is no name of a macro", name)
	}
	if err := checkBody(strings.TrimSpace(value)); err != nil {
		return fmt.Errorf("macro %.100s: %w", name, err)
	}
	if size := len(definition(name, value)); size > maxDefinition {
		return fmt.Errorf("macro %.100s: it has %d bytes, at most %d can be defined", name, size, maxDefinition)
	}
	return nil
}

// checkBody reads a body as rpm does (rdcl and doDefine in rpm's macro.c).
func checkBody(body string) error {
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasSuffix(line, `\`) {
			return errors.New(`a line of its value ends with a backslash, after which rpm reads on: remove it`)
		}
	}
	if strings.ContainsFunc(body, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return errors.New("its value has control characters")
	}
	if err := checkBraced(body); err != nil {
		return err
	}
	open := map[byte]int{}
	closing := map[byte]byte{'{': '}', '(': ')', '[': ']'}
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '\\':
			i++
		case '%':
			if i+1 < len(body) && closing[body[i+1]] != 0 {
				open[closing[body[i+1]]]++
				i++
			} else if i+1 < len(body) && body[i+1] == '%' {
				i++
			}
		case '{', '(', '[':
			if end := closing[c]; open[end] > 0 {
				open[end]++
			}
		case '}', ')', ']':
			open[c] = max(0, open[c]-1)
		}
	}
	for begin, end := range closing {
		if open[end] > 0 {
			return fmt.Errorf(`a "%%%c" of its value is not closed: add the "%c" that is missing`, begin, end)
		}
	}
	return nil
}

// checkBraced checks a body that is put into braces, which rpm takes off.
func checkBraced(body string) error {
	if !strings.HasPrefix(body, "{") {
		return nil
	}
	if strings.Contains(body, "\n") {
		return errors.New(`its value begins with a brace and has several lines, which rpm reads otherwise: begin it with "%{nil}"`)
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 && i < len(body)-1 {
			return errors.New(`its value begins with a brace that ends before the value does, and rpm ignores the rest: begin it with "%{nil}"`)
		}
	}
	if depth > 0 {
		return errors.New("its value begins with a brace that is not closed: add what is missing")
	}
	return nil
}
