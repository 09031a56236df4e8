package diagnosis

import (
	"regexp"
	"strings"
)

// Bounds of what is read of a spec.
const (
	maxSpec      = 1 << 20
	maxSpecLines = 20000
)

// FindInSpec names the line of the spec that an annotation belongs to, if there
// is one: rpm's own word, the requirement that is missing, the patch, the
// source, the entry of %files, the macro or the command. Macros of the spec
// are not expanded: a line fits when what it says without them does.
func (f *Finding) FindInSpec(spec string) {
	if len(spec) > maxSpec || f.Infrastructure {
		f.SpecLine = 0
		return
	}
	lines := strings.Split(strings.ReplaceAll(spec, "\r\n", "\n"), "\n")
	lines = lines[:min(len(lines), maxSpecLines)]
	if f.SpecLine > len(lines) || f.SpecLine > 0 && !said(lines, f.SpecLine, f.Reason) {
		f.SpecLine = 0
	}
	if f.SpecLine > 0 {
		return
	}
	switch f.Kind {
	case KindMissingRequires:
		for _, missing := range f.Missing {
			if f.SpecLine = requireOf(lines, missing); f.SpecLine > 0 {
				return
			}
		}
	case KindConflict, KindFileConflict, KindScriptlet:
		for _, name := range packagesIn(f.Reason) {
			if f.SpecLine = lineOf(lines, "buildrequires", name); f.SpecLine > 0 {
				return
			}
		}
		f.SpecLine = lineOf(lines, "buildconflicts", nameOf(f.Object))
	case KindBadSpec:
		f.SpecLine = saidBy(lines, f.Reason)
	case KindMissingFile:
		// The archive has another directory than %setup expects.
		if f.Phase == PhasePrep && strings.Contains(f.Reason, ": cd: ") || strings.HasPrefix(f.Reason, "%prep: cd: ") {
			f.SpecLine = first(lines, func(line string) bool {
				word := firstWord(line)
				return word == "%setup" || word == "%autosetup" || word == "%forgeautosetup"
			})
		}
	case KindBadFiles:
		f.SpecLine = entryIn(lines, f.Reason)
	case KindPatchHunk:
		f.SpecLine = lineOf(lines, "patch", f.Object)
	case KindBadSource, KindMissingSource:
		if f.SpecLine = lineOf(lines, "source", baseName(f.Object)); f.SpecLine == 0 {
			f.SpecLine = lineOf(lines, "patch", baseName(f.Object))
		}
	case KindMissingFiles:
		if f.SpecLine = entryOf(lines, f.Object); f.SpecLine == 0 {
			f.SpecLine = listOf(lines, baseName(f.Object))
		}
	case KindUnpackagedFiles:
		f.SpecLine = first(lines, func(line string) bool { return firstWord(line) == "%files" })
	case KindUndefinedMacro:
		name := strings.Trim(f.Object, "%{}")
		if name != "" {
			f.SpecLine = first(lines, func(line string) bool {
				return firstWord(line) == "%"+name || strings.HasPrefix(strings.TrimSpace(line), "%{"+name)
			})
		}
	case KindMissingCommand:
		f.SpecLine = commandOf(lines, f.Phase, f.Object)
	case KindWrongArch:
		f.SpecLine = tagOf(lines, "exclusivearch", "excludearch", "exclusiveos", "excludeos")
	case KindArchInNoarch:
		f.SpecLine = tagOf(lines, "buildarch", "buildarchitectures")
	}
}

// said reports whether rpm's words about a line are about this spec's. Those about
// a file that it includes name the line there, and no file: where there may be
// such files, only words that repeat the line are believed.
func said(lines []string, line int, reason string) bool {
	if first(lines, func(line string) bool { return firstWord(line) == "%include" }) == 0 {
		return true
	}
	text := strings.TrimSpace(lines[line-1])
	return text != "" && strings.Contains(reason, text)
}

// MapSpecLine is for a finding of a spec that was made from another one:
// original tells the line there, 0 for one that was added. rpm's words about the
// line follow in the reason; what the log says stays.
func (f *Finding) MapSpecLine(original func(line int) int) {
	made := f.SpecLine
	if made == 0 {
		return
	}
	f.SpecLine = original(made)
	if f.SpecLine > 0 {
		f.Reason = strings.Replace(f.Reason, "line "+number(made)+": ", "line "+number(f.SpecLine)+": ", 1)
	}
}

// requireOf is the line that asks for a requirement, or for the package that
// does.
func requireOf(lines []string, missing Requirement) int {
	name := nameOf(missing.Text)
	if missing.NeededBy != "" {
		name = nameOfNEVRA(missing.NeededBy)
	}
	if at := lineOf(lines, "buildrequires", name); at > 0 || name == "" {
		return at
	}
	inside := false
	return first(lines, func(line string) bool {
		if word := firstWord(line); isSection(word) {
			inside = word == "%generate_buildrequires"
			return false
		}
		return inside && strings.Contains(line, name)
	})
}

// nevra is how dnf and rpm name a package.
var nevra = regexp.MustCompile(`[A-Za-z0-9_][\w.+-]*-(?:\d+:)?[^\s:-]+-[^\s:-]+\.(?:noarch|[a-z]\w+)\b`)

// packagesIn are the names of the packages that a text names.
func packagesIn(text string) []string {
	var names []string
	for _, pkg := range nevra.FindAllString(text, 10) {
		names = append(names, nameOfNEVRA(pkg))
	}
	return names
}

// nameOfNEVRA is the name in name-[epoch:]version-release.arch.
func nameOfNEVRA(text string) string {
	for range 2 {
		if i := strings.LastIndexByte(text, '-'); i > 0 {
			text = text[:i]
		}
	}
	return text
}

// entryIn is the line of a %files section with the longest entry that a text
// names.
func entryIn(lines []string, text string) int {
	best, at := 0, 0
	for word := range strings.FieldsSeq(text) {
		if !strings.ContainsAny(word, "/%") {
			continue
		}
		eachEntry(lines, func(n int, entry string) {
			if fit := fits(entry, word); fit > best {
				best, at = fit, n
			}
		})
	}
	return at
}

// eachEntry goes through the words of all %files sections.
func eachEntry(lines []string, do func(n int, entry string)) {
	inside := false
	for i, line := range lines {
		if word := firstWord(line); isSection(word) {
			inside = word == "%files"
			continue
		}
		if inside {
			for entry := range strings.FieldsSeq(line) {
				do(i+1, entry)
			}
		}
	}
}

// first is the number of the first line that fits, from 1; 0 without one.
func first(lines []string, fits func(string) bool) int {
	for i, line := range lines {
		if fits(line) {
			return i + 1
		}
	}
	return 0
}

// inPackage is how rpm says which sub-package an error is about.
var inPackage = regexp.MustCompile(`in package: (\S+)$`)

// saidBy is the line that rpm's words, which name none, are about: the message
// of an %{error:}, the only Lua script, the sub-package.
func saidBy(lines []string, reason string) int {
	if m := inPackage.FindStringSubmatch(reason); m != nil {
		return first(lines, func(line string) bool {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "%package" {
				return false
			}
			return fields[1] == "-n" && fields[len(fields)-1] == m[1] || strings.HasSuffix(m[1], "-"+fields[1])
		})
	}
	lua := func(line string) bool { return strings.Contains(line, "%{lua:") }
	if strings.HasPrefix(reason, "lua script failed") {
		if at := first(lines, lua); at > 0 && first(lines[at:], lua) == 0 {
			return at
		}
		return 0
	}
	if len(reason) < minMessage {
		return 0
	}
	return first(lines, func(line string) bool { return strings.Contains(line, reason) })
}

// minMessage is how long a message must be to be looked for: shorter ones are
// anywhere.
const minMessage = 8

// tag is a line of a spec's preamble.
var tag = regexp.MustCompile(`^\s*([A-Za-z]+)\d*(?:\([^)]*\))?\s*:\s*(.*)$`)

func tagOf(lines []string, names ...string) int {
	return first(lines, func(line string) bool {
		m := tag.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		for _, name := range names {
			if strings.EqualFold(m[1], name) {
				return true
			}
		}
		return false
	})
}

// lineOf is the line of the tag whose value names an object best.
func lineOf(lines []string, name, object string) int {
	best, at := 0, 0
	for i, line := range lines {
		m := tag.FindStringSubmatch(line)
		if m == nil || !strings.EqualFold(m[1], name) {
			continue
		}
		for word := range strings.FieldsFuncSeq(m[2], func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
			// A source is named by its URL, a rich requirement in parentheses.
			for _, form := range []string{word, baseName(word), strings.Trim(word, "()")} {
				if fit := fits(form, object); fit > best {
					best, at = fit, i+1
				}
			}
		}
	}
	return at
}

// entryOf is the line of a %files section that names a path best.
func entryOf(lines []string, path string) int {
	best, at := 0, 0
	eachEntry(lines, func(n int, entry string) {
		// Documentation and licences are named without their directory.
		fit := max(fits(entry, path), fits(entry, baseName(path)))
		if fit > best {
			best, at = fit, n
		}
	})
	return at
}

// listOf is the line of a %files section that reads a list of files: -f LIST.
func listOf(lines []string, list string) int {
	return first(lines, func(line string) bool {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "%files" {
			return false
		}
		for i, field := range fields[:len(fields)-1] {
			if field == "-f" && fits(fields[i+1], list) > 0 {
				return true
			}
		}
		return false
	})
}

// sectionsOf are the sections that belong to a phase.
var sectionsOf = map[Phase][]string{
	PhasePrep: {"%prep"}, PhaseBuildroot: {"%generate_buildrequires"}, PhaseBuild: {"%build", "%conf"},
	PhaseInstall: {"%install"}, PhaseCheck: {"%check"}, PhasePost: {"%clean"},
}

// commandOf is the line of a phase's section that begins with a command, or
// holds it as a word.
func commandOf(lines []string, phase Phase, command string) int {
	if command == "" {
		return 0
	}
	section := ""
	return first(lines, func(line string) bool {
		if word := firstWord(line); isSection(word) {
			section = word
			return false
		}
		for _, name := range sectionsOf[phase] {
			if section != name {
				continue
			}
			for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t;|&()", r) }) {
				if word == command {
					return true
				}
			}
		}
		return false
	})
}

var sectionNames = regexp.MustCompile(`^%(?:description|package|prep|generate_buildrequires|conf|build|install|check|clean|files|changelog|pre|post|preun|postun|pretrans|posttrans|trigger\w*|filetrigger\w*|transfiletrigger\w*|verifyscript|sepolicy)$`)

func isSection(word string) bool { return sectionNames.MatchString(word) }

func firstWord(line string) string {
	if fields := strings.Fields(line); len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// nameOf is the name in a requirement: pkgconfig(greet) of
// pkgconfig(greet) >= 1.2, and the first one of a rich requirement.
func nameOf(requirement string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(requirement), "("), " ")
	return name
}

func baseName(path string) string {
	path = strings.TrimRight(path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// maxWord bounds the words of a spec that are looked at, in bytes.
const maxWord = 1024

// fits tells how many characters of a pattern are literally in text, when text
// fits the pattern, in which macros and * stand for anything; else 0.
func fits(pattern, text string) int {
	if text == "" || len(pattern) > maxWord {
		return 0
	}
	if pattern == text {
		return len(text) + 1
	}
	n, begin, first := 0, 0, true
	for i := 0; i < len(pattern); i++ {
		if !strings.ContainsRune("*?%", rune(pattern[i])) {
			continue
		}
		piece := pattern[begin:i]
		at := strings.Index(text, piece)
		if at < 0 || first && at > 0 {
			return 0
		}
		n, text, first = n+len(piece), text[at+len(piece):], false
		if pattern[i] == '%' {
			i = afterMacro(pattern, i)
		}
		begin = i + 1
	}
	if rest := pattern[begin:]; !first && strings.HasSuffix(text, rest) {
		return n + len(rest)
	}
	return 0
}

// afterMacro is the last byte of the macro that begins at i.
func afterMacro(word string, i int) int {
	if i+1 < len(word) && (word[i+1] == '{' || word[i+1] == '(') {
		depth := 0
		for j := i + 1; j < len(word); j++ {
			switch word[j] {
			case '{', '(':
				depth++
			case '}', ')':
				if depth--; depth == 0 {
					return j
				}
			}
		}
		return len(word) - 1
	}
	for i+1 < len(word) && (word[i+1] == '_' || word[i+1] == '?' || word[i+1] >= '0' && word[i+1] <= '9' || word[i+1]|0x20 >= 'a' && word[i+1]|0x20 <= 'z') {
		i++
	}
	return i
}
