package web

import (
	"context"
	_ "embed"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
)

//go:embed testdata/generations.sql
var generationsSQL string

// newGenerations is newTagFixture with the generations of
// testdata/generations.sql, and their files.
func newGenerations(t *testing.T, change ...func(*Config)) *site {
	t.Helper()
	s := newFixture(t, change...)
	s.exec(generationsSQL)
	for _, number := range []string{"3", "4"} {
		for _, arch := range []string{"x86_64", "riscv64"} {
			s.write(s.config.ReposDir, "f37/"+number+"/"+arch+"/Packages/README", "")
		}
	}
	s.latest("4")
	return s
}

// latest points the latest generation of f37 elsewhere.
func (s *site) latest(number string) {
	s.t.Helper()
	link := filepath.Join(s.config.ReposDir, "f37", ".partial-latest")
	if err := os.Symlink(number, link); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(s.config.ReposDir, "f37", "latest")); err != nil {
		s.t.Fatal(err)
	}
}

// signingOfTests tells of f37 that it is signed since generation 4.
func signingOfTests(_ context.Context, tag string, generation int64) (RepoSigning, error) {
	if tag != "f37" || generation != 0 && generation < 4 {
		return RepoSigning{Keys: []string{"https://distbot.example/keys/unused.asc"}}, nil
	}
	return RepoSigning{Packages: true, Metadata: true, Keys: []string{"https://distbot.example/keys/a.asc", "https://distbot.example/keys/b.asc"}}, nil
}

// rowOf is a generation with files.
func rowOf(number int64, arches ...string) db.GenerationsOfTagRow {
	return db.GenerationsOfTagRow{Directory: "f37", Number: number, State: "published", Arches: arches}
}

// lacks fails for what a page must not say.
func (s *site) lacks(path string, facts ...string) {
	s.t.Helper()
	body := s.page(path)
	for _, fact := range facts {
		if strings.Contains(body, fact) {
			s.t.Errorf("GET %s: there is %q in:\n%s", path, fact, body)
		}
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	held := `<strong>The repository of f37 is held</strong> at what <a href="/repos/f37/2">generation 2</a> held: pat went back to it`

	t.Run("are listed with what each shows, changed and was triggered by", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		body := s.page("/repos/f37", held, "libhello 1.3 &lt;b&gt;eats&lt;/b&gt; files", "<code>distbot repo publish f37</code>",
			`data-state="latest"`, `<span class="chip warn">held</span>`, `went back to <a href="/repos/f37/2">2</a>`,
			`2 <span class="quiet">−2</span>`, `kim, pat <span class="quiet num">2 changes</span>`, `data-state="expired"`, "37.2 MiB")
		s.page("/repos/f37-build", `<td class="num c-number">2</td>`, `<span class="quiet">begun <time`, `<td class="right nowrap num c-packages"></td>`, "not known yet")
		if strings.Index(body, `c-number"><a href="/repos/f37/4"`) > strings.Index(body, `c-number"><a href="/repos/f37/3"`) {
			t.Error("the newest is not first")
		}
	})
	t.Run("are read page by page", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		s.page("/repos/f37?before=3", `href="/repos/f37/2"`, `href="/repos/f37"`, "First page")
		s.lacks("/repos/f37?before=3", `c-number"><a href="/repos/f37/4"`)
		s.page("/repos/f37?before=1", "There are none before that.")
		if a := s.get("/repos/f37?before=x"); a.status != http.StatusBadRequest {
			t.Errorf("status %d", a.status)
		}
	})
	t.Run("have a page each, with what changed, by which events, and how to go back to it", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		s.page("/repos/f37/3", held, "What changed since generation 2", `data-state="published"`,
			`<span class="mono">libhello-devel.x86_64</span>`, `<span class="quiet">is gone</span>`,
			`<a href="/builds/1">1.2-1.fc37</a>`, `<a href="/builds/6">1.3-1.fc37</a>`, "block libhello-devel", `href="/tags/f37/history"`,
			`href="/repos/f37/3/x86_64/"`, `href="/repos/f37/3/"`, "[f37-g3]\nname=f37 generation 3 - $basearch\nbaseurl=https://distbot.example/repos/f37/3/$basearch/\n",
			"metadata_expire=never", `<pre id="go-back">distbot repo rollback f37 3</pre>`, `libhello-1.3-1.fc37.x86_64`, "−2", "&#43;2.8 MiB")
		s.page("/repos/f37/4", `<span class="chip">went back to 2</span>`, "libhello 1.3 &lt;b&gt;eats&lt;/b&gt; files")
		s.lacks("/repos/f37/4", "go-back", "block libhello-devel")
	})
	t.Run("are searched", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		s.page("/repos/f37/2?name=DEVEL", "libhello-devel-1.2-1.fc37.x86_64", "libhello-devel-1.2-1.fc37.riscv64", "2 in all")
		s.lacks("/repos/f37/2?name=DEVEL", "libhello-1.2-1.fc37.x86_64")
		s.page("/repos/f37/2?arch=riscv64", "libhello-1.2-1.fc37.riscv64", "2 in all")
		s.page("/repos/f37/2?name=100%25", "No package is like that.")
		s.page("/repos/f37/2?start=99", "There are no more.")
	})
	t.Run("are known when their files are gone", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		s.page("/repos/f37/1", "Its files were removed", "It is the first of this repository.")
		s.lacks("/repos/f37/1", "[f37-g1]", `href="/repos/f37/1/"`, "go-back")
		if a := s.get("/repos/f37/1.repo"); a.status != http.StatusNotFound {
			t.Errorf("its .repo file: status %d", a.status)
		}
	})
	t.Run("that are not, are not there", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		for _, path := range []string{"/repos/f37/99", "/repos/f37/99.repo", "/repos/nope/1", "/repos/nope/1.repo", "/repos/f37-build/2", "/repos/f37/0", "/repos/f37/999999999999999999", "/repos/f37/3x.repo"} {
			a := s.get(path)
			if a.status == http.StatusFound {
				a = s.get(a.header.Get("Location"))
			}
			if a.status != http.StatusNotFound {
				t.Errorf("GET %s: status %d", path, a.status)
			}
		}
	})
	t.Run("say their groups as of their event", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		s.page("/repos/f37/3", "It has none.")
	})
}

func TestGenerationsOfAHeldTagAreTold(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	t.Run("on the pages of the tag", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		for _, path := range []string{"/repos", "/repos/f37", "/repos/f37/2", "/tags/f37", "/tags/f37/builds", "/tags/f37/history"} {
			s.page(path, "The repository of f37 is held", "pat went back to it", "distbot repo publish f37", "20 minutes ago")
		}
		s.lacks("/tags/f37?event=2", "is held")
		s.lacks("/tags/f38", "is held")
		s.page("/tags", `data-state="held"`)
		s.page("/repos", `data-state="held"`)
	})
	t.Run("by builds that were made with one", func(t *testing.T) {
		t.Parallel()
		s := newGenerations(t)
		s.exec("update tasks set generation_id = (select made_id from repo_holds where tag_id = 1) where build_id = 1 and method = 'buildSRPM'")
		s.page("/builds/1", ">f37, generation ", "held at generation ", " by pat")
	})
	t.Run("to builds that wait for it", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		const why = "the repository of f37-build is held at generation 1 since 2026-03-01 11:45 UTC by kim, and the build was asked for when it showed more: distbot repo publish f37-build ends that"
		s.page("/queue", why)
		s.page("/builds/3", why)
		s.page("/api/v1/builds/3", why)
		s.page("/api/v1/queue", why)
	})
}

func TestAGenerationThatChangesMuch(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	s.exec(`with made as (insert into rpms (build_id, name, epoch, version, release, arch, source, sha256, size, build_time, path)
			select 6, 'plugin-' || n, 1, '1.3', '1.fc37', 'noarch', false, md5(n::text), 10, 0, 'plugin-' || n from generate_series(100, 259) n returning id)
		insert into repo_rpms (tag_id, rpm_id, arch, since, until) select 1, made.id, 'x86_64', g.id, next.id from made, repo_generations g, repo_generations next
			where g.tag_id = 1 and g.number = 3 and next.tag_id = 1 and next.number = 4`)
	t.Run("shows some changes, and all on demand", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		const row = `<span class="hidden">added </span>`
		if n := strings.Count(s.page("/repos/f37/3", `<a href="/repos/f37/3?changes=all">All changes</a> <span class="quiet num">114 more</span>`), row); n != changeRows-4 {
			t.Errorf("%d packages are shown as added, want %d beside the four others", n, changeRows-4)
		}
		if n := strings.Count(s.page("/repos/f37/3?changes=all", "1:1.3-1.fc37"), row); n != 160 {
			t.Errorf("%d packages are shown as added, want 160", n)
		}
		if a := s.get("/repos/f37/3?changes=some"); a.status != http.StatusBadRequest {
			t.Errorf("status %d", a.status)
		}
	})
	t.Run("lists its packages page by page", func(t *testing.T) {
		t.Parallel()
		s := s.in(t)
		seen := map[string]bool{}
		next := regexp.MustCompile(`href="([^"#]+)#packages" rel="next"`)
		path, pages := "/repos/f37/3?arch=x86_64", 0
		for ; path != "" && pages < 10; pages++ {
			body := s.page(path)
			for _, m := range regexp.MustCompile(`<td class="main mono">([^<]+)</td>`).FindAllStringSubmatch(body, -1) {
				if seen[m[1]] {
					t.Errorf("%s is on two pages", m[1])
				}
				seen[m[1]] = true
			}
			m := next.FindStringSubmatch(body)
			if path = ""; m != nil {
				path = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if pages != 2 || len(seen) != 161 || !seen["plugin-259-1:1.3-1.fc37.noarch"] {
			t.Errorf("%d packages on %d pages, want 161 on 2", len(seen), pages)
		}
	})
}

func TestEveryLinkOfGenerationsLeadsSomewhere(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	rows, err := s.pool.Query(t.Context(), "select path from rpms")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		s.write(s.config.StoreDir, path, "package")
	}
	for _, arch := range []string{"x86_64", "riscv64"} {
		s.write(s.config.ReposDir, "f37-build/1/"+arch+"/repodata/repomd.xml", "<repomd/>")
	}
	if err := os.Symlink("1", filepath.Join(s.config.ReposDir, "f37-build", "latest")); err != nil {
		t.Fatal(err)
	}
	if seen := s.crawl("/repos/f37/3"); len(seen) < 100 {
		t.Errorf("only %d links were found: %v", len(seen), seen)
	}
}

func TestABuildSaysWhichRepositoryItSaw(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	s.exec("update repo_generations set event = 1 where id = 3")
	s.exec("insert into tag_revs (tag_id, rev, event) values (2, 9, 4)")
	s.page("/builds/1", `<a href="/repos/f37-build/1">f37-build, generation 1</a>`, `<a href="/tags/f37-build?event=1">events 1–3</a>`)
	s.page("/builds/1/buildroot/3", `<a href="/repos/f37-build/1">f37-build, generation 1</a>`)
	s.exec("update tasks set generation_id = (select id from repo_generations where tag_id = 1 and number = 4) where id = 4")
	s.page("/builds/1", `held at generation 2 since 2026-03-01 11:40 UTC by pat (libhello 1.3 &lt;b&gt;eats&lt;/b&gt; files): packages for riscv64`, "source package, packages for x86_64")
	s.lacks("/builds/2", "Built with")
}

func TestAPIAnswersAboutGenerations(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	// The installation's own event is of today.
	s.exec("update events set at = '2026-01-01T00:00:00Z' where id = 1")
	s.answersAre(t, map[string]string{
		"generations": "/api/v1/repos/f37/generations?limit=3", "generation": "/api/v1/repos/f37/generations/3?arch=x86_64&limit=1",
		"generations_diff": "/api/v1/repos/f37/diff?from=2&to=3", "repos_held": "/api/v1/repos", "build_saw": "/api/v1/builds/1",
	})
	for path, want := range map[string]int{
		"/api/v1/repos/f37/diff": 400, "/api/v1/repos/f37/diff?from=1": 400, "/api/v1/repos/f37/diff?from=x&to=2": 400, "/api/v1/repos/f37/diff?from=2&to=99": 404,
		"/api/v1/repos/nope/diff?from=1&to=2": 404, "/api/v1/repos/nope/generations": 404, "/api/v1/repos/f37/generations/99": 404, "/api/v1/repos/f37/generations/x": 404,
		"/api/v1/repos/f37-build/generations/2": 404, "/api/v1/repos/f37/generations?before=-1": 400,
	} {
		if a := s.get(path); a.status != want || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
			t.Errorf("GET %s: status %d, %s, want %d", path, a.status, a.header.Get("Content-Type"), want)
		}
	}
}

// modules gives generation 4 of f37 these module documents.
func (s *site) modules(t *testing.T, arch, text string) {
	t.Helper()
	dir := filepath.Join(s.config.ReposDir, "f37/4", arch)
	if err := os.RemoveAll(filepath.Join(dir, "repodata")); err != nil {
		t.Fatal(err)
	}
	if _, err := repomd.WriteEmpty(t.Context(), dir, repomd.Options{Revision: "4", Modules: []byte(text)}); err != nil {
		t.Fatal(err)
	}
}

func TestModulesOfAGeneration(t *testing.T) {
	t.Parallel()
	s := newGenerations(t)
	const docs = `---
document: modulemd
version: 2
data: {name: nodejs, stream: 1.10, version: 20260301, context: 00000000, arch: x86_64, summary: s, description: d, license: {module: [MIT]}}
---
document: modulemd-defaults
version: 1
data: {module: nodejs, stream: "1.10"}
---
document: modulemd
version: 2
data: {name: "<script>", stream: rhel8, version: 5, arch: x86_64, summary: s, description: d, license: {module: [MIT]}}
`
	for arch, text := range map[string]string{"x86_64": docs, "riscv64": strings.ReplaceAll(docs, "<script>", "other")} {
		dir := filepath.Join(s.config.ReposDir, "f37/3", arch)
		if _, err := repomd.WriteEmpty(t.Context(), dir, repomd.Options{Revision: "3", Modules: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	s.page("/repos/f37/3", `<span class="mono">nodejs:1.10</span> <span class="quiet mono">20260301:00000000</span> <span class="chip">x86_64</span> <span class="chip">riscv64</span>`,
		`&lt;script&gt;:rhel8</span> <span class="quiet mono">5</span> <span class="chip">x86_64</span>`)
	t.Run("that can't be read leave the rest of the page", func(t *testing.T) {
		s := s.in(t)
		s.modules(t, "x86_64", "document: [modulemd\n")
		s.page("/repos/f37/4", "Clients can&#39;t use some module documents of x86_64", "libhello-1.2-1.fc37.x86_64")
	})
	t.Run("that clients can't use are told, beside those that they can", func(t *testing.T) {
		s := s.in(t)
		s.modules(t, "x86_64", docs+"---\ndocument: modulemd\nversion: 2\ndata: {name: broken, stream: s, version: x}\n")
		s.page("/repos/f37/4", "nodejs:1.10", "Clients can&#39;t use some module documents of x86_64")
		s.lacks("/repos/f37/4", "broken:s")
	})
	t.Run("that are too many bytes are not read", func(t *testing.T) {
		s := s.in(t)
		s.modules(t, "riscv64", strings.Repeat("#", maxModulesBytes+1))
		s.page("/repos/f37/4", "There are more: modules.yaml has them all.")
	})
	t.Run("that are too many are cut", func(t *testing.T) {
		s := s.in(t)
		var many strings.Builder
		for i := range maxModulesListed + 1 {
			many.WriteString(streamDoc("m" + strconv.Itoa(i)))
		}
		s.modules(t, "riscv64", many.String())
		lines, tell := (&server{Config: s.config, modules: newModuleLists()}).modulesOfGeneration(t.Context(), generationLine{Tag: "f37", GenerationsOfTagRow: rowOf(4, "riscv64")})
		if len(lines) != maxModulesListed || !strings.Contains(tell, "There are more") {
			t.Errorf("%d are listed, %q", len(lines), tell)
		}
	})
}

func TestSignedRepositoriesHaveKeys(t *testing.T) {
	t.Parallel()
	s := newGenerations(t, func(c *Config) { c.Signing = signingOfTests })
	want := "[f37]\nname=f37 - $basearch\nbaseurl=https://distbot.example/repos/f37/latest/$basearch/\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n" +
		"gpgkey=https://distbot.example/keys/a.asc https://distbot.example/keys/b.asc\nmetadata_expire=5m\n"
	if diff := cmp.Diff(want, s.get("/repos/f37.repo").body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = "[f37-g4]\nname=f37 generation 4 - $basearch\nbaseurl=https://distbot.example/repos/f37/4/$basearch/\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n" +
		"gpgkey=https://distbot.example/keys/a.asc https://distbot.example/keys/b.asc\nmetadata_expire=never\n"
	if diff := cmp.Diff(want, s.get("/repos/f37/4.repo").body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// It was made before the tag named keys.
	want = "[f37-g3]\nname=f37 generation 3 - $basearch\nbaseurl=https://distbot.example/repos/f37/3/$basearch/\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=0\nmetadata_expire=never\n"
	if diff := cmp.Diff(want, s.get("/repos/f37/3.repo").body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.page("/repos/f37/3", "gpgcheck=0\nrepo_gpgcheck=0\nmeta", "Packages are not signed")
	s.lacks("/repos/f37/4", "Packages are not signed")
	s.lacks("/repos/f37", "Packages are not signed")
	s.page("/repos/f37-build", "gpgcheck=0\nrepo_gpgcheck=0\nmeta", "Packages are not signed")
}
