package tagview

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

const (
	// mostTags and mostBuilds are how many of each a text shows that say nothing.
	mostTags   = 12
	mostBuilds = 10
)

// trailing are the spaces with which columns end.
var trailing = regexp.MustCompile(` +\n`)

// Text is the explanation for a terminal.
func (e Explanation) Text() string {
	var b strings.Builder
	b.WriteString(e.verdict() + "\n")
	b.WriteString("Why: " + e.Because + ".\n")
	e.writeTree(&b)
	e.writeBuilds(&b)
	for _, note := range e.Notes {
		b.WriteString("\nNote: " + note + "\n")
	}
	if e.LastChange != nil {
		fmt.Fprintf(&b, "\nLast change, %s:\n", when(e.LastChange.Event))
		for _, change := range shorten(e.LastChange.Changes) {
			b.WriteString("  " + change + "\n")
		}
	}
	e.writeAdvice(&b)
	return trailing.ReplaceAllString(b.String(), "\n")
}

// verdict is the answer in a line.
func (e Explanation) verdict() string {
	at := ""
	if e.AtEvent != 0 {
		at = fmt.Sprintf(" as of event %d", e.AtEvent)
	}
	subject := "package " + e.Package
	if e.Build != nil {
		subject = e.Build.NVR
	}
	switch {
	case e.Latest:
		return fmt.Sprintf("YES: %s is in %s%s.", subject, e.Tag, at)
	case e.Tagged:
		return fmt.Sprintf("NO: %s is tagged, but is not the latest in %s%s.", subject, e.Tag, at)
	case e.Listed && e.Build == nil:
		return fmt.Sprintf("NO: %s is listed in %s%s, but has no build there.", subject, e.Tag, at)
	}
	return fmt.Sprintf("NO: %s is not in %s%s.", subject, e.Tag, at)
}

// shorten cuts a list of texts that is too long to be read.
func shorten(texts []string) []string {
	if len(texts) > mostBuilds {
		return append(slices.Clone(texts[:mostBuilds-1]), fmt.Sprintf("and %d more", len(texts)-mostBuilds+1))
	}
	return texts
}

// writeTree draws the tags as the walk meets them, of a long walk those that
// say something and the ways to them.
func (e Explanation) writeTree(b *strings.Builder) {
	b.WriteString("\nTags, nearest first:\n")
	w := tabwriter.NewWriter(b, 0, 8, 3, ' ', 0)
	t := tree{e: e, children: map[int][]int{}, shown: e.worthShowing()}
	for i, tag := range e.Tags {
		if tag.Step != nil && t.shown[i] {
			t.children[tag.Step.Before+1] = append(t.children[tag.Step.Before+1], i)
		}
	}
	t.draw(w, 0, "  ", "  ")
	w.Flush()
	if hidden := len(e.Tags) - len(t.shown); hidden > 0 {
		fmt.Fprintf(b, "  (%d more tags of the walk have nothing of it)\n", hidden)
	}
}

// worthShowing are the indexes of the tags to be drawn.
func (e Explanation) worthShowing() map[int]bool {
	shown := map[int]bool{0: true}
	skips := map[string]bool{}
	for _, s := range e.Skipped {
		skips[s.Child] = true
	}
	for i, tag := range e.Tags {
		if len(e.Tags) > mostTags && tag.Entry == nil && tag.Builds == 0 && !skips[tag.Tag] {
			continue
		}
		for at := i; at > 0; at = e.Tags[at].Step.Before + 1 {
			shown[at] = true
		}
	}
	return shown
}

type tree struct {
	e        Explanation
	children map[int][]int // by index of the tag
	shown    map[int]bool
}

// draw draws a tag and all that the walk meets behind it.
func (t tree) draw(w *tabwriter.Writer, at int, first, rest string) {
	tag := t.e.Tags[at]
	name := tag.Tag
	if tag.Step != nil && tag.Step.flags() != "" {
		name += " (" + tag.Step.flags() + ")"
	}
	fmt.Fprintf(w, "%s%s\t%s\n", first, name, t.e.says(tag))
	var skipped []SkippedLink
	for _, s := range t.e.Skipped {
		if s.Child == tag.Tag && !tag.Again {
			skipped = append(skipped, s)
		}
	}
	lines := len(t.children[at]) + len(skipped)
	branch := func(i int) (string, string) {
		if i == lines-1 {
			return rest + "└─ ", rest + "   "
		}
		return rest + "├─ ", rest + "│  "
	}
	for i, child := range t.children[at] {
		first, rest := branch(i)
		t.draw(w, child, first, rest)
	}
	for i, s := range skipped {
		first, _ := branch(len(t.children[at]) + i)
		fmt.Fprintf(w, "%s%s\tx  %s\n", first, s.Parent, s.says())
	}
}

// says is what a skipped link would lead to, and why it does not.
func (s SkippedLink) says() string {
	text := string(s.Reason)
	if s.Removed != nil {
		text += " " + when(*s.Removed)
	}
	if len(s.Behind) == 1 && s.Behind[0] == s.Parent {
		return text
	}
	return text + "; it would lead to " + enumerate(s.Behind)
}

// flags are a link's settings other than its priority.
func (s Step) flags() string {
	var flags []string
	if s.PkgFilter != "" {
		flags = append(flags, "filter "+s.PkgFilter)
	}
	if s.MaxDepth != nil {
		flags = append(flags, fmt.Sprintf("maxdepth %d", *s.MaxDepth))
	}
	if s.Intransitive {
		flags = append(flags, "intransitive")
	}
	return strings.Join(flags, ", ")
}

// says is what there is of the package in a tag.
func (e Explanation) says(tag ExplainedTag) string {
	var parts []string
	if tag.Entry != nil {
		text := "listed, owner " + tag.Entry.Owner
		if tag.Entry.Blocked {
			text = "blocked by " + tag.Entry.By.Actor
		}
		switch {
		case tag.Decides:
			text += "  <- decides"
		case tag.Stop != nil:
			text += fmt.Sprintf(", stopped by the filter %s of %s -> %s", tag.Stop.Filter, tag.Stop.Child, tag.Stop.Parent)
		}
		parts = append(parts, text)
	}
	switch tag.Builds {
	case 0:
	case 1:
		parts = append(parts, "1 build")
	default:
		parts = append(parts, fmt.Sprintf("%d builds", tag.Builds))
	}
	if tag.Again {
		parts = append(parts, "visited before")
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, "; ")
}

// writeBuilds lists the builds in the order in which they count.
func (e Explanation) writeBuilds(b *strings.Builder) {
	if len(e.Builds) == 0 {
		fmt.Fprintf(b, "\nBuilds: none of %s is tagged in these tags.\n", e.Package)
		return
	}
	b.WriteString("\nBuilds, the first that counts wins (nearest tag, then last tagging):\n")
	w := tabwriter.NewWriter(b, 0, 8, 3, ' ', 0)
	hidden := 0
	won := slices.ContainsFunc(e.Builds, func(c Candidate) bool { return c.Asked && c.Wins })
	for i, c := range e.Builds {
		if i >= mostBuilds && !c.Asked && !c.Wins {
			hidden++
			continue
		}
		fmt.Fprintf(w, "  %s\t%s\ttagged %s\t%s\n", c.NVR, c.Tag, when(Event{ID: c.Event, At: c.TaggedAt, Actor: c.TaggedBy}), c.says(e.Listed, won))
	}
	w.Flush()
	if hidden > 0 {
		fmt.Fprintf(b, "  and %d more\n", hidden)
	}
}

// says is what becomes of a candidate. Where the build that was asked for has
// won already, its other taggings are nothing special.
func (c Candidate) says(listed, won bool) string {
	var parts []string
	switch {
	case c.Wins:
		parts = append(parts, "<- wins")
	case c.State != stateComplete:
		parts = append(parts, c.State+", does not count")
	case !listed:
		parts = append(parts, "does not count")
	}
	if c.Asked && !won {
		parts = append(parts, "<- asked for")
	}
	return strings.Join(parts, " ")
}

func (e Explanation) writeAdvice(b *strings.Builder) {
	if len(e.Advice) == 0 {
		return
	}
	b.WriteString("\nWhat would change it:\n")
	for _, a := range e.Advice {
		fmt.Fprintf(b, "  %s\n      %s\n", a.Command, a.Effect)
	}
}
