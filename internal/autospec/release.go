package autospec

import (
	"fmt"
	"regexp"
	"strings"
)

// autoReleaseForms are the ways to write a release that is %autorelease alone.
var autoReleaseForms = []*regexp.Regexp{
	regexp.MustCompile(`^%autorelease((?:[ \t][^%{}]*)?)$`),
	regexp.MustCompile(`^%\{\??autorelease((?:[ \t][^%{}]*)?)\}$`),
}

// ReadRelease reads the text of a release tag that is %autorelease with literal
// options, and nothing else: ok. release is what its evaluation would be, as in
// Version; dist says that %{?dist} follows it in packages.
func ReadRelease(text string) (release string, dist, ok bool) {
	var words []string
	for _, form := range autoReleaseForms {
		if m := form.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
			words, ok = strings.Fields(m[1]), true
		}
	}
	values := map[string]string{}
	prerelease := 0
	dist = true
	for ; ok && len(words) > 0; words = words[1:] {
		switch option := words[0]; {
		case option == "-p":
			prerelease = 1
		case option == "-n":
			dist = false
		case option != "-e" && option != "-s" && option != "-b" || len(words) == 1:
			ok = false
		default:
			words = words[1:]
			values[option] = words[0]
		}
	}
	release = fmt.Sprintf("E%s_S%s_P%d_B%s", values["-e"], values["-s"], prerelease, values["-b"])
	return release, dist, ok && optionsForm.MatchString(release)
}
