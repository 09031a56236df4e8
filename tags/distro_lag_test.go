package tags_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

func TestRepoLagThatIsNone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ lag, want string }{
		"A number without a unit":       {"10", `line 7: target f37: repo_lag: "10" is no duration such as 45s, 10m or 1h30m`},
		"A word":                        {"soon", `repo_lag: "soon" is no duration`},
		"Less than nothing":             {"-1m", "repo_lag: -1m0s is not between 0 and 168h"},
		"A second more than a week":     {"168h1s", "repo_lag: 168h1s is not between 0 and 168h"},
		"More than there is of numbers": {"9999999h", `repo_lag: "9999999h" is no duration`},
		"A part of a second":            {"1500ms", "repo_lag: 1.5s are no whole seconds"},
		"A list":                        {"[10m]", "line 7: targets.f37.repo_lag: a single value is expected, not a list"},
	} {
		t.Run(name+" is refused where it stands", func(t *testing.T) {
			t.Parallel()
			_, err := tags.ReadDistro(strings.NewReader(policyFile(", repo_lag: " + test.lag)))
			var problems *tags.DistroError
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	t.Run("An edit can't make one either", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		applied(t, pool, "")
		editor := &tags.Editor{Pool: pool, Jobs: queuetest.Inserter(t, pool)}
		lag := -time.Second
		_, err := editor.Do(t.Context(), "admin", "test", func(e *tags.Edit) error {
			return e.EditTarget(t.Context(), "f37", tags.TargetChange{RepoLag: &lag})
		})
		var refusal *tags.RefusedError
		if !errors.As(err, &refusal) || refusal.Text != "repo_lag: -1s is not between 0 and 168h" {
			t.Errorf("got %v", err)
		}
	})
}

func TestRepoLagIsPlannedAppliedAndExported(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for _, step := range []struct{ target, want string }{
		{", repo_lag: 10m", "+ target f37: f37-build -> f37 (branch f37, repo_lag 10m)"},
		{", repo_lag: 600s", ""},
		{", repo_lag: 1h30m5s", "~ target f37: repo_lag 10m -> 1h30m5s"},
		{", repo_lag: 0", "~ target f37: repo_lag 1h30m5s -> 0"},
		{", repo_lag: ", ""},
		{", repo_lag: 168h", "~ target f37: repo_lag 0 -> 168h"},
		{"", "~ target f37: repo_lag 168h -> 0"},
		{", arch_policy: {riscv64: lagging}, repo_lag: 45s", "~ target f37: lagging none -> riscv64, repo_lag 0 -> 45s"},
	} {
		got := strings.Join(applied(t, pool, step.target), "; ")
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("plan for %q (-want +got):\n%s", step.target, diff)
		}
	}
	text, err := tags.Export(t.Context(), tagview.Reader{Conn: pool})
	if err != nil {
		t.Fatal(err)
	}
	const want = "  f37: {build_tag: f37-build, dest_tag: f37, branches: [f37], arch_policy: {riscv64: lagging}, repo_lag: 45s}\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("the export lacks %q:\n%s", want, text)
	}
	d, err := tags.ReadDistro(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := tags.NewPlan(t.Context(), pool, d, false); err != nil || len(plan.Steps) > 0 {
		t.Errorf("the exported file changes %v, %v", plan, err)
	}
	first := queuetest.Value[int64](t, pool, "select min(create_event) from build_targets")
	if text, err = tags.Export(t.Context(), tagview.Reader{Conn: pool, At: tagview.At(first)}); err != nil || !strings.Contains(string(text), "repo_lag: 10m}") {
		t.Errorf("the export of the first event says something else, %v:\n%s", err, text)
	}
}
