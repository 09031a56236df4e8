package distgit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

func TestPlanOfWhatTheDestinationDoesNotTake(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, want string }{
		"a package that is not listed is refused": {
			"update tag_packages set revoke_event = create_event",
			"package hello is not listed in tag f37: distbot tag add-pkg --owner NAME f37 hello",
		},
		"a blocked package is refused":   {"update tag_packages set blocked = true", "package hello is blocked in tag f37"},
		"a locked tag refuses":           {"update tag_config set locked = true", "tag f37 is locked"},
		"a tag that was removed refuses": {"update tag_config set revoke_event = create_event where tag_id = (select id from tags where name = 'f37')", "the destination tag was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.work()
			o, commit := h.hello("f37")
			queuetest.Exec(t, h.pool, test.change)
			if got, want := h.planned(h.pushed(o, "refs/heads/f37", commit)), "planned: refused: "+test.want; got != want {
				t.Errorf("the delivery is %q, want %q", got, want)
			}
			if diff := cmp.Diff([]string{"distbot/f37 failure: " + test.want}, h.statuses(commit)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if len(h.builds()) != 0 {
				t.Errorf("builds %v, want none", h.builds())
			}
		})
	}
}
