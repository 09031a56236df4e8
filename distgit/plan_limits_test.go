package distgit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlanRefusesWhatIsTooBig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		commit func(o *origin) string
		want   string
	}{
		"too many files": {
			func(o *origin) string { return o.manyFiles(maxTreeEntries + 1) },
			"the commit is too big: more than 20000 entries in the tree",
		},
		"folders too deep": {
			func(o *origin) string {
				o.write(strings.Repeat("a/", maxTreeDepth+1)+"file", "")
				return o.commit("deep")
			},
			"the commit is too big: more than 64 folders inside one another",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.work()
			o := h.repository("rpms/hello")
			o.write("hello.spec", spec("hello", "1.0"))
			commit := test.commit(o)
			o.push("refs/heads/rawhide")
			got := h.planned(h.pushed(o, "refs/heads/rawhide", commit))
			if want := "planned: refused: " + test.want + "; refused: " + test.want; got != want {
				t.Errorf("the delivery is %q, want %q", got, want)
			}
			if diff := cmp.Diff([]string{"distbot/f38 failure: " + test.want, "distbot/next failure: " + test.want}, h.statuses(commit)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if builds := h.builds(); len(builds) > 0 {
				t.Errorf("builds %v, want none", builds)
			}
		})
	}
}

// manyFiles commits n entries that are one and the same empty file.
func (o *origin) manyFiles(n int) (commit string) {
	o.t.Helper()
	var index strings.Builder
	o.write("empty", "")
	blob := o.git("hash-object", "-w", "empty")
	for i := range n {
		fmt.Fprintf(&index, "100644 %s\tfile%d\n", blob, i)
	}
	list := filepath.Join(o.t.TempDir(), "index")
	if err := os.WriteFile(list, []byte(index.String()), 0o644); err != nil {
		o.t.Fatal(err)
	}
	o.run(o.work, "-c", "alias.fill=!git update-index --index-info <'"+list+"'", "fill")
	o.git("commit", "-q", "-m", "many files")
	return o.git("rev-parse", "HEAD")
}
