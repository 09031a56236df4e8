package tags_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

// seedEnv repeats a run of the property tests.
const seedEnv = "DISTBOT_TAGS_SEED"

// newSeed returns the seed of a test's random choices, which it prints when the
// test fails.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s=%d repeats this", seedEnv, seed)
		}
	})
	return seed
}

// answers is everything tagview says of all tags at a moment, as JSON by
// question.
func (w *world) answers(t *testing.T, r tagview.Reader) map[string]string {
	t.Helper()
	ctx, said := t.Context(), map[string]string{}
	all, err := r.Tags(ctx)
	say := func(question string, value any, err error) {
		if err != nil {
			t.Fatalf("%s: %v", question, err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		said[question] = string(text)
	}
	say("tags", all, err)
	for _, tag := range all {
		ask := func(question string, answer func() (any, error)) {
			value, err := answer()
			say(tag.Name+": "+question, value, err)
		}
		ask("parents", func() (any, error) { return r.Parents(ctx, tag.ID) })
		ask("children", func() (any, error) { return r.Children(ctx, tag.ID) })
		ask("inheritance", func() (any, error) { return r.Inheritance(ctx, tag.ID) })
		ask("descendants", func() (any, error) { return r.Descendants(ctx, tag.ID) })
		for _, q := range []tagview.PackageQuery{{}, {Inherit: true}, {Inherit: true, Dups: true}} {
			ask(fmt.Sprintf("packages %+v", q), func() (any, error) { return r.Packages(ctx, tag.ID, q) })
		}
		for _, q := range []tagview.BuildQuery{{}, {Latest: 1}, {Inherit: true}, {Inherit: true, Latest: 1}, {Inherit: true, Latest: 2}} {
			ask(fmt.Sprintf("builds %+v", q), func() (any, error) { return r.Builds(ctx, tag.ID, q) })
		}
		ask("latest builds", func() (any, error) { return r.LatestBuildIDs(ctx, tag.ID) })
		ask("config", func() (any, error) { return r.Config(ctx, tag) })
		ask("extra", func() (any, error) { return r.Extra(ctx, tag.ID) })
		ask("groups", func() (any, error) { return r.Groups(ctx, tag.ID, true) })
		ask("all groups", func() (any, error) { return r.AllGroups(ctx, tag.ID, true) })
		ask("modules", func() (any, error) { return r.Modules(ctx, tag.ID, true) })
		ask("last change", func() (any, error) { return r.LastChange(ctx, tag.ID, true) })
		ask("last change of itself", func() (any, error) { return r.LastChange(ctx, tag.ID, false) })
		ask("history", func() (any, error) { return r.History(ctx, tagview.HistoryQuery{Tag: tag.Name}) })
		for _, p := range w.packages {
			ask("explanation of "+p, func() (any, error) {
				e, err := r.Explain(ctx, tag.Name, p)
				e.AtEvent = 0 // The moment alone may differ.
				return e, err
			})
		}
	}
	return said
}

// at is a reader of a past moment.
func (w *world) past(event int64) tagview.Reader {
	return tagview.Reader{Conn: w.pool, At: tagview.At(event)}
}

func TestThePastIsAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newSeed(t))
	type moment struct {
		event int64
		said  map[string]string
	}
	var moments []moment
	const operations = 240
	for changed := 0; changed < operations; {
		event := w.step(t)
		if event == 0 {
			continue
		}
		if changed++; changed%20 == 0 {
			moments = append(moments, moment{event, w.answers(t, w.now())})
		}
	}
	for _, m := range moments {
		if diff := cmp.Diff(m.said, w.answers(t, w.past(m.event))); diff != "" {
			t.Errorf("event %d (-then +now):\n%s", m.event, diff)
		}
	}
	if len(w.done) < 15 || w.refused == 0 {
		t.Errorf("the operations were too few of a kind: %v, %d refused", w.done, w.refused)
	}
}

func TestExplainAgreesWithTheLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newSeed(t))
	reasons := map[tagview.Reason]int{}
	var events []int64
	for round := range 6 {
		for changed := 0; changed < 25; {
			if event := w.step(t); event != 0 {
				changed++
				events = append(events, event)
			}
		}
		if round == 3 { // No command deletes what is tagged, but old events may have it.
			w.exec(t, "update builds set state = 'DELETED' where nvr like '%-1-1'")
		}
		w.compareExplanations(t, w.now(), reasons)
		if round%2 == 1 {
			w.compareExplanations(t, w.past(pickOne(w.rand, events...)), reasons)
		}
	}
	if len(reasons) < 8 {
		t.Errorf("the models had only the reasons %v", reasons)
	}
}

// compareExplanations compares the explanations of everything with the lists.
func (w *world) compareExplanations(t *testing.T, r tagview.Reader, reasons map[tagview.Reason]int) {
	t.Helper()
	all, err := r.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range all {
		list, err := r.Packages(t.Context(), tag.ID, tagview.PackageQuery{Inherit: true})
		if err != nil {
			t.Fatal(err)
		}
		builds, err := r.Builds(t.Context(), tag.ID, tagview.BuildQuery{Inherit: true})
		if err != nil {
			t.Fatal(err)
		}
		latest, err := r.Builds(t.Context(), tag.ID, tagview.BuildQuery{Inherit: true, Latest: 1})
		if err != nil {
			t.Fatal(err)
		}
		ids, err := r.LatestBuildIDs(t.Context(), tag.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(ids, latest, func(id int64, b tagview.Build) bool { return id == b.ID }) {
			t.Errorf("%s: the latest builds are %v, by their ids %v", tag.Name, latest, ids)
		}
		w.checkPrecedence(t, r, tag, builds, latest)
		of := func(builds []tagview.Build, subject string) bool {
			return slices.ContainsFunc(builds, func(b tagview.Build) bool { return b.NVR == subject || b.Package == subject })
		}
		for _, subject := range slices.Concat(w.packages, w.nvrs) {
			e, err := r.Explain(t.Context(), tag.Name, subject)
			if err != nil {
				t.Fatal(err)
			}
			reasons[e.Reason]++
			listed := slices.ContainsFunc(list, func(p tagview.Package) bool { return p.Name == e.Package && !p.Blocked })
			if e.Listed != listed || e.Tagged != of(builds, subject) || e.Latest != of(latest, subject) {
				t.Errorf("event %d: listed %v, tagged %v, latest %v, the lists say %v, %v, %v:\n%s", r.At.Event(),
					e.Listed, e.Tagged, e.Latest, listed, of(builds, subject), of(latest, subject), e.Text())
			}
			w.checkExplanation(t, e, list, latest)
		}
	}
}

// checkPrecedence compares the order of each package's builds with all of a tag.
func (w *world) checkPrecedence(t *testing.T, r tagview.Reader, tag tagview.Tag, builds, latest []tagview.Build) {
	t.Helper()
	want, packages := map[int64][]int64{}, []int64{}
	for _, b := range builds {
		if !slices.Contains(want[b.PackageID], b.ID) {
			want[b.PackageID] = append(want[b.PackageID], b.ID)
		}
		packages = append(packages, b.PackageID)
	}
	got, err := r.Precedence(t.Context(), tag.ID, packages)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: the order of builds (-want +got):\n%s", tag.Name, diff)
	}
	for _, b := range latest {
		if got[b.PackageID][0] != b.ID {
			t.Errorf("%s: the first of %v is not the latest, %d", tag.Name, got[b.PackageID], b.ID)
		}
	}
}

// checkExplanation looks whether an explanation names the entry and the winner
// of the lists, and contradicts itself nowhere.
func (w *world) checkExplanation(t *testing.T, e tagview.Explanation, list []tagview.Package, latest []tagview.Build) {
	t.Helper()
	entry, winner := "none", "none"
	for _, p := range list {
		if p.Name == e.Package {
			entry = p.Tag + " " + p.Owner
		}
	}
	for _, b := range latest {
		if b.Package == e.Package {
			winner = b.NVR + " " + b.Tag
		}
	}
	saidEntry, saidWinner := "none", "none"
	if e.Entry != nil {
		saidEntry = e.Entry.Tag + " " + e.Entry.Owner
	}
	for _, c := range e.Builds {
		if c.Wins {
			saidWinner = c.NVR + " " + c.Tag
		}
	}
	if saidEntry != entry || saidWinner != winner {
		t.Errorf("entry %s, winner %s, the lists say %s, %s:\n%s", saidEntry, saidWinner, entry, winner, e.Text())
	}
	if (e.Reason == tagview.ReasonLatest) != e.Latest || e.Because == "" || e.Latest && len(e.Advice) > 0 {
		t.Errorf("reason %q, %q, %d pieces of advice:\n%s", e.Reason, e.Because, len(e.Advice), e.Text())
	}
}

func TestRemovingAndAddingALinkAgainRestoresTheLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newSeed(t))
	tried := 0
	for tried < 15 {
		for changed := 0; changed < 15; {
			if w.step(t) != 0 {
				changed++
			}
		}
		child := pickOne(w.rand, w.tags...)
		tag, err := w.now().Tag(t.Context(), child)
		if err != nil {
			t.Fatal(err)
		}
		links, err := w.now().Parents(t.Context(), tag.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(links) == 0 {
			continue
		}
		tried++
		link := pickOne(w.rand, links...)
		before := w.lists(t)
		w.must(t, "remove link", func(ctx context.Context, e *tags.Edit) error { return e.RemoveLink(ctx, link.Child, link.Parent) })
		w.must(t, "add link", func(ctx context.Context, e *tags.Edit) error {
			return e.AddLink(ctx, link.Child, link.Parent, tags.LinkConfig{
				Priority: link.Priority, MaxDepth: link.MaxDepth, Intransitive: link.Intransitive, NoConfig: link.NoConfig, PkgFilter: link.PkgFilter,
			})
		})
		if diff := cmp.Diff(before, w.lists(t)); diff != "" {
			t.Errorf("%s -> %s (-before +after):\n%s", link.Child, link.Parent, diff)
		}
	}
}

// lists is what the tags hold, without when that was changed.
func (w *world) lists(t *testing.T) map[string]any {
	t.Helper()
	lists := map[string]any{}
	for _, name := range w.tags {
		tag, err := w.now().Tag(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := w.now().Inheritance(t.Context(), tag.ID)
		if err != nil {
			t.Fatal(err)
		}
		packages, err := w.now().Packages(t.Context(), tag.ID, tagview.PackageQuery{Inherit: true, Dups: true})
		if err != nil {
			t.Fatal(err)
		}
		builds, err := w.now().Builds(t.Context(), tag.ID, tagview.BuildQuery{Inherit: true})
		if err != nil {
			t.Fatal(err)
		}
		groups, err := w.now().AllGroups(t.Context(), tag.ID, true)
		if err != nil {
			t.Fatal(err)
		}
		config, err := w.now().Config(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		lists[name] = []any{steps, packages, builds, groups, config}
	}
	return lists
}
