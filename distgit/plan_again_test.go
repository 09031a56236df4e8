package distgit

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

// again plans a delivery once more, as a replay does.
func (h *hub) again(delivery int64) string {
	h.t.Helper()
	queuetest.Exec(h.t, h.pool, "update deliveries set state = 'received', reason = '', finished_at = null where id = $1", delivery)
	return h.planned(delivery)
}

// outcomes lists what was planned as "TARGET OUTCOME REASON".
func (h *hub) outcomes() []string {
	h.t.Helper()
	return queuetest.Values[string](h.t, h.pool, "select target || ' ' || outcome || ' ' || reason from planned_pushes order by id")
}

func TestPlanAgain(t *testing.T) {
	t.Parallel()
	// named is a spec whose name is what the build tag says.
	named := strings.Replace(spec("hello", "1.0"), "Name: hello", "Name: %{?upstream}%{!?upstream:hello}", 1)
	setMacros := func(h *hub, extra string) {
		queuetest.Exec(h.t, h.pool, "update tags set extra = $1::jsonb where name = 'f37-build'", extra)
	}
	refusal := func(name string) string {
		return "hello.spec:1: Name is " + name + ", but the file is called hello.spec"
	}

	t.Run("builds what was refused and is not any more", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		setMacros(h, `{"rpm.macro.upstream": "other"}`)
		o := h.repository("rpms/hello")
		commit := o.change("hello.spec", named, "refs/heads/f37")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		if got, want := h.planned(delivery), "planned: refused: "+refusal("other"); got != want {
			t.Fatalf("the delivery is %q, want %q", got, want)
		}
		if got, want := h.again(delivery), "planned: refused before: "+refusal("other"); got != want {
			t.Errorf("with nothing mended the delivery is %q, want %q", got, want)
		}
		setMacros(h, `{"rpm.macro.upstream": "hello"}`)
		if got := h.again(delivery); got != "planned: build 1 for f37" {
			t.Errorf("the mended delivery is %q", got)
		}
		if diff := cmp.Diff([]string{"f37 build "}, h.outcomes()); diff != "" {
			t.Errorf("planned (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 1 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("begins no second build of a commit that came by another branch of the target", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		queuetest.Exec(h.t, h.pool, "update build_targets set branches = '{f37,f37-updates}' where name = 'f37'")
		o := h.repository("rpms/hello")
		commit := o.change("hello.spec", spec("hello", "1.0"), "refs/heads/f37")
		if got := h.planned(h.pushed(o, "refs/heads/f37", commit)); got != "planned: build 1 for f37" {
			t.Fatalf("the first push is %q", got)
		}
		second := h.pushed(o, "refs/heads/f37-updates", commit)
		for _, got := range []string{h.planned(second), h.again(second)} {
			if !strings.Contains(got, "as build 1") {
				t.Errorf("the second push is %q, want that it is build 1", got)
			}
		}
		if builds := queuetest.Values[int64](t, h.pool, "select id from builds"); len(builds) != 1 {
			t.Errorf("builds %v have begun, want one", builds)
		}
		if diff := cmp.Diff([]string{"distbot/f37 pending: build 1 is queued", "distbot/f37/srpm pending: waiting for a builder"}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("keeps the newest reason of a refusal", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		setMacros(h, `{"rpm.macro.upstream": "other"}`)
		o := h.repository("rpms/hello")
		commit := o.change("hello.spec", named, "refs/heads/f37")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		h.planned(delivery)
		setMacros(h, `{"rpm.macro.upstream": "third"}`)
		if got, want := h.again(delivery), "planned: refused: "+refusal("third"); got != want {
			t.Errorf("the delivery is %q, want %q", got, want)
		}
		if diff := cmp.Diff([]string{"f37 refused " + refusal("third")}, h.outcomes()); diff != "" {
			t.Errorf("planned (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"distbot/f37 failure: " + refusal("third")}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("says why it is refused where it could not be planned before", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		setMacros(h, `{"rpm.macro.upstream": "other"}`)
		o := h.repository("rpms/hello")
		commit := o.change("hello.spec", named, "refs/heads/f37")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		if err := os.Rename(o.bare(), o.bare()+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(o.bare(), 0o755); err != nil { // no repository
			t.Fatal(err)
		}
		if got := h.planned(delivery); !strings.HasPrefix(got, "failed: fetch rpms/hello of git: ") {
			t.Fatalf("the delivery is %s", got)
		}
		if err := errors.Join(os.Remove(o.bare()), os.Rename(o.bare()+".away", o.bare())); err != nil {
			t.Fatal(err)
		}
		if got, want := h.again(delivery), "planned: refused: "+refusal("other"); got != want {
			t.Errorf("the delivery is %q, want %q", got, want)
		}
		if diff := cmp.Diff([]string{"distbot/f37 failure: " + refusal("other")}, h.statuses(commit)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})

	t.Run("builds for a target that the branch did not have", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o, commit := h.hello("f36")
		delivery := h.pushed(o, "refs/heads/f36", commit)
		if got := h.planned(delivery); !strings.HasPrefix(got, "planned: refused: no target builds branch f36") {
			t.Fatalf("the delivery is %q", got)
		}
		queuetest.Exec(t, h.pool, `insert into build_targets (name, build_tag, dest_tag, branches, create_event)
			select 'f36', build_tag, dest_tag, '{f36}', 1 from build_targets where name = 'f37'`)
		if got := h.again(delivery); got != "planned: build 1 for f36" {
			t.Errorf("the delivery is %q", got)
		}
	})

	t.Run("leaves a build alone that would be refused now", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		h.work()
		o := h.repository("rpms/hello")
		commit := o.change("hello.spec", named, "refs/heads/f37")
		delivery := h.pushed(o, "refs/heads/f37", commit)
		h.planned(delivery)
		setMacros(h, `{"rpm.macro.upstream": "other"}`)
		if got := h.again(delivery); got != "planned: planned before, as build 1" {
			t.Errorf("the delivery is %q", got)
		}
		if diff := cmp.Diff([]string{"f37 " + commit[:7] + " BUILDING"}, h.builds()); diff != "" {
			t.Errorf("builds (-want +got):\n%s", diff)
		}
	})
}
