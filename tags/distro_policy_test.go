package tags_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// policyFile is a distribution whose target f37 says something more.
func policyFile(target string) string {
	return `arches: [x86_64, i386, riscv64, s390x]
tags:
  f37: {}
  f37-build: {inherit: [f37]}
  f37-late: {arches: inherit, inherit: [f37]}
targets:
  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37]` + target + `}
`
}

func TestArchPolicyOfAFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ target, want string }{
		"an unknown architecture":      {", arch_policy: {\n    riscv46: lagging}", "line 8: target f37: arch_policy: riscv46 is no architecture of tag f37-build"},
		"an unknown policy":            {", arch_policy: {x86_64: blocking,\n    riscv64: later}", `line 8: target f37: arch_policy of riscv64: "later" is none of blocking, lagging and best-effort`},
		"no policy":                    {", arch_policy: {riscv64: }", `line 7: target f37: arch_policy of riscv64: "" is none of blocking, lagging and best-effort`},
		"noarch":                       {", arch_policy: {noarch: lagging}", "line 7: target f37: arch_policy: noarch packages are part of every architecture, and always blocking"},
		"a name that is none":          {", arch_policy: {\"../x\": lagging}", `line 7: target f37: arch_policy: "../x" is no architecture`},
		"an architecture twice":        {", arch_policy: {s390x: lagging, s390x: best-effort}", `line 7: mapping key "s390x" already defined at line 7`},
		"a list":                       {", arch_policy: [riscv64]", "line 7: targets.f37.arch_policy: a mapping is expected, not a list"},
		"a list for an architecture":   {", arch_policy: {riscv64: [lagging]}", "line 7: targets.f37.arch_policy.riscv64: a single value is expected, not a list"},
		"another word for noarch":      {",\n   noarch_content: ignore", `line 8: target f37: noarch_content: "ignore" is neither warn nor fail`},
		"a list of arches for no word": {", noarch_content: [fail]", "line 7: targets.f37.noarch_content: a single value is expected, not a list"},
	} {
		t.Run(name+" is refused where it stands", func(t *testing.T) {
			t.Parallel()
			_, err := tags.ReadDistro(strings.NewReader(policyFile(test.target)))
			var problems *tags.DistroError
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for name, target := range map[string]string{
		"A variant of an architecture":          ", arch_policy: {i686: lagging}",
		"An architecture that the tag inherits": ", arch_policy: {s390x: best-effort}",
		"Every policy":                          ", arch_policy: {x86_64: blocking, riscv64: lagging, s390x: best-effort}, noarch_content: fail",
		"Nothing where something could be said": ", arch_policy: , noarch_content: ",
	} {
		t.Run(name+" is taken", func(t *testing.T) {
			t.Parallel()
			text := policyFile(target)
			if strings.Contains(name, "inherits") {
				text = strings.Replace(text, "build_tag: f37-build", "build_tag: f37-late", 1)
			}
			if _, err := tags.ReadDistro(strings.NewReader(text)); err != nil {
				t.Error(err)
			}
		})
	}
}

// applied applies a file and returns what that changed, in words.
func applied(t *testing.T, pool *pgxpool.Pool, target string) []string {
	t.Helper()
	d, err := tags.ReadDistro(strings.NewReader(policyFile(target)))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := tags.ApplyPlan(t.Context(), pool, queuetest.Inserter(t, pool), d, "admin", false)
	if err != nil {
		t.Fatal(err)
	}
	steps := []string{}
	for _, step := range plan.Steps {
		if step.Kind == "target" {
			steps = append(steps, step.String())
		}
	}
	return steps
}

func TestArchPolicyIsPlannedAppliedAndExported(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	const all = ", arch_policy: {s390x: best-effort, riscv64: lagging, x86_64: blocking}, noarch_content: fail"
	for _, step := range []struct{ target, want string }{
		{", arch_policy: {riscv64: lagging}", "+ target f37: f37-build -> f37 (branch f37, lagging riscv64)"},
		{", arch_policy: {riscv64: lagging, x86_64: blocking}", ""},
		{all, "~ target f37: best-effort none -> s390x, noarch_content warn -> fail"},
		{all, ""},
		{", arch_policy: {riscv64: best-effort}", "~ target f37: lagging riscv64 -> none, best-effort s390x -> riscv64, noarch_content fail -> warn"},
		{all, "~ target f37: lagging none -> riscv64, best-effort riscv64 -> s390x, noarch_content warn -> fail"},
	} {
		got := strings.Join(applied(t, pool, step.target), "; ")
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("plan for %q (-want +got):\n%s", step.target, diff)
		}
	}
	if n := queuetest.Value[int](t, pool, "select count(*) from build_targets"); n != 4 {
		t.Errorf("%d versions of the target are kept, want 4", n)
	}
	text, err := tags.Export(t.Context(), tagview.Reader{Conn: pool})
	if err != nil {
		t.Fatal(err)
	}
	const want = "  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37], arch_policy: {riscv64: lagging, s390x: best-effort}, noarch_content: fail}\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("the export lacks %q:\n%s", want, text)
	}
	first := queuetest.Value[int64](t, pool, "select min(create_event) from build_targets")
	if text, err = tags.Export(t.Context(), tagview.Reader{Conn: pool, At: tagview.At(first)}); err != nil || !strings.Contains(string(text), "arch_policy: {riscv64: lagging}}") {
		t.Errorf("the export of the first event says something else, %v:\n%s", err, text)
	}
}

// A tag may lose architectures that a target still names: what is exported must
// be a file that can be read, and mean the same.
func TestArchPolicyOfALostArchitecture(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	applied(t, pool, ", arch_policy: {s390x: best-effort, riscv64: lagging}")
	editor := &tags.Editor{Pool: pool, Jobs: queuetest.Inserter(t, pool)}
	arches := "x86_64 riscv64"
	_, err := editor.Do(t.Context(), "admin", "test", func(e *tags.Edit) error {
		return e.EditTag(t.Context(), "f37-build", tags.TagChange{Arches: &arches})
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := tags.Export(t.Context(), tagview.Reader{Conn: pool})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "arch_policy: {riscv64: lagging}}") {
		t.Errorf("the export says something else:\n%s", text)
	}
	d, err := tags.ReadDistro(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := tags.NewPlan(t.Context(), pool, d, false)
	if err != nil || len(plan.Steps) > 0 {
		t.Errorf("the exported file changes %v, %v", plan, err)
	}
}

func TestTargetPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	applied(t, pool, "")
	editor := &tags.Editor{Pool: pool, Jobs: queuetest.Inserter(t, pool)}
	ignore := "ignore"
	for want, change := range map[string]tags.TargetChange{
		"riscv64 has two policies":                           {Lagging: []string{"riscv64"}, BestEffort: []string{"riscv64"}},
		`"noarch" is no architecture that can have a policy`: {Lagging: []string{"noarch"}},
		`"../x" is no architecture that can have a policy`:   {BestEffort: []string{"../x"}},
		`noarch_content is warn or fail, not "ignore"`:       {NoarchContent: &ignore},
	} {
		_, err := editor.Do(t.Context(), "admin", "test", func(e *tags.Edit) error { return e.EditTarget(t.Context(), "f37", change) })
		var refusal *tags.RefusedError
		if !errors.As(err, &refusal) || refusal.Text != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
