package diagnosis

import (
	"regexp"
	"slices"
	"strings"
)

// dnfReader reads what dnf 4 and 5 print while they install: their exit code
// is 1 for everything.
type dnfReader struct {
	step Step
	// whole is true for a log that holds several runs of dnf; the last one
	// counts.
	whole bool
	// running is true once packages are being installed: from there on lines
	// may be a scriptlet's, and no repository can fail any more.
	running bool
	// requires is the first line about something that nothing provides.
	requires found
	missing  []Requirement
	// repository is the first one that could not be read; happened is what
	// happened to it or to a package, gaveUp is what is said of it in the end.
	repository       string
	happened, gaveUp found
	disk, plugin     found
	// best is the best of the lines that say error, and how good it is.
	best  found
	sign  int
	after bool // the line that best announces is the next one
}

// found is a line that was remembered.
type found struct {
	line    int
	text    string
	excerpt []string
}

func newDNFReader(step Step) *dnfReader { return &dnfReader{step: step, sign: len(dnfSigns)} }

func (r *dnfReader) phase() Phase { return PhaseBuildroot }

// first remembers a line unless there is one.
func (f *found) first(n int, text string) bool {
	if f.line != 0 {
		return false
	}
	*f = found{line: n, text: text, excerpt: []string{text}}
	return true
}

// lines is the excerpt, at least the line itself.
func (f *found) lines() []string {
	if f.excerpt == nil && f.line > 0 {
		return []string{f.text}
	}
	return f.excerpt
}

// dnfSigns mark the line a person would look at first, the best sign first:
// what rpm says of a scriptlet is repeated by dnf without the cause.
var dnfSigns = []struct {
	pattern *regexp.Regexp
	kind    Kind
}{
	{regexp.MustCompile(`^error: .* scriptlet failed`), KindScriptlet},
	{regexp.MustCompile(`conflicts (?:between attempted installs|with file from package)`), KindFileConflict},
	{regexp.MustCompile(`^\s*(?:- )?(?:package \S+ (?:requires|conflicts|obsoletes|is filtered)|.* conflicts with .* provided by)|\bProblem(?: \d+)?: (?:package|problem|cannot)`), KindConflict},
	{regexp.MustCompile(`^\s*Problem(?: \d+)?: `), KindConflict},
	{regexp.MustCompile(`^error: unpacking of archive failed|^Error unpacking rpm package|Digest mismatch|^error: \S+: (?:signature|digest)`), KindCorruptDownload},
	{regexp.MustCompile(`^error: `), KindBuildroot},
	{regexp.MustCompile(`Error: \S`), KindBuildroot},
	{regexp.MustCompile(`Error:`), KindBuildroot},
}

// Words of dnf and librepo about repositories that can't be read. The first
// line of the second kind says what happened; the others are about giving up.
var (
	ofRepository = regexp.MustCompile(`(?:downloading metadata for repository|Failed to download metadata for repo) '([^']+)'`)
	happened     = regexp.MustCompile(`Status code: \d+ for |Curl error \(\d+\)|checksum doesn't match|Checksum error|repomd\.xml parser error`)
	gaveUp       = regexp.MustCompile(`Cannot download|mirrors were already tried|Librepo error|Cannot prepare internal mirrorlist|Failed to download metadata|Failed to synchronize cache`)
	noSpace      = regexp.MustCompile(`No space left on device|more space needed`)
	// ownNoSpace is that of rpm and dnf, not of what a scriptlet runs.
	ownNoSpace = regexp.MustCompile(`^(?:error: unpacking|Error unpacking|error: .*(?:rpmdb|db)|OSError: |.*\[Errno 28\])`)
)

// ofMock is how mock begins a run of dnf in root.log.
var ofMock = regexp.MustCompile(`^Executing command: \[.*(?:dnf|yum)`)

// line implements reader.
func (r *dnfReader) line(n int, text string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return
	}
	if r.whole && (strings.HasPrefix(text, "# installing ") || ofMock.MatchString(text)) {
		*r = *newDNFReader(r.step)
		r.whole = true
		return
	}
	if r.after {
		r.after = false
		r.best.text += " " + trimmed
		r.best.excerpt = append(r.best.excerpt, trimmed)
		r.after = announces(trimmed)
	}
	r.judge(n, trimmed)
	if r.running {
		if noSpace.MatchString(text) && ownNoSpace.MatchString(text) {
			r.disk.first(n, trimmed)
		}
		return
	}
	switch {
	case trimmed == "Running transaction", trimmed == "Running transaction test":
		r.running = trimmed == "Running transaction"
		return
	case strings.Contains(text, "No such command: builddep"):
		r.plugin.first(n, trimmed)
	}
	r.readMissing(n, trimmed)
	r.readRepository(n, trimmed)
	if noSpace.MatchString(text) {
		r.disk.first(n, trimmed)
	}
}

// judge keeps the line that says best what went wrong.
func (r *dnfReader) judge(n int, text string) {
	for i := range dnfSigns[:r.sign] {
		if !dnfSigns[i].pattern.MatchString(text) {
			continue
		}
		// dnf goes on after progress without a new line.
		if at := strings.Index(text, "Error:"); at > 0 && i >= len(dnfSigns)-2 {
			text = text[at:]
		}
		r.sign, r.best = i, found{line: n, text: text, excerpt: []string{text}}
		r.after = announces(text)
		return
	}
}

// announces tells whether what a line is about is on the next one.
func announces(text string) bool {
	return strings.HasSuffix(text, ":") || strings.HasSuffix(text, "Problem: conflicting requests")
}

// readMissing finds what no repository provides, in dnf's words of installing
// and of builddep.
func (r *dnfReader) readMissing(n int, line string) {
	var missing Requirement
	if _, what, ok := strings.Cut(line, "No matching package to install: "); ok {
		missing.Text = what
	} else if what, ok := strings.CutPrefix(line, "No match for argument: "); ok {
		missing.Text = what
	} else if _, what, ok := strings.Cut(line, "nothing provides "); ok {
		what, by, _ := strings.Cut(what, " needed by ")
		by, _, _ = strings.Cut(by, " from ")
		missing.Text, missing.NeededBy = strings.TrimPrefix(what, "requested "), by
	}
	missing.Text = clip(strings.Trim(strings.TrimSpace(missing.Text), "'\""), maxExcerptLine)
	missing.NeededBy = clip(missing.NeededBy, maxExcerptLine)
	if missing.Text == "" || len(r.missing) >= maxMissing {
		return
	}
	if !slices.ContainsFunc(r.missing, func(m Requirement) bool { return m.Text == missing.Text && m.NeededBy == missing.NeededBy }) {
		r.missing = append(r.missing, missing)
		if !r.requires.first(n, line) && len(r.requires.excerpt) < maxExcerpt {
			r.requires.excerpt = append(r.requires.excerpt, line)
		}
	}
}

// readRepository finds the repository or package that could not be downloaded,
// and why.
func (r *dnfReader) readRepository(n int, line string) {
	if m := ofRepository.FindStringSubmatch(line); m != nil && r.repository == "" {
		r.repository = m[1]
	}
	if happened.MatchString(line) {
		r.happened.first(n, line)
	} else if gaveUp.MatchString(line) {
		r.gaveUp.first(n, line)
	}
}

// finding implements reader.
func (r *dnfReader) finding(ended Exit) Finding {
	f := Finding{Phase: PhaseBuildroot}
	at := r.best
	switch {
	case ended.Limit != nil:
		at, f.Kind, f.Infrastructure, f.Reason = found{}, ended.Limit.Kind, ended.Limit.Infrastructure, ended.Limit.Reason
	case len(r.missing) > 0:
		at, f.Kind, f.Missing, f.Reason = r.requires, KindMissingRequires, r.missing, "nothing provides "+list(texts(r.missing), MaxReason-20)
		f.Object = r.missing[0].Text
	case r.disk.line > 0:
		at, f.Kind, f.Infrastructure = r.disk, KindDiskFull, true
		f.Reason = "no space left on the builder's disk while the buildroot was installed"
	case r.plugin.line > 0:
		at, f.Kind, f.Infrastructure = r.plugin, KindBuilderSetup, true
		f.Reason = "dnf's builddep plugin is not installed on the builder: run scripts/setup, or install dnf-plugins-core"
	case r.happened.line > 0 || r.gaveUp.line > 0 || r.repository != "":
		at = r.trouble(&f)
	case ended.Signal != 0:
		f.Kind, f.Infrastructure, f.Reason = KindKilled, true, "dnf was ended by signal "+signalText(ended.Signal)
	default:
		f.Kind, f.Reason = KindBuildroot, "the buildroot could not be installed: "+r.why()
		if r.sign < len(dnfSigns) {
			f.Kind = dnfSigns[r.sign].kind
			f.Infrastructure = f.Kind == KindCorruptDownload
		}
	}
	f.Line, f.Excerpt = at.line, at.lines()
	return f
}

// trouble says which repository or package could not be downloaded, and why.
func (r *dnfReader) trouble(f *Finding) found {
	f.Kind, f.Infrastructure = KindRepository, true
	at := r.happened
	if at.line == 0 {
		at = r.gaveUp
	}
	if strings.Contains(strings.ToLower(at.text), "checksum") {
		f.Kind = KindCorruptDownload
	}
	why := strings.TrimPrefix(strings.TrimPrefix(at.text, "- "), "[MIRROR] ")
	// The digests are in the log.
	why, _, _ = strings.Cut(why, " Calculated: ")
	what := "a package"
	if r.repository != "" {
		f.Object, what = r.repository, "repository "+r.repository
	}
	f.Reason = what + " can't be downloaded: " + why
	return at
}

// heading is what introduces a line about an error.
var heading = regexp.MustCompile(`^(?:(?:[Ee]rror|Problem(?: \d+)?|Transaction test error): *)+`)

func (r *dnfReader) why() string {
	if text := heading.ReplaceAllString(r.best.text, ""); text != "" {
		return text
	}
	return "see the log"
}

// texts are requirements in words.
func texts(missing []Requirement) []string {
	words := make([]string, len(missing))
	for i, m := range missing {
		words[i] = m.Text
		if m.NeededBy != "" {
			words[i] += " (needed by " + m.NeededBy + ")"
		}
	}
	return words
}
