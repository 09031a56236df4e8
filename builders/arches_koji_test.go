package builders

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/arch"
)

// kojiArches is a case and what kojid (getArchList and choose_taskarch) made of
// it.
type kojiArches struct {
	Case struct {
		Tag           []string `json:"tag"`
		Extra         []string `json:"extra"`
		BuildArch     []string `json:"build_arch"`
		ExclusiveArch []string `json:"exclusive_arch"`
		ExcludeArch   []string `json:"exclude_arch"`
		Scratch       bool     `json:"scratch"`
		Override      []string `json:"override"`
		NoarchArches  []string `json:"noarch_arches"`
	} `json:"case"`
	Want struct {
		// Arches are in no order.
		Arches []string `json:"arches"`
		// NoarchHosts are those a noarch task may go to; "noarch" alone is all of
		// the tag's.
		NoarchHosts []string `json:"noarch_hosts"`
		// TaskArches are the machines of the other tasks.
		TaskArches map[string]string `json:"task_arches"`
		Error      string            `json:"error"`
	} `json:"want"`
}

func (k kojiArches) choice() ArchChoice {
	c := ArchChoice{
		Tag: k.Case.Tag, Extra: k.Case.Extra, Noarch: k.Case.NoarchArches,
		Header: ArchTags{BuildArch: k.Case.BuildArch, ExclusiveArch: k.Case.ExclusiveArch, ExcludeArch: k.Case.ExcludeArch},
	}
	if k.Case.Scratch {
		c.Override = k.Case.Override
	}
	return c
}

// TestSelectArchesAsKojiDoes compares with what Koji's own code chose of random
// cases.
func TestSelectArchesAsKojiDoes(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/koji_arches.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	refusals := map[string]error{"No matching arches were found": ErrNoArches, "No valid arches were found": ErrNoRoot}
	cases, lines := 0, bufio.NewScanner(file)
	for ; lines.Scan(); cases++ {
		var k kojiArches
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil {
			t.Fatalf("line %d: %v", cases+1, err)
		}
		s, err := SelectArches(k.choice())
		if !errors.Is(err, refusals[k.Want.Error]) {
			t.Errorf("line %d: got %v, want %q: %s", cases+1, err, k.Want.Error, lines.Text())
		}
		if err != nil {
			continue
		}
		if diff := k.differs(s); diff != "" {
			t.Errorf("line %d: %s (-want +got):\n%s", cases+1, lines.Text(), diff)
		}
	}
	if err := lines.Err(); err != nil || cases < 500 {
		t.Errorf("%d cases were read, want at least 500: %v", cases, err)
	}
}

// differs compares a selection with what Koji did.
func (k kojiArches) differs(s Selection) string {
	want, got := map[string]string{}, map[string]string{}
	for _, a := range k.Want.Arches {
		want[a] = k.Want.TaskArches[a]
	}
	for _, task := range s.Tasks {
		got[task.Arch] = arch.Canonical(task.RootArches[0])
	}
	if root, ok := got[noarch]; ok {
		hosts := k.Want.NoarchHosts
		if slices.Equal(hosts, []string{noarch}) {
			hosts = canonical(k.Case.Tag)
		}
		roots := k.choice().noarchRoots()
		slices.Sort(hosts)
		slices.Sort(roots)
		if diff := cmp.Diff(slices.Compact(hosts), slices.Compact(roots)); diff != "" || !slices.Contains(hosts, root) {
			return "noarch on " + root + "\n" + diff
		}
		got[noarch] = want[noarch]
	}
	return cmp.Diff(want, got)
}
