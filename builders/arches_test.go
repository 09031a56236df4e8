package builders

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelectArches(t *testing.T) {
	t.Parallel()
	three := []string{"x86_64", "aarch64", "riscv64"}
	task := func(pairs ...string) (tasks []ArchTask) {
		for i := 0; i < len(pairs); i += 2 {
			tasks = append(tasks, ArchTask{Arch: pairs[i], RootArch: pairs[i+1]})
		}
		return tasks
	}
	for name, test := range map[string]struct {
		tag  []string
		tags ArchTags
		want []ArchTask
	}{
		"A plain package is built for every arch of the tag": {three, ArchTags{}, task("x86_64", "x86_64", "aarch64", "aarch64", "riscv64", "riscv64")},
		"BuildArch noarch is built once on the first arch":   {three, ArchTags{BuildArch: []string{"noarch"}}, task("noarch", "x86_64")},
		"ExclusiveArch limits":                               {three, ArchTags{ExclusiveArch: []string{"riscv64", "s390x"}}, task("riscv64", "riscv64")},
		"ExcludeArch reduces":                                {three, ArchTags{ExcludeArch: []string{"x86_64"}}, task("aarch64", "aarch64", "riscv64", "riscv64")},
		"noarch goes to an arch that ExclusiveArch allows":   {three, ArchTags{BuildArch: []string{"noarch"}, ExclusiveArch: []string{"riscv64", "noarch"}}, task("noarch", "riscv64")},
		"noarch avoids an excluded arch":                     {three, ArchTags{BuildArch: []string{"noarch"}, ExcludeArch: []string{"x86_64"}}, task("noarch", "aarch64")},
		"noarch in ExclusiveArch is built beside the arches": {three, ArchTags{ExclusiveArch: []string{"x86_64", "noarch"}}, task("x86_64", "x86_64", "noarch", "x86_64")},
		"i686 is built where the tag has i386":               {[]string{"i386", "x86_64"}, ArchTags{BuildArch: []string{"i686"}}, task("i686", "i386")},
		"A BuildArch that the tag lacks leaves the others":   {three, ArchTags{BuildArch: []string{"s390x", "aarch64"}}, task("aarch64", "aarch64")},
		"ppc64p7 counts as ppc64 and not as ppc64le":         {[]string{"ppc64le", "ppc64"}, ArchTags{BuildArch: []string{"ppc64p7"}}, task("ppc64p7", "ppc64")},
		"armv7hl counts as armhfp":                           {[]string{"armhfp"}, ArchTags{BuildArch: []string{"armv7hl"}}, task("armv7hl", "armhfp")},
		"a repeated BuildArch is built once":                 {three, ArchTags{BuildArch: []string{"x86_64", "x86_64"}}, task("x86_64", "x86_64")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := SelectArches(test.tag, test.tags)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("tasks (-want +got):\n%s", diff)
			}
		})
	}
	for name, tags := range map[string]ArchTags{
		"No arch of the tag is exclusive":  {ExclusiveArch: []string{"s390x"}},
		"Every arch is excluded":           {ExcludeArch: three},
		"noarch that is excluded":          {BuildArch: []string{"noarch"}, ExcludeArch: []string{"noarch"}},
		"noarch whose arches are excluded": {BuildArch: []string{"noarch"}, ExcludeArch: three},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := SelectArches(three, tags); !errors.Is(err, ErrNoArches) {
				t.Errorf("got %v, %v, want ErrNoArches", got, err)
			}
		})
	}
}
