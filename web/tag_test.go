package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestTagPages(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	for name, test := range map[string]struct {
		path  string
		facts []string
		not   []string
	}{
		"Tags are listed with what is in them, whom they inherit from, and their marks": {
			path: "/tags",
			facts: []string{
				`aria-current="page">Tags</a>`, `<a href="/tags/f37-override">f37-override</a>, <a href="/tags/f37">f37</a>, <a href="/tags/base">base</a>`,
				">locked</span>", ">needs admin</span>", `<a href="/tags/base/packages">3</a>`, `<a href="/tags/base/builds">4</a>`,
				`href="/repos/f37-build"><span class="state busy" data-state="stale">`, `<span class="quiet">inherited</span>`, `href="/targets"`,
			},
			not: []string{"f36", "You look at the past"},
		},
		"Tags can be filtered by a part of their names": {path: "/tags?name=F37-", facts: []string{"f37-build", "f37-override", `value="F37-"`, `<a href="/tags">Clear</a>`}, not: []string{"/tags/f38", "/tags/core"}},
		"A filter of tags may leave none":               {path: "/tags?name=nope", facts: []string{"No tag is like that."}},
		"The tags of the past are those there were, and links stay there": {
			path:  "/tags?event=4",
			facts: []string{"as event 4 left it", "tag build base hello-1.0-1.base, by kim", `href="/tags/f36?event=4"`, `<a href="/tags/base/builds?event=4">3</a>`, `<a href="/tags">Back to now</a>`, `name="event" value="4"`},
			not:   []string{">locked</span>", "/repos/base"},
		},
		"A time is the event before it": {path: "/tags?ts=2026-02-12T10:00:01Z", facts: []string{"as event 4 left it", `href="/tags/f36?event=4"`}},
		"A time in seconds is one, too": {path: "/tags?ts=1770890401", facts: []string{"as event 4 left it"}},
		"A tag tells its settings and where they are from": {
			path: "/tags/f37-build",
			facts: []string{
				"<title>f37-build · distbot</title>", `href="/repos/f37-build"`, "mock.package_manager", "&#34;dnf&#34;", "rpm.macro.dist", "&#34;.fc37&#34;",
				`<td class="mono">rpm.macro.vendor</td><td class="main mono"><span class="chip warn"`, "https://mirror.example/f36/$arch/", "https://vendor.example/$arch/",
				`<a href="/tags/core">core</a>`, `event 5</a>`, "tag block-pkg f37-build gcc", "event 8", "priority 20", "maxdepth 1", "^(?!kernel$)", "intransitive", "noconfig",
				`<a href="/?target=f37">f37</a>`, "hello-data-5-2.fc37",
			},
			not: []string{"/tags/f38"},
		},
		"Inherited architectures name their tag": {path: "/tags/f37-override", facts: []string{`from <a href="/tags/base">base</a>`, `<a href="/tags/f37-build">f37-build</a>`}},
		"A lock and a permission are told":       {path: "/tags/base", facts: []string{">locked</span>", ">needs admin</span>", "tag edit --lock base"}},
		"A removed tag can be seen as it was": {
			path:  "/tags/f36?event=5",
			facts: []string{"There is no such tag now.", `<a href="/tags">Back to now</a>`, `href="/tags/f36/packages?event=5"`, `href="/tags/f37-build?event=5"`},
			not:   []string{"/repos/f36"},
		},
		"Inheritance is a tree of both directions with Koji's letters": {
			path: "/tags/f37-build/inheritance",
			facts: []string{
				`..I.</span><a href="/tags/f37-override">`, `MF..</span><a href="/tags/base">`, `....</span><a href="/tags/f37">`, `MF.N</span><a href="/tags/base">`,
				`....</span><a href="/tags/core">`, "nothing behind it", ">again</span>", "By none.",
			},
		},
		"Inheritance names descendants": {
			path: "/tags/base/inheritance", facts: []string{`MF..</span><a href="/tags/f37-override">`, `..I.</span><a href="/tags/f37-build">`, `....</span><a href="/tags/core">`},
		},
		"The package list has inherited entries, without what a filter stops": {
			path: "/tags/f37-build/packages",
			facts: []string{
				"5 in all", `data-state="blocked"`, `<a href="/packages/glibc">glibc</a>`, `<a href="/tags/core">core</a>`, ">i686</span>", ">armv7hl</span>", "<td>kim</td>",
				`href="/tags/f37-build/explain?subject=gcc"`, ">its own</span>",
			},
			not: []string{"/packages/kernel"},
		},
		"Blocked packages can be asked for":            {path: "/tags/f37-build/packages?blocked=yes", facts: []string{"1 in all", "/packages/gcc", `value="yes" selected`, "Clear"}, not: []string{"/packages/glibc"}},
		"Packages that are not blocked, too":           {path: "/tags/f37-build/packages?blocked=no", facts: []string{"/packages/glibc"}, not: []string{"/packages/gcc\""}},
		"A package is found by a part of its name":     {path: "/tags/f37-build/packages?name=HELLO-", facts: []string{"1 in all", "/packages/hello-data"}},
		"The tag's own packages can be asked for":      {path: "/tags/f37-build/packages?inherit=0", facts: []string{"1 in all", "/packages/gcc"}},
		"Packages of the past are those of then":       {path: "/tags/f37-build/packages?event=4&name=gcc", facts: []string{`data-state="listed"`, `/tags/f37-build/explain?event=4&amp;subject=gcc`, `<a href="/tags/f37-build/packages?name=gcc">Back to now</a>`}},
		"The latest builds, inherited ones too":        {path: "/tags/f37-build/builds", facts: []string{"4 in all", "hello-1.1-1.base", "glibc-2.36-1.base", `<span class="quiet num" title="event 7">#7</span>`, "<td>kim</td>", `href="/tags/f37-build/explain?subject=hello-1.1-1.base"`}, not: []string{"hello-1.0-1.base", "gcc-12.2", "kernel-6.1"}},
		"All builds can be asked for":                  {path: "/tags/f37-build/builds?latest=0", facts: []string{"5 in all", "hello-1.0-1.base", `value="0" selected`}},
		"The last few builds can be asked for":         {path: "/tags/f37-build/builds?latest=2&package=hello", facts: []string{"2 in all", "the last 2", `name="package" value="hello"`}, not: []string{"glibc"}},
		"A tag's own builds can be asked for":          {path: "/tags/f37-build/builds?inherit=0", facts: []string{"No build is like that."}},
		"Builds of the past are those of then":         {path: "/tags/f37-build/builds?event=4", facts: []string{"hello-1.0-1.base"}, not: []string{"hello-1.1-1.base"}},
		"Builds of a package nobody knows are none":    {path: "/tags/f37-build/builds?package=nope", facts: []string{"No build is like that."}},
		"Groups say where their packages are from":     {path: "/tags/f37-build/groups", facts: []string{"3 in all", "<strong>build</strong>", "What every buildroot holds.", `<s class="mono">gcc</s>`, `<span class="mono">clang</span> <span class="chip">default</span>`, "conditional with glibc", "from base", "Requires build", `<strong>games</strong> <span class="chip warn">blocked</span>`, "4 packages"}, not: []string{"nethack"}},
		"A group's words are shown":                    {path: "/tags/base/groups?group=games", facts: []string{"Games and Fun", ">default</span>", ">visible to users</span>", "nethack", `<a href="/tags/base/groups">All groups</a>`}, not: []string{"gcc-riscv"}},
		"A group that is not there":                    {path: "/tags/base/groups?group=nope", facts: []string{"There is no such group."}},
		"History is told by event, newest first":       {path: "/tags/base/history", facts: []string{`href="/tags/base?event=8"`, "tag configuration for base altered", "hello-1.1-1.base tagged into base", "tag edit --lock base", `href="/tags/base/explain?subject=hello"`}, not: []string{"subject=nethack"}},
		"History can be filtered":                      {path: "/tags/base/history?package=hello&table=tag_listing&user=kim", facts: []string{"hello-1.0-1.base tagged into base", `<option value="tag_listing" selected>`, "Clear"}, not: []string{"gcc-12.2", "altered"}},
		"History of the past ends there":               {path: "/tags/base/history?event=7", facts: []string{"hello-1.1-1.base tagged into base"}, not: []string{"altered"}},
		"History of nothing known is empty":            {path: "/tags/base/history?package=nope", facts: []string{"Nothing was changed like that."}},
		"An explanation is asked for":                  {path: "/tags/f37-build/explain", facts: []string{`name="subject" value=""`, "Why is a package or build in f37-build"}},
		"An explanation says who wins and why":         {path: "/tags/f37-build/explain?subject=hello-1.0-1.base", facts: []string{`class="callout verdict idle"><h2>hello-1.0-1.base is tagged, but is not the latest in f37-build.</h2>`, "Because hello-1.1-1.base wins", `data-state="winner"`, `data-state="outdone"`, "asked for", ">decides</span>", "distbot tag "}},
		"An explanation says that it is there":         {path: "/tags/f37-build/explain?subject=glibc-2.36-1.base", facts: []string{`class="callout verdict ok"><h2>glibc-2.36-1.base is in f37-build.</h2>`, "stopped by the filter <span class=\"mono\">^lib</span> of f37-override → base"}},
		"An explanation names the filter":              {path: "/tags/f37-build/explain?subject=kernel", facts: []string{`class="callout verdict bad"><h2>kernel is not in f37-build.</h2>`, "^(?!kernel$)", `data-state="uncounted"`}},
		"An explanation names the block":               {path: "/tags/f37-build/explain?subject=gcc", facts: []string{"gcc is not in f37-build.", "blocked", "distbot tag unblock-pkg f37-build gcc"}},
		"An explanation of the past is of then":        {path: "/tags/f37-build/explain?subject=hello-1.0-1.base&event=4", facts: []string{`<h2>hello-1.0-1.base is in f37-build.</h2>`, "as event 4 left it", `name="event" value="4"`}},
		"A package that may be there but has no build": {path: "/tags/f37/explain?subject=hello", facts: []string{"hello may be in f37, but has no build there."}},
		"Targets have their tags and last build":       {path: "/targets", facts: []string{`<a href="/tags/f37-build">f37-build</a>`, `<span class="chip">f37</span>`, "hello-data-5-2.fc37", `href="/?target=base"`}, not: []string{"f36"}},
		"Targets of the past are those there were":     {path: "/targets?event=3", facts: []string{`<a href="/tags/f36?event=3">f36</a>`, "as event 3 left it"}},
		"A package names the tags that have it":        {path: "/packages/hello", facts: []string{"In which tags", `href="/tags/base/explain?subject=hello"`, `href="/tags/f37/explain?subject=hello"`, "hello-1.1-1.base", "no build"}},
		"A package says where it is blocked":           {path: "/packages/gcc", facts: []string{`data-state="blocked"`, `data-state="listed"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := s.in(t).page(test.path, test.facts...)
			for _, fact := range test.not {
				if strings.Contains(body, fact) {
					t.Errorf("GET %s: there is %q in:\n%s", test.path, fact, body)
				}
			}
		})
	}
}

func TestWhatIsNotThereIsToldInWords(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	for path, facts := range map[string][]string{
		"/tags/nope":                                 {"There is no tag “nope”.", `href="/tags"`},
		"/tags/f36":                                  {"Tag “f36” was removed by pat with event 6.", `href="/tags/f36?event=5"`},
		"/tags/f36/builds":                           {"Tag “f36” was removed by pat with event 6."},
		"/tags/core?event=2":                         {"There was no tag “core” at event 2.", `href="/tags?event=2"`},
		"/tags/f37?event=77":                         {"There is no event 77.", `href="/tags/f37"`},
		"/tags?ts=0":                                 {"Nothing had happened before 1970-01-01T00:00:00Z."},
		"/api/v1/tags/f36":                           {"was removed by pat with event 6"},
		"/api/v1/tags?event=9":                       {"There is no event 9."},
		"/tags/f37/explain?subject=hello-9-9":        {"There is no package or build “hello-9-9”.", `<a href="/tags/f37/explain?subject=hello">hello</a>`},
		"/tags/f37/explain?subject=nope-9-9":         {"There is no package or build “nope-9-9”."},
		"/api/v1/tags/f37/explain?subject=hello-9-9": {"There is no package or build “hello-9-9”."},
	} {
		a := s.get(path)
		if a.status != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", path, a.status)
		}
		for _, fact := range facts {
			if !strings.Contains(a.body, fact) {
				t.Errorf("GET %s: no %q in:\n%s", path, fact, a.body)
			}
		}
	}
}

// A tag of a large distribution must neither make large pages nor lose anything
// between two of them.
func TestPagesOfALargeTagAreSmallAndComplete(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	s.exec("insert into packages (name) select 'many-' || lpad(n::text, 5, '0') from generate_series(1, 1000) n")
	s.exec("insert into events (actor, what) values ('pat', 'apply')")
	s.exec("insert into tag_packages (tag_id, package_id, create_event) select 5, id, 9 from packages where name like 'many-%'")
	s.exec("insert into tag_package_owners (tag_id, package_id, owner_id, create_event) select 5, id, 1, 9 from packages where name like 'many-%'")
	s.exec(`insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, version, release, nvr, state)
		select id, 1, 'f37', 2, 1, false, 'refs/heads/f37', md5(name), now(), 'x.spec', 1, '1', '1', name || '-1-1', 'COMPLETE' from packages where name like 'many-%'`)
	s.exec("insert into tag_builds (tag_id, build_id, package_id, create_event) select 5, id, package_id, 9 from builds where nvr like 'many-%'")
	s.exec("insert into group_package_listing (group_id, tag_id, package, type, create_event) select 1, 5, name, 'mandatory', 9 from packages where name like 'many-%'")
	s.exec("insert into group_config (group_id, tag_id, create_event) values (1, 5, 9)")
	for _, list := range []struct {
		path, entry string
		want, most  int
	}{
		{"/tags/core/packages", `href="/packages/(many-\d+)"`, 1000, 200 << 10},
		{"/tags/core/builds", `>(many-\d+-1-1)</a>`, 1000, 200 << 10},
		{"/tags/core/packages?name=many-000&blocked=no", `href="/packages/(many-\d+)"`, 99, 200 << 10},
		{"/tags/core/groups?group=build", `<span class="mono">(many-\d+)</span>`, 1000, 400 << 10},
		{"/tags/core/groups", `<span class="mono">(many-\d+)</span>`, 100, 50 << 10},
		{"/tags/core/history", `package list entry created: (many-\d+)`, 0, 50 << 10},
	} {
		seen, path, pages := map[string]bool{}, list.path, 0
		for ; path != "" && pages < 50; pages++ {
			body := s.page(path)
			if len(body) > list.most {
				t.Errorf("GET %s: %d bytes, want at most %d", path, len(body), list.most)
			}
			for _, entry := range regexp.MustCompile(list.entry).FindAllStringSubmatch(body, -1) {
				if seen[entry[1]] {
					t.Errorf("GET %s: %s is on two pages", list.path, entry[1])
				}
				seen[entry[1]] = true
			}
			next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(body)
			if path = ""; next != nil {
				path = strings.ReplaceAll(next[1], "&amp;", "&")
			}
		}
		if list.want > 0 && len(seen) != list.want {
			t.Errorf("GET %s: %d entries on %d pages, want %d", list.path, len(seen), pages, list.want)
		}
	}
	s.page("/tags/core/history", "and 3901 more changes")
	s.page("/tags/core/packages?start=9999", "There are no more.", `<a class="button" href="/tags/core/packages">First page</a>`)
}

func TestAnEventThatRemovedATagDoesNotLeadToIt(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	s.exec("insert into events (actor, what) values ('pat', 'tag add f36')")
	s.exec("insert into tag_config (tag_id, arches, create_event) select id, '', 9 from tags where name = 'f36'")
	s.exec("update tags set revoke_event = null where name = 'f36'")
	body := s.page("/tags/f36/history", "tag deleted: f36", "event 6", `href="/tags/f36?event=9"`, `href="/tags/f36?event=3"`)
	if strings.Contains(body, "event=6") {
		t.Errorf("the event that removed the tag is a link:\n%s", body)
	}
}

func TestFewListsAreReadWholeAtATime(t *testing.T) {
	t.Parallel()
	s := &server{wholeLists: make(chan struct{}, 1)}
	release, err := s.wholeList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.wholeList(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a second list is read beside the first: %v", err)
	}
	release()
	if release, err = s.wholeList(t.Context()); err != nil {
		t.Errorf("nothing can be read after the first list: %v", err)
	}
	release()
}

func TestAFilterThatTakesTooLongIsNamed(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.exec("update tag_inheritance set pkg_filter = '(a+)+$'")
	s.exec("update packages set name = repeat('a', 60) || 'b' where id = 1")
	answer := s.get("/tags/f37-build/packages")
	for _, want := range []string{"f37-build", "distbot tag edit-inheritance f37-build f37 --pkg-filter"} {
		if answer.status != http.StatusInternalServerError || !strings.Contains(answer.body, want) {
			t.Errorf("status %d, %q is not in %s", answer.status, want, answer.body)
		}
	}
}
