package distgit

import (
	"cmp"
	"fmt"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
)

// chainStep is what comes next of a chain: one of its fields is set, or nothing
// is to be done.
type chainStep struct {
	failed string // why
	start  int32  // a group
	done   bool
	waits  string // for what, when that is new
}

// nextStep decides by the builds of a chain, of which one group is being built.
// A failed build stops the chain: what was begun with it goes on, nothing else
// begins.
func nextStep(chain db.Chain, builds []db.ChainBuildsRow) chainStep {
	last := chain.CurrentGroup == builds[len(builds)-1].GroupNumber
	complete, tagged, inBuildRepo, inDestRepo := true, true, true, true
	kept := "" // a repository that lacks a build, and who or what keeps it so
	for _, b := range builds {
		if b.GroupNumber != chain.CurrentGroup || b.BuildID == nil {
			continue
		}
		if why := whyFailed(chain, b); why != "" {
			return chainStep{failed: why}
		}
		complete = complete && b.BuildState == queue.BuildComplete
		tagged = tagged && b.Tagged
		inBuildRepo, inDestRepo = inBuildRepo && b.InBuildRepo, inDestRepo && b.InDestRepo
		switch {
		case !b.InBuildRepo && b.BuildRepoKept != "":
			kept = b.BuildRepoKept
		case last && !b.InDestRepo && b.DestRepoKept != "":
			kept = b.DestRepoKept
		}
	}
	switch {
	case !complete:
		return chainStep{}
	case chain.Scratch:
		return chainStep{done: true}
	case !tagged:
		return chainStep{waits: "waiting for builds to be tagged"}
	case last && (!chain.WaitRepo || inBuildRepo && inDestRepo):
		return chainStep{done: true}
	case !last && inBuildRepo:
		return chainStep{start: chain.CurrentGroup + 1}
	}
	waits := fmt.Sprintf("waiting for the repository that holds the builds of group %d", chain.CurrentGroup)
	if kept != "" {
		waits += ": that of " + kept
	}
	return chainStep{waits: waits}
}

// whyFailed says why a chain can't go on with a build; empty if it can.
func whyFailed(chain db.Chain, b db.ChainBuildsRow) string {
	name := cmp.Or(b.PlannedNvr, b.Asked)
	if b.Nvr != nil {
		name = *b.Nvr
	}
	switch {
	case b.BuildState == queue.BuildFailed || b.BuildState == queue.BuildCanceled || b.BuildState == queue.BuildDeleted:
		return fmt.Sprintf("build %d, %s, is %s: %s", *b.BuildID, name, b.BuildState, b.BuildReason)
	case b.BuildState == queue.BuildComplete && !chain.Scratch && !b.Tagged && b.TaskState == queue.TaskFailed:
		return fmt.Sprintf("build %d: %s", *b.BuildID, b.BuildReason)
	}
	return ""
}
