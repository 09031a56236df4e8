package rootfs

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/distbot/distbot/builders"
)

// dnfFailure reads why dnf failed from what it printed: its exit code is 1 for
// everything.
func dnfFailure(output string) *builders.Failure {
	failure := &builders.Failure{Phase: builders.PhaseBuildroot, Infrastructure: true}
	lines := strings.Split(output, "\n")
	missing := missingRequirements(lines)
	trouble := repoTrouble(lines)
	switch {
	case len(missing) > 0:
		failure.Infrastructure, failure.Reason = false, "nothing provides "+strings.Join(missing, ", ")
	case strings.Contains(output, "No space left on device") || strings.Contains(output, "more space needed"):
		failure.Reason = "no space left on the builder's disk while the buildroot was installed"
	case strings.Contains(output, "No such command: builddep"):
		failure.Reason = "dnf's builddep plugin is not installed on the builder: run scripts/setup, or install dnf-plugins-core"
	case trouble != "":
		failure.Reason = trouble
	default:
		failure.Infrastructure, failure.Reason = false, "the buildroot could not be installed: "+firstError(output)
	}
	failure.Reason = oneLine(failure.Reason)
	failure.Err = errors.New(failure.Reason)
	return failure
}

// missingRequirements finds what no repository provides, in dnf's words of
// installing and of builddep.
func missingRequirements(lines []string) []string {
	var missing []string
	add := func(what string) {
		what = strings.Trim(strings.TrimSpace(what), "'\"")
		if what != "" && !slices.Contains(missing, what) {
			missing = append(missing, what)
		}
	}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if _, what, ok := strings.Cut(line, "No matching package to install: "); ok {
			add(what)
		} else if what, ok := strings.CutPrefix(line, "No match for argument: "); ok {
			add(what)
		} else if _, what, ok := strings.Cut(line, "nothing provides "); ok {
			what, by, needed := strings.Cut(what, " needed by ")
			if needed {
				by, _, _ = strings.Cut(by, " from ")
				what += " (needed by " + by + ")"
			}
			add(strings.TrimPrefix(what, "requested "))
		}
	}
	return missing
}

// Words of dnf and librepo about repositories that can't be read. The first
// line of the second kind says what happened; the others are about giving up.
var (
	ofRepository = regexp.MustCompile(`(?:downloading metadata for repository|Failed to download metadata for repo) '([^']+)'`)
	happened     = regexp.MustCompile(`Status code: \d+ for |Curl error \(\d+\)|checksum doesn't match|Checksum error`)
	gaveUp       = regexp.MustCompile(`Cannot download|mirrors were already tried|Librepo error|Cannot prepare internal mirrorlist`)
)

// repoTrouble says which repository or package could not be downloaded and
// why; it is empty when all could.
func repoTrouble(lines []string) string {
	what, why := "", ""
	for _, line := range lines {
		if m := ofRepository.FindStringSubmatch(line); m != nil && what == "" {
			what = "repository " + m[1]
		}
		if happened.MatchString(why) || !happened.MatchString(line) && (why != "" || !gaveUp.MatchString(line)) {
			continue
		}
		why = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "- "), "[MIRROR] ")
		// The digests are in the log.
		why, _, _ = strings.Cut(why, " Calculated: ")
	}
	switch {
	case what == "" && why == "":
		return ""
	case what == "":
		what = "a package"
	}
	return what + " can't be downloaded: " + why
}

// errorSigns mark the line a person would look at first, the best sign first:
// what rpm says of a scriptlet is repeated by dnf without the cause.
var errorSigns = []*regexp.Regexp{
	regexp.MustCompile(`error: .* scriptlet failed`),
	regexp.MustCompile(`Problem(?: \d+)?: `),
	regexp.MustCompile(`Error:`),
	regexp.MustCompile(`error:`),
}

// heading is what introduces such a line.
var heading = regexp.MustCompile(`^(?:(?:[Ee]rror|Problem(?: \d+)?|Transaction test error): *)+`)

// firstError is what a person would look for first in dnf's or rpm's output.
func firstError(output string) string {
	lines := strings.Split(output, "\n")
	for _, sign := range errorSigns {
		i := slices.IndexFunc(lines, sign.MatchString)
		if i < 0 {
			continue
		}
		text := strings.TrimSpace(lines[i])
		// What a line announces is on the next one.
		for announces(text) && i+1 < len(lines) {
			i++
			text += " " + strings.TrimSpace(lines[i])
		}
		if text = heading.ReplaceAllString(text, ""); text != "" {
			return text
		}
	}
	return "see the log"
}

func announces(text string) bool {
	return strings.HasSuffix(text, ":") || strings.HasSuffix(text, "Problem: conflicting requests")
}
