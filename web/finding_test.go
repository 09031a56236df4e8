package web

import (
	"strings"
	"testing"
)

func TestABuildsPageSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	// Of the failed attempt before the one that goes on.
	s.exec(`update task_attempts set finding = '{"kind": "disk-full", "excerpt": ["No space left on device"]}' where task_id = 4`)
	s.page("/builds/2",
		"missing-requires", `<a href="/tasks/9/logs/root.log?attempt=1&amp;line=12#line">root.log, line 12</a>`, "line 9 of the spec",
		"No matching package to install: &#39;pkgconfig(hello) &gt;= 1.3&#39;\nNot all dependencies satisfied\n",
		"pkgconfig(hello) 1.2 is there (libhello-devel-1.2-1.fc37.riscv64), &gt;= 1.3 is needed",
		"needed by</span> <span class=\"mono\">broken-1-1.noarch", "1 installed file in no package", "/usr/bin/hello",
	)
	s.exec(`update tasks set finding = finding || '{"not_searched": ["fedora"]}' where id = 9`)
	s.page("/builds/2", `Not searched for what is nearest: <span class="mono">fedora</span>`)
	s.page("/builds/1", "disk-full", "No space left on device")
	if a := s.get("/api/v1/builds/2"); !strings.Contains(a.body, `"kind": "missing-requires"`) || !strings.Contains(a.body, `"spec_line": 9`) {
		t.Errorf("the answer for programs lacks the finding: %s", a.body)
	}
	// What another version may have kept is no reason to show nothing.
	s.exec(`update tasks set finding = '{"line": "twelve"}' where id = 9`)
	s.page("/builds/2", "nothing provides pkgconfig(hello)")
}
