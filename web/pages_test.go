package web

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestPages(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for name, test := range map[string]struct {
		path  string
		facts []string
		not   []string
	}{
		"The front page lists builds with states, architectures and commits": {
			path: "/",
			facts: []string{
				`href="/builds/3">hello-2.0-2.fc37</a>`, `data-state="BUILDING"`, `data-state="FAILED"`, `data-state="CANCELED"`,
				`title="riscv64: waiting"`, `title="x86_64: running"`, `title="srpm: done"`,
				`href="https://git.example/rpms/hello/commit/ace0000333333333333333333333333333333333" title="ace0000333333333333333333333333333333333">ace0000333</a>`,
				`<time datetime="2026-03-01T11:56:30Z" title="2026-03-01 11:56:30 UTC">3 minutes ago</time>`, "2 min 05 s",
				"being published in f37", ">scratch</span>", `PR #12`, "nothing provides pkgconfig(hello) &gt;= 1.3",
			},
			// A plain git host has no page for a commit.
			not: []string{"/srv/git"},
		},
		"A filter leaves what it asks for": {
			path:  "/?package=hello&state=FAILED&target=f37",
			facts: []string{"hello-2.0-1.fc37", `value="hello"`, `<option value="FAILED" selected>`, `<option value="f37" selected>`, `<a href="/">Clear</a>`},
			not:   []string{"hello-2.0-2.fc37", "libhello-1.2-1.fc37"},
		},
		"A filter may leave nothing": {path: "/?package=nope", facts: []string{"No build is like that."}},
		"A finished build shows its tasks, packages, statuses and tags": {
			path: "/builds/1",
			facts: []string{
				"<title>libhello-1.2-1.fc37 · distbot</title>", `data-state="COMPLETE"`, "f37-build → f37", `href="https://git.example/rpms/libhello"`,
				`href="/deliveries/1"`, `href="/repos/f37"`, `href="/tags/f37"`, `href="/tags/f37/explain?subject=libhello-1.2-1.fc37"`, "source package", "packages for riscv64", "1 earlier attempt", `<strong>attempt 1</strong> on <a href="/hosts#vf2" title="vf2-6-cc">vf2</a>`,
				`<td class="nowrap"><a href="/hosts#hub">hub</a></td>`, `<td class="nowrap"><a href="/hosts#vf2">vf2</a> <span class="quiet num">attempt 2</span></td>`,
				"buildroot: mirror.example: connection reset by peer", `href="/tasks/4/logs/root.log?attempt=1"`, `href="/tasks/4/logs/build.log?attempt=2"`,
				`href="/builds/1/buildroot/3">42 packages</a>`, `href="/packages/libhello/1.2/1.fc37/x86_64/libhello-1.2-1.fc37.x86_64.rpm"`,
				"libhello-1.2-1.fc37.src.rpm", "20.0 MiB", strings.Repeat("b2", 32), "distbot/f37/riscv64", `data-state="sent"`,
				"libhello-1.2-1.fc37 is in the repository of f37",
				`s390x <span class="quiet">(ExcludeArch s390x)</span>`, `<div class="callout busy"><strong>warning</strong> <span>libhello-doc.noarch has other content on riscv64`,
				`>lagging</span>`,
			},
			not: []string{"data-live", "http-equiv", "distbot/f38"},
		},
		"A failed build says why, and that its status could not be sent": {
			path: "/builds/2",
			facts: []string{
				`<div class="callout bad"><strong>buildroot</strong>`, "riscv64: nothing provides pkgconfig(hello) &gt;= 1.3 needed by hello-2.0-1.fc37.src",
				`<span class="chip">package</span>`, `data-state="unsendable"`, "gitea: 403 Forbidden: token has no write:repository", `href="/builds/3">build 3</a>`,
				"This build made none.",
			},
			not: []string{"data-live"},
		},
		"A running build is live, with and without JavaScript": {
			path: "/builds/3",
			facts: []string{
				`data-live="/builds/3/events?seen=`, `<noscript><meta http-equiv="refresh" content="5"></noscript>`, `data-state="OPEN"`, `data-state="FREE"`,
				`data-state="delayed"`, `data-state="unsent"`, "gitea: 502 Bad Gateway", `data-seconds="210">3 min 30 s`, "lost: the process that worked on it died",
				`href="/builds/2">build 2</a>`,
			},
		},
		"A build that is about to be published is live": {path: "/builds/5", facts: []string{"data-live", "being published in f37"}},
		"A build without an NVR has the planned one":    {path: "/builds/4", facts: []string{"planned name", "hello-data-5-1.fc37", "scratch builds are not"}},
		"A buildroot lists its packages": {
			path:  "/builds/1/buildroot/3",
			facts: []string{"42 packages", "lib42-0:1.42-1.fc37.x86_64", "f37-build@7", "rootfs"},
		},
		"A log of a running task is live": {
			path: "/tasks/12/logs/build.log",
			facts: []string{
				"checking for gcc... gcc\n&#43; make\n</pre>", `data-follow="/tasks/12/logs/build.log/follow?attempt=1&amp;offset=45"`, `href="/logs/tasks/12/1/build.log"`,
				`content="5"`, "hello-2.0-2.fc37",
			},
		},
		"A log that is not written yet is waited for": {
			path: "/tasks/12/logs/root.log", facts: []string{"This log has not begun yet.", "offset=0", `href="/tasks/12/logs/build.log?attempt=1"`},
		},
		"An earlier attempt's log is not live": {
			path: "/tasks/4/logs/root.log?attempt=1", facts: []string{"connection reset by peer", `href="/tasks/4/logs/root.log?attempt=2"`}, not: []string{"data-follow"},
		},
		"A finished task without the log says so": {path: "/tasks/3/logs/build.log", facts: []string{"There is no such log."}, not: []string{"data-follow"}},
		"Packages have their newest build": {
			path: "/packages", facts: []string{`href="/packages/hello">hello</a>`, `href="/builds/3">hello-2.0-2.fc37</a>`, `<td class="right num">2</td>`},
		},
		"A package has its builds": {path: "/packages/hello", facts: []string{"hello-2.0-1.fc37", "hello-2.0-2.fc37"}, not: []string{"libhello-1.2"}},
		"Repositories say what they hold and how to install from them": {
			path: "/repos",
			facts: []string{
				`href="/repos/f37/2">2</a>`, `data-state="current"`, `data-state="stale"`, "[f37]\nname=f37 - $basearch\nbaseurl=https://distbot.example/repos/f37/latest/$basearch/\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=0\n",
				"not yet",
			},
		},
		"A tag has its generations": {
			path: "/repos/f37-build", facts: []string{`href="/tags/f37-build"`, `href="/repos/f37-build/1">1</a>`, "8 <span class=\"quiet\">of 9 wanted</span>", `data-state="building"`, `href="/repos/f37">f37</a>`},
		},
		"An expired generation has no link": {path: "/repos/f37", facts: []string{`data-state="expired"`}, not: []string{`href="/repos/f37/1/"`}},
		"Deliveries have states and reasons": {
			path:  "/deliveries",
			facts: []string{`href="/deliveries/4"`, "hello.spec: line 12: unclosed %if", `data-state="duplicate"`, "the same push as delivery 1", `data-state="received"`},
		},
		"Deliveries can be filtered": {path: "/deliveries?state=failed&forge=gitea", facts: []string{"unclosed %if"}, not: []string{"/deliveries/1"}},
		"A delivery shows what it said and what became of it": {
			path: "/deliveries/1",
			facts: []string{
				"&#34;ref&#34;: &#34;refs/heads/f37&#34;,\n  &#34;after&#34;", "X-Gitea-Event", `href="/builds/1"`, `data-state="refused"`, "built already, as build 77", "0.5 s",
			},
		},
		"A delivery that is no JSON is shown as it is": {path: "/deliveries/4", facts: []string{">no json</pre>", "Nothing was planned."}},
		"A duplicate names the delivery it repeats":    {path: "/deliveries/3", facts: []string{`href="/deliveries/1">delivery 1</a>`}},
		"Hosts show who works on what, and why others don't": {
			path: "/hosts", facts: []string{
				"hub", `data-state="ready"`, "1.5 of 2.0", `href="/builds/3#task-12"`, "packages for x86_64, check", "60.0 GiB of disk", "3.0 GiB of memory", "average 1.25",
				"vf2", `data-state="silent"`, "0.0 of 1.0", "boards",
				`data-state="unready"`, "1.0 GiB of disk are free, min_disk is 8.0 GiB: /var/lib/distbot", `title="emulated">riscv64*`,
				`data-state="disabled"`, "its memory is exchanged",
				`data-state="offline"`, "never",
			},
		},
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
}

// Every link of every page must lead somewhere.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	// The fixture's other packages have rows but no files.
	s.exec("alter table rpms disable trigger rpms_keep_rows")
	s.exec("delete from rpms where path not in ('packages/libhello/1.2/1.fc37/x86_64/libhello-1.2-1.fc37.x86_64.rpm', 'packages/libhello/1.2/1.fc37/src/libhello-1.2-1.fc37.src.rpm')")
	for _, arch := range []string{"x86_64", "riscv64"} {
		s.write(s.config.ReposDir, "f37-build/1/"+arch+"/repodata/repomd.xml", "<repomd/>")
	}
	if err := os.Symlink("1", filepath.Join(s.config.ReposDir, "f37-build", "latest")); err != nil {
		t.Fatal(err)
	}
	if seen := s.crawl("/"); len(seen) < 150 {
		t.Errorf("only %d links were found: %v", len(seen), seen)
	}
}

// crawl follows all links of ours from a page and fails for those that lead
// nowhere. It returns what it has seen.
func (s *site) crawl(start string) map[string]bool {
	s.t.Helper()
	links := regexp.MustCompile(`(?:href|src|data-follow)="([^"]+)"`)
	queue, seen := []string{start}, map[string]bool{start: true}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if strings.Contains(path, "/follow?") {
			if a := s.do(http.MethodHead, path); a.status != http.StatusOK {
				s.t.Errorf("HEAD %s: status %d", path, a.status)
			}
			continue
		}
		a := s.get(path)
		if a.status >= 400 {
			s.t.Errorf("GET %s: status %d", path, a.status)
		}
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, match := range links.FindAllStringSubmatch(a.body, -1) {
			link, _, _ := strings.Cut(html.UnescapeString(match[1]), "#")
			if rest, ok := strings.CutPrefix(link, "./"); ok {
				link = path + rest
			} else if link == "../" {
				link = path[:strings.LastIndex(strings.TrimSuffix(path, "/"), "/")+1]
			}
			if strings.HasPrefix(link, "/") && !seen[link] {
				seen[link] = true
				queue = append(queue, link)
			}
		}
	}
	return seen
}

func TestBuildListHasPages(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.exec(`insert into builds (package_id, repository_id, target, build_tag, dest_tag, scratch, ref, commit_id, committed_at, spec, need_rev, planned_nvr, state)
		select 1, 1, 'f37', 2, 1, true, 'refs/heads/f37', md5(n::text), now(), 'x.spec', 1, 'paged-' || n || '-1', 'FAILED' from generate_series(6, 115) n`)
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`)
	path, builds, pages := "/?state=FAILED", map[string]bool{}, 0
	for path != "" {
		body := s.page(path)
		pages++
		for _, nvr := range regexp.MustCompile(`href="/builds/(\d+)"`).FindAllStringSubmatch(body, -1) {
			if builds[nvr[1]] {
				t.Errorf("build %s is on two pages", nvr[1])
			}
			builds[nvr[1]] = true
		}
		match := next.FindStringSubmatch(body)
		if path = ""; match != nil {
			path = strings.ReplaceAll(match[1], "&amp;", "&")
		}
	}
	if pages != 3 || len(builds) != 111 {
		t.Errorf("%d builds on %d pages, want 111 on 3", len(builds), pages)
	}
}
