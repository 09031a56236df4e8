package web

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	rpmPath   = "/packages/libhello/1.2/1.fc37/x86_64/libhello-1.2-1.fc37.x86_64.rpm"
	repomdXML = "/x86_64/repodata/repomd.xml"
	inRepo    = "/x86_64/Packages/l/libhello-1.2-1.fc37.x86_64.rpm"
	scratch   = "/scratch/4/x86_64/hello-data-5-1.fc37.noarch.rpm"
	passwd    = "root:"
	keepLong  = "public, max-age=31536000, immutable"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for name, test := range map[string]struct {
		path, body, media, cache string
	}{
		"A package is served by Koji's layout":   {rpmPath, "0123456789", "application/x-rpm", keepLong},
		"A scratch build's package is served":    {scratch, "scratch", "application/x-rpm", keepLong},
		"A generation is served for good":        {"/repos/f37/1" + repomdXML, "<repomd><revision>1</revision></repomd>", "application/xml", keepLong},
		"The latest generation is asked for":     {"/repos/f37/latest" + repomdXML, "<repomd><revision>2</revision></repomd>", "application/xml", "no-cache"},
		"A package of a repository is served":    {"/repos/f37/2" + inRepo, "0123456789", "application/x-rpm", keepLong},
		"A package of the latest is asked for":   {"/repos/f37/latest" + inRepo, "0123456789", "application/x-rpm", "no-cache"},
		"Escaped characters of a name are plain": {strings.ReplaceAll(rpmPath, "-", "%2D"), "0123456789", "application/x-rpm", keepLong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.in(t).get(test.path)
			if a.status != http.StatusOK || a.body != test.body {
				t.Fatalf("status %d, body %q, want 200 and %q", a.status, a.body, test.body)
			}
			if got := a.header.Get("Content-Type"); got != test.media {
				t.Errorf("Content-Type %q, want %q", got, test.media)
			}
			if got := a.header.Get("Cache-Control"); got != test.cache {
				t.Errorf("Cache-Control %q, want %q", got, test.cache)
			}
			if got := a.header.Get("Content-Security-Policy"); got != filePolicy {
				t.Errorf("Content-Security-Policy %q, want that of files", got)
			}
			if tag := a.header.Get("ETag"); !strings.HasPrefix(tag, `"`) {
				t.Errorf("ETag %q is no strong validator", tag)
			}
		})
	}
}

func TestFilesCanBeReadInPartsAndAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	tag := s.get(rpmPath).header.Get("ETag")
	if a := s.get(rpmPath, "Range", "bytes=2-4"); a.status != http.StatusPartialContent || a.body != "234" || a.header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("range: status %d, body %q, Content-Range %q", a.status, a.body, a.header.Get("Content-Range"))
	}
	if a := s.get(rpmPath, "Range", "bytes=2-", "If-Range", tag); a.status != http.StatusPartialContent || a.body != "23456789" {
		t.Errorf("rest of the same file: status %d, body %q", a.status, a.body)
	}
	if a := s.get(rpmPath, "Range", "bytes=2-", "If-Range", `"other"`); a.status != http.StatusOK || a.body != "0123456789" {
		t.Errorf("rest of another file: status %d, body %q, want the whole", a.status, a.body)
	}
	if a := s.get(rpmPath, "Range", "lines=2-4"); a.status != http.StatusOK || a.body != "0123456789" {
		t.Errorf("range of lines: status %d, body %q, want the whole", a.status, a.body)
	}
	if a := s.get(rpmPath, "Range", "bytes=99-"); a.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("range beyond the end: status %d", a.status)
	}
	if a := s.get(rpmPath, "If-None-Match", tag); a.status != http.StatusNotModified || a.body != "" {
		t.Errorf("asked for again: status %d, body %q, want 304", a.status, a.body)
	}
	if a := s.do(http.MethodHead, rpmPath); a.status != http.StatusOK || a.header.Get("Content-Length") != "10" || a.body != "" {
		t.Errorf("HEAD: status %d, length %s", a.status, a.header.Get("Content-Length"))
	}
}

func TestWhatIsAskedForSinceATime(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	future := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	// Two generations of one second have the same time.
	for name, want := range map[string]int{
		"/repos/f37/latest" + repomdXML: http.StatusOK,
		"/repos/f37/latest" + inRepo:    http.StatusNotModified,
		"/repos/f37/1" + repomdXML:      http.StatusNotModified,
	} {
		if a := s.get(name, "If-Modified-Since", future); a.status != want {
			t.Errorf("%s: status %d, want %d", name, a.status, want)
		}
	}
}

func TestLatestMovesOnAtOnce(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	before := s.get("/repos/f37/latest" + repomdXML)
	s.write(s.config.ReposDir, "f37/3"+repomdXML, "<repomd><revision>3</revision></repomd>")
	link := filepath.Join(s.config.ReposDir, "f37", ".partial-latest")
	if err := os.Symlink("3", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(s.config.ReposDir, "f37", "latest")); err != nil {
		t.Fatal(err)
	}
	after := s.get("/repos/f37/latest"+repomdXML, "If-None-Match", before.header.Get("ETag"))
	if after.status != http.StatusOK || !strings.Contains(after.body, "<revision>3<") {
		t.Errorf("status %d, body %q, want generation 3", after.status, after.body)
	}
	primary := "/x86_64/repodata/" + strings.Repeat("0123", 16) + "-primary.xml.gz"
	s.write(s.config.ReposDir, "f37/2"+primary, "primary of 2")
	if a := s.get("/repos/f37/latest" + primary); a.status != http.StatusOK || a.body != "primary of 2" {
		t.Errorf("metadata that a reader of generation 2 asks for: status %d, body %q", a.status, a.body)
	}
	if a := s.get("/repos/f37/latest/x86_64/repodata/" + strings.Repeat("4567", 16) + "-primary.xml.gz"); a.status != http.StatusNotFound {
		t.Errorf("metadata that no generation has: status %d, want 404", a.status)
	}
}

func TestWhatIsNotPublicIsNotThere(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	repos, store := s.config.ReposDir, s.config.StoreDir
	for link, target := range map[string]string{
		repos + "/f37/2/x86_64/passwd":              "/etc/passwd",
		repos + "/f37/2/x86_64/etc":                 "/etc",
		repos + "/f37/2/x86_64/near":                "repodata/repomd.xml",
		repos + "/f37/77":                           "/etc",
		repos + "/f37/78":                           "2",
		repos + "/evil":                             "/",
		repos + "/other":                            "f37",
		store + "/packages/libhello/1.2/blob":       "../../../blobs/ab/abcdef",
		store + "/packages/libhello/1.2/blobs":      "../../../blobs",
		store + "/packages/blobs":                   "../blobs",
		store + "/scratch/5":                        "../tmp",
		store + "/packages/libhello/1.2/1.fc37/abs": store + "/blobs/ab/abcdef",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(repos+"/bad", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../etc", repos+"/bad/latest"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/repos/f37/2/x86_64/passwd", "/repos/f37/2/x86_64/etc/passwd", "/repos/f37/2/x86_64/near", "/repos/f37/77/passwd", "/repos/f37/78" + repomdXML, "/repos/evil/1/etc/passwd",
		"/repos/other/2" + repomdXML, "/repos/bad/latest/passwd", "/repos/f37/latest/../../../../etc/passwd", "/repos/f37/2/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
		"/repos/f37/2/..%2f..%2f..%2fetc%2fpasswd", "/repos/f37%2f2/x86_64/repodata/repomd.xml", "/repos/..%2f..%2fetc/1/passwd", "/repos/f37/2/x86_64%2frepodata/repomd.xml",
		`/repos/f37/2/x86_64\repodata\repomd.xml`, "/repos/f37/2/x86_64/repodata/repomd.xml/", "/repos/f37/2/x86_64/repodata/repomd.xml/x", "/repos/f37/2/x86_64/nope",
		"/repos/f37/.lock", "/repos/f37/.partial-3/x86_64/repodata/repomd.xml", "/repos/f37/9/x86_64/", "/repos/f37/02" + repomdXML, "/repos/f37/-1/x", "/repos/f37/latest/x86_64/%00",
		"/repos/f37/2/" + strings.Repeat("a", 5000), "/repos/nope/latest" + repomdXML, "/repos/./1/x", "/repos/%2e%2e/1/x",
		"/packages/libhello/1.2/blob", "/packages/libhello/1.2/blobs/ab/abcdef", "/packages/blobs/ab/abcdef", "/packages/libhello/1.2/1.fc37/abs", "/scratch/5/half",
		"/packages/libhello/../../blobs/ab/abcdef", "/packages/..%2fblobs/ab/abcdef", "/packages/%2e%2e/blobs/ab/abcdef", "/scratch/%2e%2e/tmp/half", "/scratch/..%2ftmp/half",
		"/blobs/ab/abcdef", "/tmp/half", "/store/blobs/ab/abcdef", "/static/../server.go", "/static/nope.css", "/scratch/nope/x",
	} {
		a := s.get(path)
		for a.status >= 300 && a.status < 400 {
			location := a.header.Get("Location")
			if !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") {
				t.Fatalf("GET %s: redirected to %q", path, location)
			}
			a = s.get(location)
		}
		if a.status != http.StatusNotFound || strings.Contains(a.body, passwd) || strings.Contains(a.body, "revision") || a.body == "blob" || a.body == "half" {
			t.Errorf("GET %s: status %d, want 404; body:\n%.300s", path, a.status, a.body)
		}
	}
}

// A raw request line is not cleaned by any client.
func TestRawTraversalIsRefused(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, target := range []string{
		"/repos/f37/2/../../../../../../etc/passwd", "/packages/libhello/../../../../etc/passwd", "//etc/passwd", "/repos//f37/..//..//etc/passwd", "http://x/repos/f37/2/../../../etc/passwd",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			text.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		if got := text.String(); strings.Contains(got, passwd) || strings.HasPrefix(got, "HTTP/1.1 200") || !strings.HasPrefix(got, "HTTP/1.1 ") {
			t.Errorf("GET %s: %.300s", target, got)
		}
	}
}

func TestListings(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	body := s.page("/packages/libhello/1.2/1.fc37/", `href="./src/"`, `href="./x86_64/"`, `href="../"`)
	if strings.Index(body, "./src/") > strings.Index(body, "./x86_64/") {
		t.Error("a listing is not sorted")
	}
	s.page("/repos/f37/latest/x86_64/repodata/", `href="./repomd.xml"`, "39 B")
	s.page("/repos/f37/2/", `href="/repos/f37/2"`, `href="./x86_64/"`)
	s.page("/repos/f37/latest/", `href="/repos/f37"`, `href="./x86_64/"`)
	s.write(s.config.StoreDir, "packages/libhello/1.2/1.fc37/x86_64/.hidden", "")
	if err := os.Symlink("/etc/passwd", filepath.Join(s.config.StoreDir, "packages/libhello/1.2/1.fc37/x86_64/link")); err != nil {
		t.Fatal(err)
	}
	if body := s.page("/packages/libhello/1.2/1.fc37/x86_64/"); strings.Contains(body, "hidden\"") || strings.Contains(body, "./link") {
		t.Errorf("a listing shows what is not served:\n%s", body)
	}
	for path, way := range map[string]string{
		"/repos/f37/2/":                               `<a href="/repos">Repositories</a> / <a href="/repos/f37">f37</a> / <a href="/repos/f37/2">generation 2</a> / 2</nav>`,
		"/repos/f37/2/x86_64/repodata/":               `<a href="/repos/f37/2">generation 2</a> / <a href="/repos/f37/2/">files</a> / <a href="/repos/f37/2/x86_64/">x86_64</a> / repodata</nav>`,
		"/repos/f37/latest/x86_64/":                   `<a href="/repos/f37">f37</a> / <a href="/repos/f37/latest/">files</a> / x86_64</nav>`,
		"/packages/libhello/1.2/1.fc37/":              `<a href="/packages">Packages</a> / <a href="/packages/libhello">libhello</a> / <a href="/packages/libhello/1.2/">1.2</a> / 1.fc37</nav>`,
		"/scratch/4/x86_64/":                          `<a href="/">Builds</a> / <a href="/builds/4">build 4</a> / <a href="/scratch/4/">files</a> / x86_64</nav>`,
		"/packages/libhello/1.2/1.fc37/%78%38%36_64/": `<a href="/packages/libhello/1.2/1.fc37/">1.fc37</a> / x86_64</nav>`,
	} {
		if body := s.page(path, way); strings.Contains(body, "<script") {
			t.Errorf("GET %s: a listing has a script", path)
		}
	}
	for from, to := range map[string]string{
		"/packages/":                        "/packages",
		"/repos/":                           "/repos",
		"/packages/libhello/":               "/packages/libhello",
		"/repos/f37/":                       "/repos/f37",
		"/packages/libhello/1.2":            "/packages/libhello/1.2/",
		"/repos/f37/latest":                 "/repos/f37/latest/",
		"/repos/f37/latest/x86_64/repodata": "/repos/f37/latest/x86_64/repodata/",
	} {
		if a := s.get(from); a.status != http.StatusFound || a.header.Get("Location") != to {
			t.Errorf("GET %s: status %d, Location %q, want 302 to %s", from, a.status, a.header.Get("Location"), to)
		}
	}
}

func TestDnfRepoFile(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	a := s.get("/repos/f37.repo")
	want := "[f37]\nname=f37 - $basearch\nbaseurl=https://distbot.example/repos/f37/latest/$basearch/\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=0\nmetadata_expire=5m\n"
	if a.status != http.StatusOK || a.body != want || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("status %d, Content-Type %q, body:\n%s", a.status, a.header.Get("Content-Type"), a.body)
	}
	if a := s.get("/repos/nope.repo"); a.status != http.StatusNotFound {
		t.Errorf("a tag nobody knows: status %d", a.status)
	}
}

func TestATagMayBeCalledLikeARepoFile(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.exec("update tags set name = 'x.repo' where name = 'f38'")
	to := func(status int, location string) {
		t.Helper()
		if a := s.get("/repos/x.repo"); a.status != status || a.header.Get("Location") != location {
			t.Errorf("/repos/x.repo: status %d, Location %q, want %d and %q", a.status, a.header.Get("Location"), status, location)
		}
	}
	to(http.StatusFound, "/repos/x.repo/")
	s.page("/repos/x.repo/", "<h1>x.repo</h1>")
	s.page("/repos", `href="/repos/x.repo/"`)
	s.page("/repos/x.repo.repo", "[x.repo]")
	if a := s.get("/repos/y.repo/"); a.status != http.StatusNotFound {
		t.Errorf("a tag nobody knows: status %d", a.status)
	}
	s.exec("update tags set name = 'x' where name = 'f37-build'")
	to(http.StatusOK, "")
	s.page("/repos/x.repo", "[x]\n")
	s.page("/repos/x.repo/", "<h1>x.repo</h1>")
}
