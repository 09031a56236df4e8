package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/tagview"
)

// treeLine is what a line of a tree says.
type treeLine struct {
	Flags, Name string
	ID          int64
	Depth       int
	// More says that another branch follows from the same place.
	More bool
}

// linePattern is a line: flags, a margin of three columns for each generation,
// the branch, and the tag.
var linePattern = regexp.MustCompile(`^([M.][F.][I.][N.])  ((?:│  |   )*)(├─|└─)(\S+) \((\d+)\)$`)

// readTree reads a tree as a person does.
func readTree(t *testing.T, text string) (tag string, lines []treeLine) {
	t.Helper()
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range all[1:] {
		m := linePattern.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%q is no line of a tree in\n%s", line, text)
		}
		id, err := strconv.ParseInt(m[5], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, treeLine{Flags: m[1], Name: m[4], ID: id, Depth: len([]rune(m[2]))/3 + 1, More: m[3] == "├─"})
		// A bar stands where a branch above goes on, and only there.
		for depth, margin := range margins(m[2]) {
			if goesOn := openBranch(lines[:len(lines)-1], depth+1); goesOn != (margin == "│  ") {
				t.Errorf("generation %d of %q goes on: %v\n%s", depth+1, line, goesOn, text)
			}
		}
	}
	return all[0], lines
}

// margins are the columns before a branch, one for each generation.
func margins(text string) (columns []string) {
	runes := []rune(text)
	for i := 0; i < len(runes); i += 3 {
		columns = append(columns, string(runes[i:i+3]))
	}
	return columns
}

// openBranch reports whether the last line of a generation says that more of it
// follow.
func openBranch(lines []treeLine, depth int) bool {
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i].Depth == depth {
			return lines[i].More
		}
	}
	return false
}

// wantLines is what the tree of a walk must say.
func wantLines(steps []tagview.Step, reverse bool) (lines []treeLine) {
	for i, step := range steps {
		line := treeLine{Name: step.Parent, ID: step.ParentID, Depth: int(step.CurrDepth)}
		if reverse {
			line.Name, line.ID = step.Child, step.ChildID
		}
		for _, flag := range []struct {
			letter string
			set    bool
		}{{"M", step.MaxDepth != nil}, {"F", step.PkgFilter != ""}, {"I", step.Intransitive}, {"N", step.NoConfig}} {
			if !flag.set {
				flag.letter = "."
			}
			line.Flags += flag.letter
		}
		for _, later := range steps[i+1:] {
			line.More = line.More || later.Before == step.Before
		}
		lines = append(lines, line)
	}
	return lines
}

// randomLinks are the links of a random graph of a few tags, loops included.
func randomLinks(r *rand.Rand) (links []tagview.Link) {
	tags := 2 + r.IntN(6)
	for child := range tags {
		for priority, parent := range r.Perm(tags)[:r.IntN(min(tags, 4))] {
			link := tagview.Link{
				ChildID: int64(child + 1), Child: fmt.Sprintf("t%d", child+1), ParentID: int64(parent + 1), Parent: fmt.Sprintf("t%d", parent+1),
				Priority: int32(priority), Intransitive: r.IntN(6) == 0, NoConfig: r.IntN(6) == 0,
			}
			if depth := int32(r.IntN(3)); r.IntN(4) == 0 {
				link.MaxDepth = &depth
			}
			if r.IntN(5) == 0 {
				link.PkgFilter = "^a"
			}
			links = append(links, link)
		}
	}
	return links
}

func TestTreeSaysWhatTheWalkDoes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		graph := tagview.NewGraph(randomLinks(r))
		for name, walk := range map[string][]tagview.Step{"walk": graph.Walk(1), "reverse": graph.Descend(1)} {
			var out bytes.Buffer
			if err := writeTree(&out, tagview.Tag{ID: 1, Name: "t1"}, walk, name == "reverse"); err != nil {
				t.Fatal(err)
			}
			tag, lines := readTree(t, out.String())
			if tag != "t1 (1)" {
				t.Errorf("first line %q, want t1 (1)", tag)
			}
			if diff := cmp.Diff(wantLines(walk, name == "reverse"), lines); diff != "" {
				t.Fatalf("seed %d, %s (-want +got):\n%s\n%s", seed, name, diff, out.String())
			}
		}
	}
}

// TestTreeHasKojisForm compares with a tree that Koji's manual shows.
func TestTreeHasKojisForm(t *testing.T) {
	t.Parallel()
	zero := int32(0)
	steps := []tagview.Step{
		{Link: tagview.Link{Parent: "linux3-override", ParentID: 4379}, CurrDepth: 1, Before: -1},
		{Link: tagview.Link{Parent: "linux3-updates", ParentID: 4373}, CurrDepth: 2, Before: 0},
		{Link: tagview.Link{Parent: "linux2", ParentID: 4368, PkgFilter: "^a"}, CurrDepth: 3, Before: 1},
		{Link: tagview.Link{Parent: "ext", ParentID: 5, Intransitive: true, NoConfig: true}, CurrDepth: 2, Before: 0},
		{Link: tagview.Link{Parent: "linux3-build", ParentID: 4380, MaxDepth: &zero}, CurrDepth: 1, Before: -1},
	}
	want := `linux4-build (4444)
....  ├─linux3-override (4379)
....  │  ├─linux3-updates (4373)
.F..  │  │  └─linux2 (4368)
..IN  │  └─ext (5)
M...  └─linux3-build (4380)
`
	var out bytes.Buffer
	if err := writeTree(&out, tagview.Tag{ID: 4444, Name: "linux4-build"}, steps, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}
