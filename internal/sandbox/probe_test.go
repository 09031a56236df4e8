package sandbox

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProbeOfAUsableHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var names []string
	for _, f := range Probe(testContext(t), Config{}, dir) {
		names = append(names, f.Name)
		if f.Required && !f.OK {
			t.Errorf("%s: %s; %s", f.Name, f.Detail, f.Remedy)
		}
		if f.Detail == "" || f.OK != (f.Remedy == "") {
			t.Errorf("%s: ok %t, detail %q, remedy %q", f.Name, f.OK, f.Detail, f.Remedy)
		}
	}
	want := []string{"kernel", "user namespace limit", "AppArmor", "user namespaces", "id range", "id range overlap", "overlay root", "control groups"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestProbeSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRunnerWith(t, Config{Mapping: MapSingle, NoCgroups: true})
	for _, f := range []Finding{
		probeRange(r), probeCgroups(r), foundNamespaces(errors.New("x")),
		probeOverlay(context.Background(), r, "/proc"), // no directory can be made there
	} {
		if f.OK || f.Remedy == "" || f.Detail == "" {
			t.Errorf("got %+v", f)
		}
	}
}

func TestKernelAtLeast(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]bool{
		"5.12": true, "5.12.0-rc1": true, "5.11.99": false, "6.1.0-13-amd64": true, "4.18.0-553.el8": false,
		"10.0": true, "": false, "x.y": false, "5": false,
	} {
		if got := kernelAtLeast(release, 5, 12); got != want {
			t.Errorf("%q: got %t", release, got)
		}
	}
}

func TestOverlappingRanges(t *testing.T) {
	t.Parallel()
	file := "low:100000:65536\nbefore:134464:65536\nlast:134465:65536\ninside:210000:10\nafter:265536:65536\ngarbage\n"
	want := []string{"last:134465:65536", "inside:210000:10"}
	if diff := cmp.Diff(want, overlapping(strings.NewReader(file), 200000, 65536)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
