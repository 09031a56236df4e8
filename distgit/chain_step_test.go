package distgit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/db"
)

func TestNextStep(t *testing.T) {
	t.Parallel()
	id, nvr := int64(7), "hello-1-1"
	// row is a build of a chain that began, in a state.
	row := func(group int32, state string, change ...func(*db.ChainBuildsRow)) db.ChainBuildsRow {
		b := db.ChainBuildsRow{GroupNumber: group, Asked: "hello", BuildID: &id, Nvr: &nvr, BuildState: state, TaskState: "OPEN"}
		for _, c := range change {
			c(&b)
		}
		return b
	}
	tagged := func(b *db.ChainBuildsRow) { b.Tagged = true }
	built := func(b *db.ChainBuildsRow) { b.Tagged, b.InBuildRepo = true, true }
	there := func(b *db.ChainBuildsRow) { b.Tagged, b.InBuildRepo, b.InDestRepo = true, true, true }
	held := func(b *db.ChainBuildsRow) {
		b.Tagged, b.BuildRepoKept, b.DestRepoKept = true, "f37-build is held by pat", "f37 is held by kim"
	}
	heldDest := func(b *db.ChainBuildsRow) { held(b); b.InBuildRepo = true }
	later := db.ChainBuildsRow{GroupNumber: 2, Asked: "world"}
	waiting := "waiting for the repository that holds the builds of group 1"
	for name, c := range map[string]struct {
		chain  db.Chain
		builds []db.ChainBuildsRow
		want   chainStep
	}{
		"A build that runs is waited for": {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "BUILDING"), row(1, "COMPLETE", there), later}, chainStep{}},
		"A failed build stops the chain at once, others or not": {
			db.Chain{CurrentGroup: 1},
			[]db.ChainBuildsRow{row(1, "BUILDING"), row(1, "FAILED", func(b *db.ChainBuildsRow) { b.BuildReason = "no gcc" }), later},
			chainStep{failed: "build 7, hello-1-1, is FAILED: no gcc"},
		},
		"A canceled build stops the chain": {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "CANCELED")}, chainStep{failed: "build 7, hello-1-1, is CANCELED: "}},
		"A build that its destination does not take stops the chain": {
			db.Chain{CurrentGroup: 1},
			[]db.ChainBuildsRow{row(1, "COMPLETE", func(b *db.ChainBuildsRow) { b.TaskState, b.BuildReason = "FAILED", "hello is blocked" }), later},
			chainStep{failed: "build 7: hello is blocked"},
		},
		"A complete build is waited for until it is tagged":           {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE"), later}, chainStep{waits: "waiting for builds to be tagged"}},
		"The next group waits for the repository of the build tag":    {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE", tagged), later}, chainStep{waits: waiting}},
		"The next group waits for every build of the one before":      {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE", built), row(1, "COMPLETE", tagged), later}, chainStep{waits: waiting}},
		"The next group begins when the repository holds the former":  {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE", built), later}, chainStep{start: 2}},
		"The last group ends the chain with its tagging":              {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE", tagged)}, chainStep{done: true}},
		"A chain that waits for repositories waits for the build tag": {db.Chain{CurrentGroup: 1, WaitRepo: true}, []db.ChainBuildsRow{row(1, "COMPLETE", tagged)}, chainStep{waits: waiting}},
		"… and for the destination":                                   {db.Chain{CurrentGroup: 1, WaitRepo: true}, []db.ChainBuildsRow{row(1, "COMPLETE", built)}, chainStep{waits: waiting}},
		"A repository that is held is named":                          {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE", held), later}, chainStep{waits: waiting + ": that of f37-build is held by pat"}},
		"A repository that can't be made is named, with why": {
			db.Chain{CurrentGroup: 1},
			[]db.ChainBuildsRow{row(1, "COMPLETE", func(b *db.ChainBuildsRow) {
				b.Tagged, b.BuildRepoKept = true, "f37-build can't be made: closure: a requires b"
			}), later},
			chainStep{waits: waiting + ": that of f37-build can't be made: closure: a requires b"},
		},
		"A held destination is nothing to a group that is not the last": {db.Chain{CurrentGroup: 1}, []db.ChainBuildsRow{row(1, "COMPLETE", heldDest), later}, chainStep{start: 2}},
		"A held destination is named to who waits for it":               {db.Chain{CurrentGroup: 1, WaitRepo: true}, []db.ChainBuildsRow{row(1, "COMPLETE", heldDest)}, chainStep{waits: waiting + ": that of f37 is held by kim"}},
		"… and ends with both":                                          {db.Chain{CurrentGroup: 1, WaitRepo: true}, []db.ChainBuildsRow{row(1, "COMPLETE", there)}, chainStep{done: true}},
		"A scratch build ends when it is complete":                      {db.Chain{CurrentGroup: 1, Scratch: true}, []db.ChainBuildsRow{row(1, "COMPLETE")}, chainStep{done: true}},
		"Builds of earlier groups are of no concern":                    {db.Chain{CurrentGroup: 2}, []db.ChainBuildsRow{row(1, "DELETED"), row(2, "COMPLETE", tagged)}, chainStep{done: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, nextStep(c.chain, c.builds), cmp.AllowUnexported(chainStep{})); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
		})
	}
}
