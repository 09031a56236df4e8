package tagview

import (
	"fmt"
	"slices"

	"github.com/distbot/distbot/internal/rpmfile"
)

// note gathers the surprising rules that apply.
func (x *explainer) note() {
	x.noteVersions()
	x.noteFilters()
	x.noteOwners()
	for _, t := range x.Tags {
		if t.Again && t.Builds > 0 {
			x.noteOnce("The walk visits %s more than once: a list of all builds has those of %s as often, the list of the latest once.", t.Tag, t.Tag)
		}
	}
}

func (x *explainer) noteOnce(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(x.Notes, text) {
		x.Notes = append(x.Notes, text)
	}
}

// noteVersions says so when an older version wins.
func (x *explainer) noteVersions() {
	var winner, highest *Candidate
	for i := range x.Builds {
		c := &x.Builds[i]
		if c.Wins {
			winner = c
		}
		if c.Counts && (highest == nil || rpmfile.CompareEVR(evr(*highest), evr(*c)) < 0) {
			highest = c
		}
	}
	if winner != nil && rpmfile.CompareEVR(evr(*winner), evr(*highest)) < 0 {
		x.noteOnce("%s wins over %s although its version is lower: the nearest tag wins, then what was tagged last. Versions are never compared.",
			winner.NVR, highest.NVR)
	}
}

func evr(c Candidate) rpmfile.NEVRA {
	return rpmfile.NEVRA{Epoch: int(c.Epoch), Version: c.Version, Release: c.Release}
}

// noteFilters says so when builds come from a tag whose list a filter hides.
func (x *explainer) noteFilters() {
	if !x.Listed {
		return
	}
	for i, t := range x.Tags {
		if t.Stop == nil || t.Builds == 0 || x.passesElsewhere(t.id) {
			continue
		}
		x.noteOnce("Builds in %s count although the filter %q of the link %s -> %s does not match %s: filters apply to package lists, and the entry in %s lists it.",
			t.Tag, x.Tags[i].Stop.Filter, t.Stop.Child, t.Stop.Parent, x.Package, x.Entry.Tag)
	}
}

// passesElsewhere reports whether another way to a tag lets the package through.
func (x *explainer) passesElsewhere(tag int64) bool {
	return slices.ContainsFunc(x.visits[tag], func(at int) bool { return x.Tags[at].Stop == nil })
}

// noteOwners says so where a nearer tag names an owner in vain.
func (x *explainer) noteOwners() {
	if x.Entry == nil {
		return
	}
	for _, t := range x.Tags {
		if t.Decides {
			return
		}
		if owner := x.owners[t.id]; owner != "" && owner != x.Entry.Owner {
			x.noteOnce("%s names %s as owner, which has no effect: the entry in %s decides, and its owner is %s.", t.Tag, owner, x.Entry.Tag, x.Entry.Owner)
		}
	}
}
