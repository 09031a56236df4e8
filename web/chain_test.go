package web

import (
	_ "embed"
	"net/http"
	"strings"
	"testing"
)

//go:embed testdata/chains.sql
var chainsSQL string

func TestChainPages(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.exec(chainsSQL)
	for name, test := range map[string]struct {
		path  string
		facts []string
		not   []string
	}{
		"A chain shows its groups, and why it ended": {
			path: "/chains/1",
			facts: []string{
				`data-state="FAILED"`, "no &lt;b&gt;provider&lt;/b&gt;", "f37-build → f37", "Group 1", "Group 2", `href="/builds/2">hello-2.0-1.fc37</a>`,
				"hello-data-5-1.fc37", "not begun", "the repositories that hold its builds",
			},
			not: []string{"http-equiv"},
		},
		"Chains are listed": {
			path:  "/chains",
			facts: []string{`href="/chains/1">hello#f37 hello-data</a>`, `data-state="FAILED"`, "1 of 2", "no &lt;b&gt;provider&lt;/b&gt;", "pat"},
		},
		"Chains are listed by their state": {path: "/chains?state=OPEN", facts: []string{"No chain is like that."}, not: []string{"hello-data"}},
		"A list may be at its end":         {path: "/chains?before_id=1", facts: []string{`href="/chains"`}, not: []string{"hello-data"}},
		"A build of a chain names it":      {path: "/builds/2", facts: []string{`href="/chains/1">chain 1</a>`}},
		"A build that was made again says how it compares": {
			path:  "/builds/1",
			facts: []string{"<dt>Reproducible</dt><dd>no", "1 of 2 packages differ", "/usr/share/&lt;i&gt;", "header tag BUILDTIME", `href="/builds/4">build 4</a>`},
			not:   []string{"libhello-devel-1.2-1.fc37.x86_64.rpm</span> <span"},
		},
		"Buildroots of different architectures are not compared": {
			path: "/builds/1/buildroots/diff/5", facts: []string{"no recorded buildroots for the same architecture", "Only one of them was built for noarch riscv64 x86_64."},
		},
		"Buildroots that are the same are said to be": {path: "/builds/1/buildroots/diff/1", facts: []string{"They held the same packages."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.in(t)
			body := s.page(test.path, test.facts...)
			for _, fact := range test.not {
				if strings.Contains(body, fact) {
					t.Errorf("GET %s: there is %q in:\n%s", test.path, fact, body)
				}
			}
		})
	}
	t.Run("/builds leads to the builds", func(t *testing.T) {
		t.Parallel()
		if a := s.in(t).get("/builds?state=FAILED"); a.status != http.StatusMovedPermanently || a.header.Get("Location") != "/?state=FAILED" {
			t.Errorf("%d to %q, want /?state=FAILED", a.status, a.header.Get("Location"))
		}
	})
	t.Run("A chain that is not there is 404", func(t *testing.T) {
		t.Parallel()
		if code := s.in(t).get("/chains/99").status; code != http.StatusNotFound {
			t.Errorf("%d, want 404", code)
		}
	})
}
