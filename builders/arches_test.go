package builders

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue"
)

func TestSelectArches(t *testing.T) {
	t.Parallel()
	three := []string{"x86_64", "aarch64", "riscv64"}
	task := func(pairs ...string) (tasks []ArchTask) {
		for i := 0; i < len(pairs); i += 2 {
			tasks = append(tasks, ArchTask{Arch: pairs[i], RootArches: strings.Fields(pairs[i+1])})
		}
		return tasks
	}
	for name, test := range map[string]struct {
		tag  []string
		tags ArchTags
		want []ArchTask
	}{
		"A plain package is built for every arch of the tag": {three, ArchTags{}, task("x86_64", "x86_64", "aarch64", "aarch64", "riscv64", "riscv64")},
		"BuildArch noarch is built once on any arch":         {three, ArchTags{BuildArch: []string{"noarch"}}, task("noarch", "x86_64 aarch64 riscv64")},
		"ExclusiveArch limits":                               {three, ArchTags{ExclusiveArch: []string{"riscv64", "s390x"}}, task("riscv64", "riscv64")},
		"ExcludeArch reduces":                                {three, ArchTags{ExcludeArch: []string{"x86_64"}}, task("aarch64", "aarch64", "riscv64", "riscv64")},
		"noarch goes to an arch that ExclusiveArch allows":   {three, ArchTags{BuildArch: []string{"noarch"}, ExclusiveArch: []string{"riscv64", "noarch"}}, task("noarch", "riscv64")},
		"noarch avoids an excluded arch":                     {three, ArchTags{BuildArch: []string{"noarch"}, ExcludeArch: []string{"x86_64"}}, task("noarch", "aarch64 riscv64")},
		"noarch in ExclusiveArch is built beside the arches": {three, ArchTags{ExclusiveArch: []string{"x86_64", "noarch"}}, task("x86_64", "x86_64", "noarch", "x86_64")},
		"i686 is built where the tag has i386":               {[]string{"i386", "x86_64"}, ArchTags{BuildArch: []string{"i686"}}, task("i686", "i386")},
		"A BuildArch that the tag lacks leaves the others":   {three, ArchTags{BuildArch: []string{"s390x", "aarch64"}}, task("aarch64", "aarch64")},
		"ppc64p7 counts as ppc64 and not as ppc64le":         {[]string{"ppc64le", "ppc64"}, ArchTags{BuildArch: []string{"ppc64p7"}}, task("ppc64p7", "ppc64")},
		"armv7hl counts as armhfp":                           {[]string{"armhfp"}, ArchTags{BuildArch: []string{"armv7hl"}}, task("armv7hl", "armhfp")},
		"a repeated BuildArch is built once":                 {three, ArchTags{BuildArch: []string{"x86_64", "x86_64"}}, task("x86_64", "x86_64")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := SelectArches(ArchChoice{Tag: test.tag, Header: test.tags})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Tasks); diff != "" {
				t.Errorf("tasks (-want +got):\n%s", diff)
			}
		})
	}
	for name, tags := range map[string]ArchTags{
		"No arch of the tag is exclusive": {ExclusiveArch: []string{"s390x"}},
		"Every arch is excluded":          {ExcludeArch: append([]string{"armhfp"}, three...)},
		"noarch that is excluded":         {BuildArch: []string{"noarch"}, ExcludeArch: []string{"noarch"}},
		"Names that are none":             {BuildArch: []string{"arm/../../h", "", "arm h", "armv7hl\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := SelectArches(ArchChoice{Tag: append(three, "armhfp"), Header: tags}); !errors.Is(err, ErrNoArches) {
				t.Errorf("got %v, %v, want ErrNoArches", got, err)
			}
		})
	}
}

func TestSelectArchesRefusesWhatNothingCanMake(t *testing.T) {
	t.Parallel()
	header := ArchTags{BuildArch: []string{"noarch"}, ExcludeArch: []string{"x86_64"}}
	if got, err := SelectArches(ArchChoice{Tag: []string{"x86_64"}, Header: header}); !errors.Is(err, ErrNoRoot) {
		t.Errorf("noarch that no arch may make: got %v, %v, want ErrNoRoot", got, err)
	}
	header = ArchTags{}
	for i := range 10_000 {
		header.BuildArch = append(header.BuildArch, fmt.Sprintf("armv%dhl", i))
	}
	if got, err := SelectArches(ArchChoice{Tag: []string{"armhfp"}, Header: header}); !errors.Is(err, ErrTooManyArches) {
		t.Errorf("10,000 arches: got %d, %v, want ErrTooManyArches", len(got.Tasks), err)
	}
}

func TestSkippedArches(t *testing.T) {
	t.Parallel()
	three := []string{"x86_64", "aarch64", "riscv64"}
	skip := func(pairs ...string) (list []queue.SkippedArch) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, queue.SkippedArch{Arch: pairs[i], Reason: pairs[i+1]})
		}
		return list
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("arch%d", i)
	}
	for name, test := range map[string]struct {
		choice ArchChoice
		want   []queue.SkippedArch
	}{
		"nothing says anything":  {ArchChoice{Tag: three}, nil},
		"ExcludeArch":            {ArchChoice{Tag: three, Header: ArchTags{ExcludeArch: []string{"s390x", "riscv64"}}}, skip("riscv64", "ExcludeArch riscv64")},
		"ExclusiveArch":          {ArchChoice{Tag: three, Header: ArchTags{ExclusiveArch: []string{"x86_64", "aarch64"}}}, skip("riscv64", "ExclusiveArch x86_64 aarch64")},
		"BuildArch":              {ArchChoice{Tag: three[1:], Header: ArchTags{BuildArch: []string{"noarch"}}}, skip("aarch64", "BuildArch noarch", "riscv64", "BuildArch noarch")},
		"a scratch build of one": {ArchChoice{Tag: three[:2], Override: []string{"aarch64"}}, skip("x86_64", "the build is for aarch64 only")},
		"extra arches":           {ArchChoice{Tag: []string{"i386"}, Extra: []string{"i686", "s390x"}}, skip("s390x", "the build tag has no s390x")},
		"a variant of an arch":   {ArchChoice{Tag: []string{"i386"}, Header: ArchTags{BuildArch: []string{"i686"}}}, skip("i386", "BuildArch i686")},
		"a list without end": {
			ArchChoice{Tag: three[:2], Header: ArchTags{ExclusiveArch: append([]string{"x86_64", "\x1b[2J"}, many...)}},
			skip("aarch64", `ExclusiveArch x86_64 "\x1b[2J" arch0 arch1 arch2 arch3 arch4 arch5 arch6 arch7 arch8 arch9 and 90 more`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := SelectArches(test.choice)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Skipped); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
		})
	}
}
