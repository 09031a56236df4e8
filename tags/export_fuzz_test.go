package tags

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzExport holds that what a file says is said again by its export.
func FuzzExport(f *testing.F) {
	f.Add("arches: [x86_64]\ntags: {a: {arches: inherit, groups: {g: {packages: [{name: x, type: optional}]}}, extra: {k: [1, {a: ~}]}}}\npackages: {a: [{package: x}]}\n")
	f.Add("arches: [x86_64]\nexternal_repos: {r: {url: \"file:///x,y: z\"}}\ntags:\n  a: {external_repos: [r], extra: {x: \"a\\r\\n b \", y: .5}}\ntargets: {a: {build_tag: a, dest_tag: a, branches: [\"- [\"]}}\n")
	f.Add("tags: {1.0: {arches: [], extra: {rpm.macro.abc: !!float 1, k: 1e999}, extra_blocked: [\"{\"], inherit: [{parent: yes, pkg_filter: \"^(?!a$)#\"}]}, yes: {arches: []}}\nignore_branches: [\"!x\", \"a #b\"]\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadDistro(strings.NewReader(text))
		if err != nil {
			return
		}
		m := d.model()
		exported, err := m.export()
		if err != nil {
			t.Fatalf("export: %v", err)
		}
		if len(exported) > maxDistro {
			return // aliases written out
		}
		again, err := ReadDistro(bytes.NewReader(exported))
		if err != nil {
			t.Fatalf("%v\nwritten:\n%s\nexported:\n%s", err, text, exported)
		}
		p := &planner{have: m, want: again.model(), prune: true, plan: &Plan{}}
		if p.compare(); len(p.plan.Steps) > 0 {
			t.Fatalf("the export plans %v\nwritten:\n%s\nexported:\n%s", p.plan.Steps, text, exported)
		}
	})
}
