package tags_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/tags"
)

// TestReadDistroSaysWhere checks whole messages: an operator must find the
// place, whatever a file leaves out.
func TestReadDistroSaysWhere(t *testing.T) {
	t.Parallel()
	const head = "arches: [x86_64]\n" // line 1
	for name, test := range map[string]struct{ text, want string }{
		"a tag with nothing and no arches": {
			"tags:\n  f37:\n", "line 2: tag f37: no arches, neither here nor for all tags",
		},
		"a tag's bad name with nothing": {
			head + "tags:\n  ../x:\n", `line 3: tag "../x": names are letters, digits and _.+-, at most 255, and begin with none of . and -`,
		},
		"a tag's name with a control character": {
			head + "tags:\n  \"f37\\e[2J\": {}\n", `line 3: tag "f37\x1b[2J": names are letters, digits and _.+-, at most 255, and begin with none of . and -`,
		},
		"a tag's name that ends in a line break": {
			head + "tags:\n  \"f37\\n\": {}\n", `line 3: tag "f37\n": names are letters, digits and _.+-, at most 255, and begin with none of . and -`,
		},
		"a target with nothing": {
			head + "tags: {f37: }\ntargets:\n  f37:\n",
			`line 4: target f37: build_tag "" is not a tag of this file; line 4: target f37: dest_tag "" is not a tag of this file; ` +
				"line 4: target f37: no branches, so no push would ever build for it: if that is meant, write branches: []",
		},
		"an external repository with nothing": {
			head + "external_repos:\n  base:\n", "line 3: external repository base: url must begin with https://, http:// or file:///",
		},
		"an external repository's URL with a line break": {
			head + "external_repos:\n  base: {url: \"https://a.example\\n[evil]\"}\n", `line 3: external repository base: "https://a.example\n[evil]" is no URL`,
		},
		"an external repository's URL with a blank": {
			head + "external_repos:\n  base: {url: \"https://a.example/x y\"}\n", `line 3: external repository base: "https://a.example/x y" is no URL`,
		},
		"an external repository's URL without a host": {
			head + "external_repos:\n  base: {url: \"https:///x\"}\n", `line 3: external repository base: "https:///x" is no URL`,
		},
		"an arch named twice": {
			"arches: [x86_64, aarch64, x86_64]\n", "line 1: architecture x86_64 is named twice",
		},
		"a tag's arch named twice": {
			"tags:\n  f37:\n    arches:\n      - x86_64\n      - x86_64\n", "line 5: tag f37: architecture x86_64 is named twice",
		},
		"noarch among the arches": {
			"arches: [x86_64, noarch]\n", "line 1: noarch is no architecture that machines have",
		},
		"a list as the whole file": {
			"- tags\n", "line 1: a mapping is expected, not a list",
		},
		"a mapping as a key of a setting": {
			head + "tags: {f37: {extra: {x: {? {a: b} : c}}}}\n", "line 2: tags.f37.extra.x: a single value is expected as a key",
		},
		"an empty item of a list": {
			head + "tags:\n  f37:\n    inherit:\n      -\n", "line 5: tags.f37.inherit: an item of the list is empty",
		},
		"a package with a character comps.xml can't express": {
			head + "tags:\n  f37: {groups: {build: [\"bash\\x01\"]}}\n", `line 3: tag f37: group build: "bash\x01" names no package`,
		},
		"a package with a NUL": {
			head + "tags:\n  f37: {groups: {build: [\"bash\\0\"]}}\n", `line 3: tag f37: group build: "bash\x00" names no package`,
		},
		"a macro's value with an escape sequence": {
			head + "tags:\n  f37: {extra: {rpm.macro.dist: \"\\e[2J\"}}\n", "line 3: tag f37: the value of rpm.macro.dist has a control character",
		},
		"a macro's value with a NUL": {
			head + "tags:\n  f37: {extra: {rpm.macro.dist: \"a\\0\"}}\n", "line 3: tag f37: the value of rpm.macro.dist has a control character",
		},
		"a setting's name with a NUL": {
			head + "tags:\n  f37: {extra: {\"mock\\0\": x}}\n", `line 3: tag f37: "mock\x00" is no name of a setting`,
		},
		"an empty branch": {
			head + "tags: {f37: {}}\ntargets:\n  f37: {build_tag: f37, dest_tag: f37, branches: [\"\"]}\n", `line 4: target f37: "" is no branch`,
		},
		"a branch named twice": {
			head + "tags: {f37: {}}\ntargets:\n  f37: {build_tag: f37, dest_tag: f37, branches: [f37, f37]}\n", "line 4: target f37: branch f37 is named twice",
		},
		"a glob with a NUL": {
			head + "ignore_branches: [\"wip\\0\"]\n", `line 2: ignore_branches: "wip\x00" is no glob`,
		},
		"a priority of 0 twice": {
			head + "tags:\n  a: {}\n  b: {}\n  c:\n    inherit:\n      - {parent: a, priority: 0}\n      - {parent: b, priority: 0}\n",
			"line 8: tag c: its parents a and b have the same priority 0",
		},
		"an empty file":            {"", "is empty"},
		"a file of comments alone": {"# tags:\n", "is empty"},
		"a file of nothing":        {"~\n", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tags.ReadDistro(strings.NewReader(test.text))
			if err == nil {
				t.Fatalf("no error, want %q", test.want)
			}
			got := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tags: distro.yaml"), ":")
			if diff := cmp.Diff(test.want, strings.TrimSpace(got)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyOddFiles(t *testing.T) {
	t.Parallel()

	t.Run("a priority of 0 is one, and tags without anything are tags", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		const text = "arches: [x86_64]\ntags:\n  a:\n  b:\n  c:\n    inherit: [a, {parent: b, priority: 0}]\n"
		apply(t, pool, text)
		got := queuetest.Values[string](t, pool, "select p.name || ' ' || priority from tag_inheritance i join tags p on p.id = i.parent_id order by priority")
		if diff := cmp.Diff([]string{"b 0", "a 10"}, got); diff != "" {
			t.Errorf("parents of c (-want +got):\n%s", diff)
		}
		if changes := apply(t, pool, text); len(changes) > 0 {
			t.Errorf("applied again: %q, want nothing", changes)
		}
	})

	t.Run("what is named twice is meant once", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		const text = "arches: [x86_64]\ntags: {a: {groups: {build: [bash, bash]}}}\nignore_branches: [wip, wip]\n"
		want := []string{"+ tag a: arches x86_64", "+ group build in a: packages bash", "+ ignored branch wip"}
		if diff := cmp.Diff(want, apply(t, pool, text)); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if changes := apply(t, pool, text); len(changes) > 0 {
			t.Errorf("applied again: %q, want nothing", changes)
		}
	})
}
