package diagnosis

import (
	"regexp"
	"strconv"
	"strings"
)

// rpmErrors is what rpm itself calls an error, first.
type rpmErrors struct {
	at   found
	text string
	kind Kind
	// open is true while the lines that belong to the error follow.
	open  bool
	items []string
	// more are further errors of the same kind.
	more []string
}

// rpmSigns are rpm's own errors; the first that matches counts. The first
// group is the object.
var rpmSigns = []struct {
	pattern *regexp.Regexp
	kind    Kind
}{
	{regexp.MustCompile(`^Failed build dependencies:`), KindMissingRequires},
	{regexp.MustCompile(`^Installed \(but unpackaged\) file\(s\) found:`), KindUnpackagedFiles},
	{regexp.MustCompile(`^(?:File|Directory) not found(?: by glob)?: (\S+)`), KindMissingFiles},
	{regexp.MustCompile(`^(?:Could not open|Empty) %files file ([^\s:]+)`), KindMissingFiles},
	{regexp.MustCompile(`No space left on device`), KindDiskFull},
	{regexp.MustCompile(`File too large`), KindFileSize},
	{regexp.MustCompile(`Cannot allocate memory|out of memory|memory alloc`), KindOutOfMemory},
	{regexp.MustCompile(`^(?:Architecture is (?:not included|excluded)|OS is (?:not included|excluded)|No compatible architectures)`), KindWrongArch},
	{regexp.MustCompile(`^Arch dependent binaries in noarch package`), KindArchInNoarch},
	{regexp.MustCompile(`^Bad (?:file|source): (\S+?): No such file or directory`), KindMissingSource},
	{regexp.MustCompile(`^Couldn't download (\S+)`), KindMissingSource},
	{regexp.MustCompile(`^File (\S+): No such file or directory`), KindMissingSource},
	{regexp.MustCompile(`^(?:Unable to open|Can't open|unable to read) (?:file )?(\S+)`), KindMissingSource},
	{regexp.MustCompile(`(?:patch|source) \d+ (?:not defined|in the spec)|[Nn]o patch number|No such (?:patch|source)`), KindBadSpec},
}

// ownWords are those that rpm may say between the end of a script and what
// follows; others, such as cargo and git, print errors in its way.
var ownWords = regexp.MustCompile(`^(?:line \d+: |Failed build dep|Installed \(but|File not found|Directory not found)`)

// line looks at one line and tells whether it is certainly rpm's. While a
// script runs it may be what that prints.
func (e *rpmErrors) line(n int, line, script string) bool {
	if e.open && (strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "   ")) {
		if item := strings.TrimSpace(line); item != "" && len(e.items) < maxUnpackaged {
			e.items = append(e.items, clip(item, maxExcerptLine))
			if len(e.at.excerpt) < maxExcerpt {
				e.at.excerpt = append(e.at.excerpt, item)
			}
		}
		return true
	}
	e.open = false
	text, ok := strings.CutPrefix(line, "error: ")
	scripted := script != "" && script != "files"
	if !ok || scripted && !ownWords.MatchString(text) {
		return false
	}
	kind := kindOfRPM(text)
	if e.at.line > 0 {
		if kind == e.kind && len(e.more) < maxUnpackaged {
			e.more = append(e.more, text)
		}
		return !scripted
	}
	e.at = found{line: n, text: line, excerpt: []string{line}}
	e.text, e.kind, e.open = text, kind, strings.HasSuffix(text, ":")
	return !scripted
}

func kindOfRPM(text string) Kind {
	for _, sign := range rpmSigns {
		if sign.pattern.MatchString(text) {
			return sign.kind
		}
	}
	return ""
}

// specLine is rpm's word for where in a spec.
var specLine = regexp.MustCompile(`(?:^|: )line (\d{1,6}): |\.spec:(\d{1,6}): `)

// tell makes the finding of rpm's own words, if it said any.
func (e *rpmErrors) tell(f *Finding, prefix string) bool {
	if e.at.line == 0 {
		return false
	}
	f.Kind = e.kind
	if f.Kind == "" {
		f.Kind = KindBadSpec
		if f.Phase == PhaseFiles || f.Phase == PhasePost {
			f.Kind = KindBadFiles
		}
	}
	text := shorten(e.text)
	for _, sign := range rpmSigns {
		if m := sign.pattern.FindStringSubmatch(text); len(m) > 1 {
			f.Object = m[1]
		}
	}
	for _, words := range append([]string{e.text}, e.more...) {
		if m := specLine.FindStringSubmatch(words); m != nil {
			f.SpecLine, _ = strconv.Atoi(m[1] + m[2])
			break
		}
	}
	switch e.kind {
	case KindMissingRequires:
		for _, item := range e.items {
			what, _, needed := strings.Cut(item, " is needed by ")
			if needed && len(f.Missing) < maxMissing {
				f.Missing = append(f.Missing, Requirement{Text: what})
			}
		}
		text = list(e.items, MaxReason-20)
		f.Phase = PhaseBuildroot
		if len(f.Missing) == 0 {
			f.Kind = KindConflict
			f.Object, _, _ = strings.Cut(text, " conflicts with ")
		}
	case KindUnpackagedFiles:
		f.Phase, f.Unpackaged = PhaseFiles, e.items
		text = "Installed (but unpackaged) file(s) found: " + list(e.items, MaxReason-60)
	case KindMissingFiles:
		if len(e.more) > 0 {
			text += " and " + number(len(e.more)) + " more"
		}
	default:
		if len(e.items) > 0 {
			text += " " + strings.Join(e.items, " ")
		}
	}
	f.Reason = prefix + text
	return true
}
