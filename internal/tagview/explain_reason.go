package tagview

import (
	"fmt"
	"slices"
	"strings"
)

// decide finds the entry that decides, the build that wins, and the reason.
func (x *explainer) decide() error {
	match := filters{}
	for i := range x.Tags {
		t := &x.Tags[i]
		if t.Step != nil {
			var err error
			if t.Stop, err = match.pass(x.Package, x.steps, i-1); err != nil {
				return err
			}
		}
		if t.Entry != nil && t.Stop == nil && x.Entry == nil {
			t.Decides, x.Entry, x.Listed = true, t.Entry, !t.Entry.Blocked
		}
	}
	winner := x.pickWinner()
	if x.Build != nil {
		x.decideBuild(winner)
		return nil
	}
	switch {
	case !x.Listed:
		x.decideUnlisted()
	case winner == nil:
		x.decideNoBuild()
	default:
		x.Tagged, x.Latest = true, true
		x.because(ReasonLatest, "%s is the latest build, %s", winner.NVR, x.taggedInto(*winner))
	}
	return nil
}

func (x *explainer) because(reason Reason, format string, args ...any) {
	x.Reason, x.Because = reason, fmt.Sprintf(format, args...)
}

// pickWinner orders the candidates as they count and marks what each is.
func (x *explainer) pickWinner() *Candidate {
	var winner *Candidate
	for i := range x.Builds {
		c := &x.Builds[i]
		c.Counts = x.Listed && c.State == stateComplete
		c.Asked = x.Build != nil && c.ID == x.Build.ID
		if c.Counts && winner == nil {
			c.Wins, winner = true, c
		}
	}
	return winner
}

// stateComplete is the only state of builds that count.
const stateComplete = "COMPLETE"

// decideBuild says why the build that was asked for is the latest or not.
func (x *explainer) decideBuild(winner *Candidate) {
	at := slices.IndexFunc(x.Builds, func(c Candidate) bool { return c.Asked })
	switch {
	case x.Build.State != stateComplete:
		x.because(ReasonNotComplete, "the build is %s: only complete builds count", x.Build.State)
	case !x.Listed:
		x.decideUnlisted()
	case at < 0:
		x.decideUntagged()
	default:
		x.Tagged = true
		asked := x.Builds[at]
		switch {
		case asked.Wins:
			x.Latest = true
			x.because(ReasonLatest, "it is the latest build, %s", x.taggedInto(asked))
		case winner.position < asked.position:
			x.because(ReasonNearer, "%s wins: its tag %s is nearer than %s", winner.NVR, winner.Tag, asked.Tag)
		default:
			x.because(ReasonTaggedLater, "%s wins: it was tagged into %s later, %s", winner.NVR, winner.Tag, when(Event{ID: winner.Event, At: winner.TaggedAt, Actor: winner.TaggedBy}))
		}
	}
}

// taggedInto says how far away a candidate is.
func (x *explainer) taggedInto(c Candidate) string {
	by := when(Event{ID: c.Event, At: c.TaggedAt, Actor: c.TaggedBy})
	if c.position == 0 {
		return fmt.Sprintf("tagged into %s itself %s", c.Tag, by)
	}
	return fmt.Sprintf("inherited from %s, tagged there %s", c.Tag, by)
}

// when says who did something, when, in which event.
func when(e Event) string {
	return fmt.Sprintf("by %s, %s (event %d)", e.Actor, e.At.UTC().Format("2006-01-02 15:04:05"), e.ID)
}

// decideUnlisted says why no build of the package may appear.
func (x *explainer) decideUnlisted() {
	if x.Entry != nil {
		where := x.Entry.Tag
		if x.Entry.tagID != x.tag.ID {
			where += ", which it inherits from"
		}
		x.because(ReasonBlocked, "the package is blocked in %s, %s", where, when(x.Entry.By))
		return
	}
	for _, t := range x.Tags {
		if t.Entry != nil && t.Stop != nil && !t.Entry.Blocked {
			x.holder = t.id
			x.because(ReasonFiltered, "%s lists the package, but the filter %q of the link %s -> %s does not match its name",
				t.Tag, t.Stop.Filter, t.Stop.Child, t.Stop.Parent)
			return
		}
	}
	lists := func(tag int64) bool {
		entry, ok := x.entries[tag]
		return ok && !entry.Blocked
	}
	if x.decideSkipped("lists the package", lists) {
		return
	}
	text := x.Tag + " does not list the package"
	if len(x.steps) > 0 {
		text = "neither " + x.Tag + " nor a tag it inherits from lists the package"
	}
	if e := x.formerEntry; e != nil {
		text += fmt.Sprintf("; %s did until its entry was removed %s", e.Tag, when(e.By))
	}
	x.because(ReasonNotListed, "%s", text)
}

// decideUntagged says why the build is in none of the tags although it might.
func (x *explainer) decideUntagged() {
	tagged := func(tag int64) bool {
		return slices.ContainsFunc(x.history, func(h buildTagging) bool { return h.Valid && h.Tag == tag })
	}
	if x.decideSkipped("has the build", tagged) {
		return
	}
	var last *buildTagging
	for i, h := range x.history {
		if len(x.visits[h.Tag]) > 0 && !h.Valid && (last == nil || h.Removed > last.Removed) {
			last = &x.history[i]
		}
	}
	if last != nil && last.At != nil {
		x.because(ReasonUntagged, "it was untagged from %s %s", last.Name, when(Event{ID: last.Removed, At: *last.At, Actor: last.Actor}))
		return
	}
	text := "it is not tagged into " + x.Tag
	if len(x.steps) > 0 {
		text += ", nor into any tag it inherits from"
	}
	if len(x.Build.Elsewhere) > 0 {
		text += ", only into " + enumerate(x.Build.Elsewhere)
	}
	x.because(ReasonNotTagged, "%s", text)
}

// decideNoBuild says that there is no build, and which tags would have some.
func (x *explainer) decideNoBuild() {
	text := "the package is listed, but no complete build of it is tagged into " + x.Tag
	if len(x.steps) > 0 {
		text += " or a tag it inherits from"
	}
	if x.findSkipped(func(tag int64) bool { return x.completeBeyond[tag] }) {
		text += "; " + x.skippedText("has builds of it")
	}
	x.because(ReasonNoBuild, "%s", text)
}

// decideSkipped looks whether a link that is not followed, or was removed, leads
// to a tag that has what is missing.
func (x *explainer) decideSkipped(has string, holds func(tag int64) bool) bool {
	if !x.findSkipped(holds) {
		return false
	}
	reason := ReasonNotInherited
	if x.Skipped[x.skippedBy].Removed != nil {
		reason = ReasonLinkRemoved
	}
	x.because(reason, "%s", x.skippedText(has))
	return true
}

// findSkipped looks for a skipped link that leads to a tag that has something,
// and for the nearest such tag.
func (x *explainer) findSkipped(holds func(tag int64) bool) bool {
	for i, s := range x.Skipped {
		for _, name := range s.Behind {
			if id := x.idOf(name); holds(id) {
				x.skippedBy, x.holder = i, id
				return true
			}
		}
	}
	return false
}

// skippedText says what the holder has and why it does not count.
func (x *explainer) skippedText(has string) string {
	s := x.Skipped[x.skippedBy]
	if s.Removed != nil {
		return fmt.Sprintf("%s %s, but the link %s -> %s was removed %s", x.names[x.holder], has, s.Child, s.Parent, when(*s.Removed))
	}
	return fmt.Sprintf("%s %s, but the link %s -> %s does not count here: %s", x.names[x.holder], has, s.Child, s.Parent, s.Reason)
}

func (x *explainer) idOf(name string) int64 {
	for id, n := range x.names {
		if n == name {
			return id
		}
	}
	return 0
}

// enumerate is "a, b and c", of many names the first few.
func enumerate(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
