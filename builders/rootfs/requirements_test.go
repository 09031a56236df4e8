package rootfs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

func TestRequirementsThatAppearInTheBuildroot(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.group = srpmGroup
	files := map[string][]byte{
		"local-macros-1-1.noarch.rpm": rpmtest.Pack(t, rpmpack.RPMMetaData{Name: "local-macros", Version: "1", Release: "1", Arch: "noarch"}, func(r *rpmpack.RPM) {
			r.AddFile(rpmpack.RPMFile{Name: "/etc/rpm/macros.local", Body: []byte("%local_requires BuildRequires: more-2\n"), Mode: 0o644})
		}),
	}
	for i := range maxRounds + 2 {
		meta := rpmpack.RPMMetaData{Name: fmt.Sprintf("more-%d", i+1), Version: "1", Release: "1", Arch: "noarch"}
		files[meta.Name+"-1-1.noarch.rpm"] = rpmtest.Pack(t, meta, nil)
	}
	extra := drivertest.Repository(t, "f37-build", files)
	// generate asks for one more package each time, up to last.
	generate := func(last int) string {
		return fmt.Sprintf("%%generate_buildrequires\nfor i in $(seq %d); do echo more-$i; rpm -q more-$i >/dev/null || break; done\n%%files\n", last)
	}
	for _, test := range []struct {
		name, text string
		installed  string // or
		failure    string
	}{
		{"A spec may ask for more, and more again", drivertest.SpecText("dynamic", generate(3)), "more-3-", ""},
		{
			"What it asks for must exist", drivertest.SpecText("dynamic", "%generate_buildrequires\necho 'nowhere >= 2'\n%files\n"),
			"", "nothing provides nowhere >= 2",
		},
		{
			"There is an end to asking", drivertest.SpecText("dynamic", generate(maxRounds+2)),
			"", "the spec asked for more build requirements 10 times, at last: %generate_buildrequires: more-10 is needed by dynamic-1-1.fc37.noarch",
		},
		{
			"Macros of a requirement may require more", strings.Replace(drivertest.SpecText("local", "%files\n"), "BuildArch:", "BuildRequires: local-macros\n%{?local_requires}\nBuildArch:", 1),
			"more-2-", "",
		},
		{
			"One of several may be enough, but one must exist",
			strings.Replace(drivertest.SpecText("rich", "%files\n"), "BuildArch:", "BuildRequires: (nowhere-a or nowhere-b)\nBuildArch:", 1),
			"", "nothing provides (nowhere-a or nowhere-b)",
		},
		{
			"What the root holds already may be in the way",
			strings.Replace(drivertest.SpecText("alone", "%files\n"), "BuildArch:", "BuildConflicts: bash\nBuildArch:", 1),
			"", "the build requirements can't be met: bash conflicts with alone-1-1.fc37.noarch",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, outcome, err := b.build(t, drivertest.Checkout(t, map[string]string{"package.spec": test.text}), extra)
			if test.failure == "" {
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool { return strings.HasPrefix(i.NEVRA, test.installed) }) {
					t.Errorf("buildroot %v, want %s in it", outcome.Installed, test.installed)
				}
				return
			}
			failure := drivertest.FailureOf(t, err)
			if failure.Reason != test.failure || failure.Phase != builders.PhaseBuildroot || failure.Infrastructure {
				t.Errorf("failure %+v, want the package's in phase buildroot: %s", failure, test.failure)
			}
		})
	}
}
