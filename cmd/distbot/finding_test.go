package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrintFinding(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ kept, want string }{
		"Nothing is kept":       {"", ""},
		"Nothing that is known": {`{"line": "twelve"}`, ""},
		"A requirement": {
			`{"kind": "missing-requires", "log_file": "root.log", "line": 12, "spec_line": 9, "excerpt": ["No matching package to install: 'x'"],
			  "missing": [{"text": "x", "needed_by": "y-1-1.noarch", "nearest": ["x-devel is there"]}], "not_searched": ["fedora", "up\u001b[31mdates"]}`,
			"  missing-requires in line 12 of root.log, line 9 of the spec\n  | No matching package to install: 'x'\n" +
				"  missing: x, needed by y-1-1.noarch\n    nearest: x-devel is there\n" +
				"  not searched for what is nearest: fedora, updates\n",
		},
		"Files, in hostile words": {
			`{"kind": "unpackaged-files", "unpackaged": ["/usr/bin/\u001b[31mx"]}`,
			"  unpackaged-files\n  in no package: /usr/bin/x\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			printFinding(&out, "  ", findingOf([]byte(test.kept)))
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("finding (-want +got)\n%s", diff)
			}
		})
	}
}
