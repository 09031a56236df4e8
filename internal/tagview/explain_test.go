package tagview_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/tagview"
)

var update = flag.Bool("update", false, "rewrite the expected texts")

// chain is a tag f37-build that inherits from f37, which inherits from f36.
const chain = `
	tag f37-build
	tag f37
	tag f36
	link f37-build f37 0
	link f37 f36 0
`

// twoBuilds adds a package with two builds in f36.
const twoBuilds = chain + `
	list f36 foo bob
	build foo 1
	build foo 2
	in f36 foo-1-1
	in f36 foo-2-1
`

// limits are tags r1 to r4 with two limits between them.
const limits = `
	tag r1
	tag r2
	tag r3
	tag r4
	link r1 r2 0 maxdepth=0
	link r2 r3 0 intransitive
	link r3 r4 0
`

// situations are what may be asked of an explanation; the texts are in
// testdata/explain.
func situations() []situation {
	return []situation{
		{name: "package_inherited", script: twoBuilds, subject: "foo", reason: tagview.ReasonLatest},
		{name: "build_inherited", script: twoBuilds, subject: "foo-2-1", reason: tagview.ReasonLatest},
		{name: "build_in_the_tag_itself", script: twoBuilds + "bob: in f37-build foo-1-1", subject: "foo-1-1", reason: tagview.ReasonLatest},
		{name: "nearer_wins_though_older", script: twoBuilds + "bob: in f37 foo-1-1", subject: "foo-2-1", reason: tagview.ReasonNearer},
		{name: "tagged_later_wins", script: twoBuilds, subject: "foo-1-1", reason: tagview.ReasonTaggedLater},
		{name: "tagged_later_wins_though_older", script: twoBuilds + "bob: in f36 foo-1-1", subject: "foo-2-1", reason: tagview.ReasonTaggedLater},
		{name: "later_in_the_tag_itself", script: twoBuilds + "in f37-build foo-2-1\n in f37-build foo-1-1", subject: "foo-2-1", reason: tagview.ReasonTaggedLater},
		{name: "failed_build", script: twoBuilds + "build foo 3 FAILED", subject: "foo-3-1", reason: tagview.ReasonNotComplete},
		{name: "running_build", script: twoBuilds + "build foo 3 BUILDING", subject: "foo-3-1", reason: tagview.ReasonNotComplete},
		{name: "deleted_build_that_is_tagged", script: twoBuilds + "build foo 3 DELETED\n in f37 foo-3-1", subject: "foo", reason: tagview.ReasonLatest},
		{name: "untagged", script: twoBuilds + "build foo 3\n in f37 foo-3-1\n bob: out f37 foo-3-1", subject: "foo-3-1", reason: tagview.ReasonUntagged},
		{name: "never_tagged", script: twoBuilds + "build foo 3", subject: "foo-3-1", reason: tagview.ReasonNotTagged},
		{name: "tagged_elsewhere", script: twoBuilds + "build foo 3\n tag f38\n in f38 foo-3-1", subject: "foo-3-1", reason: tagview.ReasonNotTagged},
		{name: "listed_without_builds", script: chain + "list f36 foo alice", subject: "foo", reason: tagview.ReasonNoBuild},
		{name: "listed_with_a_failed_build_only", script: chain + "list f36 foo alice\n build foo 1 FAILED\n in f36 foo-1-1", subject: "foo", reason: tagview.ReasonNoBuild},
		{name: "not_listed", script: chain + "build foo 1\n in f36 foo-1-1", subject: "foo", reason: tagview.ReasonNotListed},
		{name: "not_listed_build", script: chain + "build foo 1", subject: "foo-1-1", reason: tagview.ReasonNotListed},
		{name: "removed_from_the_list", script: twoBuilds + "bob: unlist f36 foo", subject: "foo-2-1", reason: tagview.ReasonNotListed},
		{name: "blocked_here", script: twoBuilds + "bob: block f37-build foo", subject: "foo", reason: tagview.ReasonBlocked},
		{name: "blocked_by_a_parent", script: twoBuilds + "bob: block f37 foo", subject: "foo-2-1", reason: tagview.ReasonBlocked},
		{name: "blocked_by_a_parent_but_listed_here", script: twoBuilds + "bob: block f37 foo\n list f37-build foo bob", subject: "foo-2-1", reason: tagview.ReasonLatest},
		{name: "locked_tag", script: twoBuilds + "tag frozen locked\n link frozen f37 0\n build foo 3", tag: "frozen", subject: "foo-3-1", reason: tagview.ReasonNotTagged},
		{name: "filtered", script: twoBuilds + "tag extras\n link f37-build extras 5 filter=^foo\n list extras bar alice\n build bar 1\n in extras bar-1-1", subject: "bar-1-1", reason: tagview.ReasonFiltered},
		{name: "filtered_further_away", script: twoBuilds + "tag top\n link top f37-build 0 filter=^(?!foo$)", tag: "top", subject: "foo", reason: tagview.ReasonFiltered},
		{name: "own_list_passes_by_a_filter", script: twoBuilds + "tag top\n link top f37-build 0 filter=^(?!foo$)\n list top foo alice", tag: "top", subject: "foo", reason: tagview.ReasonLatest},
		{name: "intransitive", script: twoBuilds + "tag secret\n link f36 secret 0 intransitive\n list secret bar bob\n build bar 1\n in secret bar-1-1", subject: "bar-1-1", reason: tagview.ReasonNotInherited},
		{name: "maxdepth", script: chain + "tag top\n link top f37-build 0 maxdepth=1\n list f36 foo bob\n build foo 1\n in f36 foo-1-1", tag: "top", subject: "foo", reason: tagview.ReasonNotInherited},
		{name: "maxdepth_hides_the_build_only", script: chain + "tag top\n link top f37-build 0 maxdepth=1\n list f37 foo bob\n build foo 1\n in f36 foo-1-1", tag: "top", subject: "foo-1-1", reason: tagview.ReasonNotInherited},
		{name: "link_removed", script: twoBuilds + "bob: unlink f37 f36", subject: "foo-2-1", reason: tagview.ReasonLinkRemoved},
		{name: "link_removed_and_not_listed_elsewhere", script: chain + "list f37 foo bob\n build foo 1\n in f36 foo-1-1\n bob: unlink f37 f36", subject: "foo-1-1", reason: tagview.ReasonLinkRemoved},
		{name: "link_removed_to_a_tag_that_blocks", script: chain + "list f36 foo bob\n block f36 foo\n bob: unlink f37 f36", subject: "foo", reason: tagview.ReasonNotListed},
		{name: "visited_twice", script: chain + "tag side\n link f37-build side 1\n link side f36 0\n" +
			"unlink f37 f36\n link f37 f36 0 filter=^b\n list f36 foo alice\n build foo 1\n in f36 foo-1-1", subject: "foo", reason: tagview.ReasonLatest},
		{name: "owner_without_effect", script: twoBuilds + "owner f37 foo alice", subject: "foo", reason: tagview.ReasonLatest},
		{name: "in_the_past", script: twoBuilds + "bob: block f37 foo", subject: "foo", event: 10, reason: tagview.ReasonLatest},
		{name: "deleted_build", script: twoBuilds + "build foo 3 DELETED", subject: "foo-3-1", reason: tagview.ReasonNotComplete},
		{name: "two_limits", script: limits + "list r4 foo alice\n build foo 1\n in r4 foo-1-1", tag: "r1", subject: "foo-1-1", reason: tagview.ReasonNotInherited},
		{name: "two_depths", script: "tag r1\n tag r2\n tag r3\n tag r4\n link r1 r2 0 maxdepth=1\n link r2 r3 0 maxdepth=0\n link r3 r4 0\n list r4 foo alice\n" +
			"build foo 1\n in r4 foo-1-1", tag: "r1", subject: "foo", reason: tagview.ReasonNotInherited},
		{name: "depth_and_filter", script: "tag r1\n tag r2\n tag r3\n link r1 r2 0 maxdepth=0 filter=^b\n link r2 r3 0 filter=^c\n list r3 foo alice\n" +
			"build foo 1\n in r3 foo-1-1", tag: "r1", subject: "foo", reason: tagview.ReasonNotInherited},
		{name: "behind_a_limit_it_is_blocked", script: limits + "block r3 foo\n list r4 foo alice\n build foo 1\n in r4 foo-1-1", tag: "r1", subject: "foo", reason: tagview.ReasonNotInherited},
		{name: "builds_behind_a_limit", script: limits + "list r1 foo alice\n build foo 1\n in r3 foo-1-1\n in r4 foo-1-1", tag: "r1", subject: "foo", reason: tagview.ReasonNoBuild},
		{
			name: "two_filters", script: chain + "tag top\n link top f37-build 0 filter=^b\n unlink f37 f36\n link f37 f36 0 filter=^c\n list f36 foo alice\n build foo 1\n in f36 foo-1-1",
			tag: "top", subject: "foo", reason: tagview.ReasonFiltered,
		},
		{name: "listed_behind_a_limit_without_builds", script: limits + "list r3 foo alice\n build foo 1", tag: "r1", subject: "foo-1-1", reason: tagview.ReasonNotInherited},
		{name: "blocked_and_not_tagged", script: chain + "block f37 foo\n build foo 1", subject: "foo-1-1", reason: tagview.ReasonBlocked},
		{name: "loop", script: twoBuilds + "link f36 f37-build 0", subject: "foo", reason: tagview.ReasonLatest},
	}
}

type situation struct {
	name, script, tag, subject string
	event                      int64
	reason                     tagview.Reason
}

func TestExplain(t *testing.T) {
	t.Parallel()
	reasons := map[tagview.Reason]bool{}
	for _, s := range situations() {
		reasons[s.reason] = true
		t.Run(strings.ReplaceAll(s.name, "_", " "), func(t *testing.T) {
			t.Parallel()
			m := newModel(t)
			m.do(s.script)
			r := m.reader()
			r.At = tagview.At(s.event)
			tag := s.tag
			if tag == "" {
				tag = "f37-build"
			}
			e, err := r.Explain(t.Context(), tag, s.subject)
			if err != nil {
				t.Fatal(err)
			}
			if e.Reason != s.reason {
				t.Errorf("reason %q, want %q", e.Reason, s.reason)
			}
			if text, err := json.Marshal(e); err != nil || !json.Valid(text) {
				t.Errorf("JSON: %v", err)
			}
			golden(t, filepath.Join("testdata", "explain", s.name+".txt"), e.Text())
		})
	}
	for _, reason := range []tagview.Reason{
		tagview.ReasonLatest, tagview.ReasonNearer, tagview.ReasonTaggedLater, tagview.ReasonNotComplete, tagview.ReasonUntagged,
		tagview.ReasonNotTagged, tagview.ReasonNoBuild, tagview.ReasonNotListed, tagview.ReasonBlocked, tagview.ReasonFiltered,
		tagview.ReasonNotInherited, tagview.ReasonLinkRemoved,
	} {
		if !reasons[reason] {
			t.Errorf("no situation has the reason %q", reason)
		}
	}
}

// golden compares a text with that of a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestExplainOfUnknownNames(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.do(twoBuilds)
	for _, c := range []struct {
		name, tag, subject string
		is                 error
		says               string
	}{
		{"a tag", "f99", "foo", tagview.ErrNoTag, `tagview: tag "f99": no such tag`},
		{"a package", "f37", "nothing", tagview.ErrNoSubject, `tagview: "nothing": no such package or build`},
		{"a build of a known package", "f37", "foo-9-1", tagview.ErrNoSubject, `tagview: "foo-9-1": no such package or build, but there is the package foo`},
		{"a build of an unknown package", "f37", "bar-9-1", tagview.ErrNoSubject, `tagview: "bar-9-1": no such package or build, nor is there a package bar`},
		{"nothing", "f37", "", tagview.ErrNoSubject, `tagview: "": no such package or build`},
	} {
		t.Run("of "+c.name, func(t *testing.T) {
			t.Parallel()
			_, err := m.reader().Explain(t.Context(), c.tag, c.subject)
			if !errors.Is(err, c.is) || err.Error() != c.says {
				t.Errorf("%v, want %s", err, c.says)
			}
		})
	}
}
