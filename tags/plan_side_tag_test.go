package tags_test

import (
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// TestPlanLeavesSideTags: a side tag's target is in no file, and builds go on in
// it while the distribution is applied.
func TestPlanLeavesSideTags(t *testing.T) {
	t.Parallel()
	const text = `arches: [x86_64]
tags:
  f37: {}
  f37-build: {inherit: [f37]}
targets:
  f37: {build_tag: f37-build, dest_tag: f37, branches: []}
  old: {build_tag: f37-build, dest_tag: f37, branches: []}
`
	pool := dbtest.New(t)
	apply(t, pool, text)
	editor := &tags.Editor{Pool: pool, Jobs: queuetest.Inserter(t, pool)}
	var side string
	if _, err := editor.Do(t.Context(), "admin", "side tag", func(e *tags.Edit) (err error) {
		side, err = e.AddSideTag(t.Context(), "f37-build")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if steps := lines(plan(t, pool, text, false)); len(steps) != 0 {
		t.Errorf("the same file would change %q, want nothing", steps)
	}
	apply(t, pool, strings.Replace(text, "  old: {build_tag: f37-build, dest_tag: f37, branches: []}\n", "", 1))
	left := queuetest.Values[string](t, pool, "select name from build_targets where revoke_event is null order by name")
	if got := strings.Join(left, " "); got != "f37 "+side {
		t.Errorf("targets %s are left, want f37 and %s", got, side)
	}
}
