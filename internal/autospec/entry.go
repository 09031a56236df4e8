package autospec

import (
	"strings"
	"time"
)

// unresolvable is the item of a merge whose parents differ from it: nobody can
// say which of their changes it has.
const unresolvable = "RPMAUTOSPEC: unresolvable merge"

// maxAuthor is the most bytes of an author that are listed.
const maxAuthor = 1000

// heading is the first line of an entry: date, author, version and release. The
// date is UTC's; version and release are left out where the spec can't be
// parsed.
func heading(commit Commit, version, release string) string {
	author := clean(commit.Author[:min(len(commit.Author), maxAuthor)])
	author = strings.Join(strings.FieldsFunc(author, isSpace), " ")
	text := "* " + time.Unix(commit.Time, 0).UTC().Format("Mon Jan 02 2006") + " " + author
	if version != "" {
		text += " - " + clean(version+"-"+release)
	}
	return text
}

// entry is an entry of the changelog, with no line break after it.
func entry(commit Commit, version, release string) string {
	return withItems(heading(commit, version, release), items(commit.Message))
}

// withItems joins the heading and the items of an entry.
func withItems(heading string, items []string) string {
	text := []string{heading}
	for _, item := range items {
		text = append(text, wrap("- "+item))
	}
	return strings.Join(text, "\n")
}
