package closure

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/repopublish/moduletest"
)

// TestStreamsOfOtherArchitectures asks dnf and this package what they see of a
// stream whose document is for another architecture than the machine.
func TestStreamsOfOtherArchitectures(t *testing.T) {
	t.Parallel()
	for arch, used := range map[string]bool{"x86_64": true, "noarch": true, "i686": true, "aarch64": false} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			// Where it is for other machines dnf ends as soon as it is the default.
			defaults := ""
			if used {
				defaults = "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: demo\n  modified: 202001010000\n  stream: \"1\"\n...\n"
			}
			dir := writePackages(t, []*rpmfile.Package{
				{
					NEVRA:    rpmfile.NEVRA{Name: "demo", Version: "1", Release: "1", Arch: "noarch"},
					Requires: []rpmfile.Dependency{{Name: "nosuchthing"}},
				},
				{NEVRA: rpmfile.NEVRA{Name: "plain", Version: "1", Release: "1", Arch: "x86_64"}},
			}, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: demo\n  stream: \"1\"\n  version: 1\n  context: c1\n  arch: "+arch+
				"\n  summary: s\n  description: d\n  license:\n    module: [MIT]\n  artifacts:\n    rpms: [demo-0:1-1.noarch]\n...\n"+defaults)
			want := []string{}
			if used {
				want = []string{"demo-1-1.noarch nosuchthing"}
			}
			if diff := cmp.Diff(want, repoclosure(t, moduletest.NewClient(t), []string{"r," + dir})); diff != "" {
				t.Errorf("dnf (-want +got)\n%s", diff)
			}
			r := mustCheck(t, Options{Machine: "x86_64"}, repo(t, "r", dir))
			if diff := cmp.Diff(want, in(r, "default streams")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if r.Combinations != 1 || len(r.Problems) != len(want) {
				t.Errorf("it can be enabled: %+v", r)
			}
		})
	}
}
