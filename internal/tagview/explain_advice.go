package tagview

import (
	"fmt"
	"slices"
	"strings"
)

// advise says what would change the answer. There is nothing to say of what is
// there.
func (x *explainer) advise() {
	switch x.Reason {
	case ReasonBlocked:
		x.advice(x.command("unblock-pkg", x.Tag, x.Package), "opens it in %s and for all that inherit from it", x.Tag)
		if x.Entry.Tag != x.Tag {
			x.advice(x.command("unblock-pkg", x.Entry.Tag, x.Package), "opens it in %s and for all that inherit from that", x.Entry.Tag)
		}
		x.adviseTagging()
	case ReasonFiltered:
		x.adviseListing()
		x.adviseWay(x.holder, nil)
	case ReasonNotListed:
		x.adviseListing()
	case ReasonNotInherited, ReasonLinkRemoved:
		x.adviseLink()
	case ReasonNoBuild:
		if x.skippedBy >= 0 {
			x.adviseWay(x.holder, x.formerSkipped())
		}
		x.advice(x.command("build", x.Tag, "NVR"), "tags a complete build of %s", x.Package)
	case ReasonNotTagged, ReasonUntagged:
		x.advice(x.command("build", x.Tag, x.Build.NVR), "tags it")
	case ReasonNearer, ReasonTaggedLater:
		x.adviseOther()
	case ReasonNotComplete:
		x.adviseBuilding()
	}
	if x.tag.Locked && len(x.Advice) > 0 {
		x.advice(x.command("edit", x.Tag, "--unlock"), "comes first: %s is locked, no build can be tagged or untagged there", x.Tag)
	}
}

func (x *explainer) advice(command, effect string, args ...any) {
	x.Advice = append(x.Advice, Advice{Command: command, Effect: fmt.Sprintf(effect, args...)})
}

// command is a command of the group tag.
func (x *explainer) command(verb string, args ...string) string {
	return "distbot tag " + verb + " " + strings.Join(args, " ")
}

// adviseBuilding says how there will be a complete build. One that runs needs
// nothing.
func (x *explainer) adviseBuilding() {
	switch x.Build.State {
	case "BUILDING":
	case "DELETED": // Its NVR is never used again.
		x.advice("git push", "push the package again, with a higher release: it is built as another build")
	default:
		x.advice("git push", "push the package again, corrected: it is built again")
		x.advice(fmt.Sprintf("distbot build retry %d", x.Build.ID), "builds the same commit again, when the cause was not in it")
	}
}

// adviseListing says how the package comes on a list, and a build into the tag.
func (x *explainer) adviseListing() {
	x.advice(x.command("add-pkg", x.Tag, x.Package, "--owner USER"), "lists it in %s itself, where no filter applies", x.Tag)
	x.adviseTagging()
}

// adviseTagging says that a build is to be tagged, too, where there is none.
func (x *explainer) adviseTagging() {
	if !x.hasBuild() {
		x.Advice = append(x.Advice, x.tagging("then"))
	}
}

// hasBuild reports whether a complete build of the package, or the build that
// was asked for, is in one of the tags of the walk.
func (x *explainer) hasBuild() bool {
	return slices.ContainsFunc(x.Builds, func(c Candidate) bool { return c.State == stateComplete && (x.Build == nil || c.Asked) })
}

// tagging is the advice to tag the build that was asked for, or any.
func (x *explainer) tagging(before string) Advice {
	if x.Build != nil {
		return Advice{x.command("build", x.Tag, x.Build.NVR), before + " tags the build"}
	}
	return Advice{x.command("build", x.Tag, "NVR"), before + " tags a complete build of " + x.Package}
}

// adviseLink says how to inherit what is not inherited.
func (x *explainer) adviseLink() {
	x.adviseWay(x.holder, x.formerSkipped())
	if x.Listed {
		x.advice(x.command("build", x.Tag, x.Build.NVR), "tags the build into %s itself", x.Tag)
		return
	}
	x.adviseListing()
}

// formerSkipped is the link that is the reason when it was removed.
func (x *explainer) formerSkipped() *SkippedLink {
	if s := &x.Skipped[x.skippedBy]; s.Removed != nil {
		return s
	}
	return nil
}

// adviseWay says how to inherit from a tag, if changed links do that.
func (x *explainer) adviseWay(holder int64, former *SkippedLink) {
	x.Advice = append(x.Advice, x.remedy(holder, former)...)
}

// adviseOther says how the build that was asked for wins.
func (x *explainer) adviseOther() {
	var winner Candidate
	here := false
	for _, c := range x.Builds {
		if c.Wins {
			winner = c
		}
		here = here || c.Asked && c.position == 0
	}
	if here {
		x.advice(x.command("build", x.Tag, x.Build.NVR, "--force"), "tags it anew, so that it is the last")
	} else {
		x.advice(x.command("build", x.Tag, x.Build.NVR), "tags it into %s itself, so that it is the nearest and the last", x.Tag)
	}
	x.advice(x.command("untag", winner.Tag, winner.NVR), "takes the build away that wins")
}
