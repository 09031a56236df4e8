package tagview

import (
	"context"
	"time"
)

// Explanation says whether a package, or one build of it, is in a tag, and why.
type Explanation struct {
	Tag string `json:"tag"`
	// AtEvent is the moment it is about, 0 for now.
	AtEvent int64  `json:"event,omitempty"`
	Package string `json:"package"`
	// Build is the build that was asked for, nil when a package was.
	Build *ExplainedBuild `json:"build,omitempty"`

	// Listed says that builds of the package may appear in the tag: the package
	// is listed and not blocked.
	Listed bool `json:"listed"`
	// Tagged says that the tag has the build, or any build of the package, itself
	// or by inheritance.
	Tagged bool `json:"tagged"`
	// Latest says that the tag's repository has it: of all builds it is the one
	// that wins.
	Latest bool `json:"latest"`
	// Reason and Because say why, the latter in a sentence.
	Reason  Reason `json:"reason"`
	Because string `json:"because"`

	// Entry is the entry of a package list that decides, nil if there is none.
	Entry *ExplainedEntry `json:"entry"`
	// Tags are the tag and those it inherits from, in the order of the walk.
	Tags []ExplainedTag `json:"tags"`
	// Skipped are links that the walk does not follow although something of the
	// package lies behind them.
	Skipped []SkippedLink `json:"skipped,omitempty"`
	// Builds are the taggings of the package's builds, the winner first.
	Builds []Candidate `json:"builds"`
	// LastChange is what last changed something here, nil if nothing ever did.
	LastChange *LastChange `json:"last_change"`
	// Notes are rules that surprise, where they apply here.
	Notes []string `json:"notes,omitempty"`
	// Advice says what would change the answer.
	Advice []Advice `json:"advice,omitempty"`
}

// Reason is why something is in a tag, or is not.
type Reason string

// The reasons.
const (
	// ReasonLatest: it is there, and is the latest.
	ReasonLatest Reason = "latest"
	// ReasonNearer and ReasonTaggedLater: another build wins, for its tag is
	// nearer, or because it was tagged later into the same one.
	ReasonNearer      Reason = "another build is nearer"
	ReasonTaggedLater Reason = "another build was tagged later"
	// ReasonNotComplete: only complete builds count.
	ReasonNotComplete Reason = "not complete"
	// ReasonUntagged and ReasonNotTagged: the build was, or was never, tagged
	// into one of these tags.
	ReasonUntagged  Reason = "untagged"
	ReasonNotTagged Reason = "not tagged"
	// ReasonNoBuild: the package is listed but has no build here.
	ReasonNoBuild Reason = "no build"
	// ReasonNotListed, ReasonBlocked and ReasonFiltered are about the package.
	ReasonNotListed Reason = "not listed"
	ReasonBlocked   Reason = "blocked"
	ReasonFiltered  Reason = "filtered"
	// ReasonNotInherited: it is in a tag that a link leads to which the walk does
	// not follow.
	ReasonNotInherited Reason = "not inherited"
	// ReasonLinkRemoved: it is in a tag that was inherited from until the link
	// was removed.
	ReasonLinkRemoved Reason = "link removed"
)

// ExplainedBuild is the build that was asked for.
type ExplainedBuild struct {
	ID    int64  `json:"build_id"`
	NVR   string `json:"nvr"`
	State string `json:"state"`
	// Elsewhere are tags that have it and that the tag does not inherit from.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// ExplainedEntry is an entry of a package list, with who made it.
type ExplainedEntry struct {
	Tag     string `json:"tag"`
	Blocked bool   `json:"blocked"`
	Owner   string `json:"owner"`
	By      Event  `json:"by"`

	tagID int64
}

// ExplainedTag is a tag as the walk meets it, the first one the tag itself.
type ExplainedTag struct {
	Tag string `json:"tag"`
	// Step is how the walk came here, nil for the first.
	Step *Step `json:"step,omitempty"`
	// Stop is the filter that does not let the package's list entry through, nil
	// if none does.
	Stop *Stop `json:"stop,omitempty"`
	// Entry is what the tag's own list says of the package.
	Entry *ExplainedEntry `json:"entry,omitempty"`
	// Decides says that it is this entry that counts.
	Decides bool `json:"decides,omitempty"`
	// Builds is how many of the package's builds are tagged here.
	Builds int `json:"builds"`
	// Again says that the walk was here before.
	Again bool `json:"again,omitempty"`

	id int64
}

// Stop is a filter that stops the package, and the link that has it.
type Stop struct {
	Filter string `json:"filter"`
	Child  string `json:"child"`
	Parent string `json:"parent"`
}

// SkippedLink is a link that the walk does not follow.
type SkippedLink struct {
	Child  string      `json:"child"`
	Parent string      `json:"parent"`
	Reason PruneReason `json:"reason"`
	// Removed is the event that removed the link, nil when it is there.
	Removed *Event `json:"removed,omitempty"`
	// Behind are the tags with entries or builds that it would lead to.
	Behind []string `json:"behind"`
}

// PrunedRemoved says that there is no such link any more.
const PrunedRemoved PruneReason = "the link was removed"

// Candidate is a build in one of the tags.
type Candidate struct {
	Build
	// Counts says that it may win: it is complete, and its package is listed.
	Counts bool `json:"counts"`
	// Wins says that it does.
	Wins bool `json:"wins"`
	// Asked says that it is the build that was asked for.
	Asked bool `json:"asked,omitempty"`

	position int // of the tag in the walk
}

// LastChange is the event that changed something here last.
type LastChange struct {
	Event
	// Changes are what it did that matters here.
	Changes []string `json:"changes"`
}

// Advice is a command that would change the answer.
type Advice struct {
	Command string `json:"command"`
	Effect  string `json:"effect"`
}

// Explain says whether a subject is in a tag and why: a package by its name, or
// a build by its NVR. A subject that is both is a package. The tag may be
// unknown, which is ErrNoTag, and the subject, ErrNoSubject.
func (r Reader) Explain(ctx context.Context, tagName, subject string) (Explanation, error) {
	x := &explainer{r: r, skippedBy: -1, Explanation: Explanation{Tag: tagName, AtEvent: r.At.Event(), Tags: []ExplainedTag{}, Builds: []Candidate{}}}
	for _, read := range []func(context.Context) error{
		func(ctx context.Context) error { return x.readTag(ctx, tagName) },
		func(ctx context.Context) error { return x.readSubject(ctx, subject) },
		x.readWalk, x.readFormerLinks, x.readEntries, x.readBuilds, x.readTaggings,
	} {
		if err := read(ctx); err != nil {
			return Explanation{}, err
		}
	}
	x.skip()
	if err := x.decide(); err != nil {
		return Explanation{}, err
	}
	if err := x.readLastChange(ctx); err != nil {
		return Explanation{}, err
	}
	x.note()
	x.advise()
	return x.Explanation, nil
}

// explainer gathers what an explanation is made of.
type explainer struct {
	Explanation
	r     Reader
	tag   Tag
	pkgID int64

	graph  Graph
	steps  []Step
	pruned []Pruned
	// visits are the positions in the walk of each tag of it, the tag itself at
	// 0, its first step at 1.
	visits map[int64][]int
	names  map[int64]string // of all tags that links lead to

	entries map[int64]ExplainedEntry // by tag, of those beyond the walk, too
	owners  map[int64]string         // owners without an entry, by tag
	beyond  map[int64]bool           // tags beyond the walk that have something
	former  []formerLink
	// formerEntry is the entry that was removed last of all lists of the walk, nil
	// where there was none; By is the event that removed it.
	formerEntry *ExplainedEntry
	// completeBeyond are the tags beyond the walk that have complete builds.
	completeBeyond map[int64]bool
	// skippedBy is the index of the skipped link that is the reason, -1 when none
	// is; holder the tag that has what is missing, behind that link or a filter.
	skippedBy int
	holder    int64
	history   []buildTagging // of the build that was asked for
}

// formerLink is a link of a tag of the walk that was removed.
type formerLink struct {
	Child, Parent         int64
	ChildName, ParentName string
	Event                 // that removed it
}

// buildTagging is one time that the build asked for was in a tag.
type buildTagging struct {
	Tag     int64
	Name    string
	Valid   bool
	Removed int64
	At      *time.Time
	Actor   string
}
