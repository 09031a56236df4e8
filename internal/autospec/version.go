package autospec

import (
	"regexp"
	"strconv"
	"strings"
)

// Version is what the evaluation of one spec says.
type Version struct {
	// EpochVersion is "EPOCH:VERSION", or the version where there is no epoch.
	// It is empty when the spec can't be parsed, and Error says why.
	EpochVersion string
	// Release is the value of the release tag where %autorelease is what Macros
	// makes of it.
	Release string
	// Error is one line.
	Error string
}

// Macros are the macros, as rpm's --define takes them, that a spec must be
// evaluated with: %autorelease tells its options, %autochangelog is nothing.
// The others are as in rpmautospec: what old specs take for granted.
var Macros = []string{
	"autorelease(e:s:pb:n) E%{?-e*}_S%{?-s*}_P%{?-p:1}%{!?-p:0}_B%{?-b*}",
	"autochangelog %{nil}",
	"_invalid_encoding_terminates_build 0",
	"__python /usr/bin/python3",
	"python_sitelib /usr/lib/python3/site-packages",
}

// options are what is given to %autorelease.
type options struct {
	extraVersion, snapshot string
	prerelease             bool
	base                   int
}

// optionsForm is what Macros makes of %autorelease.
var optionsForm = regexp.MustCompile(`^E([^_]*)_S([^_]*)_P([01])_B([0-9]*)$`)

// options reads the options out of the release. A release that is more than
// %autorelease tells none.
func (v Version) options() options {
	m := optionsForm.FindStringSubmatch(v.Release)
	if m == nil {
		return options{base: 1}
	}
	o := options{extraVersion: m[1], snapshot: m[2], prerelease: m[3] == "1", base: 1}
	if m[4] != "" {
		o.base, _ = strconv.Atoi(m[4]) // 0 for what no release can be
	}
	return o
}

// complete is the release with a number, as entries of the changelog name it:
// without the distribution.
func (o options) complete(number int) string {
	var text strings.Builder
	if o.prerelease {
		text.WriteString("0.")
	}
	text.WriteString(strconv.Itoa(number + o.base - 1))
	for _, part := range []string{o.extraVersion, o.snapshot} {
		if part != "" {
			text.WriteString("." + part)
		}
	}
	return text.String()
}
