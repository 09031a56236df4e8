package web

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// clients are a site whose files real clients read: its address is its own.
type clients struct{ *site }

// newClients serves f37 with generations 2 and 3, each with one version of a
// package.
func newClients(t *testing.T) *clients {
	t.Helper()
	s := newFixture(t)
	server := httptest.NewUnstartedServer(nil)
	s.config.ExternalURL = "http://" + server.Listener.Addr().String()
	handler, err := New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	s.url, s.client = server.URL, server.Client()
	c := &clients{s}
	s.exec("insert into repo_generations (tag_id, number, rev, state, arches, packages, published_at) values (1, 3, 9, 'published', '{x86_64}', 1, now())")
	for _, number := range []string{"2", "3"} {
		if err := os.RemoveAll(filepath.Join(s.config.ReposDir, "f37", number)); err != nil {
			t.Fatal(err)
		}
		c.repository("f37/"+number+"/x86_64", number)
	}
	s.latest("2")
	return c
}

// repository writes a repository with one version of the package.
func (c *clients) repository(dir, version string) {
	c.t.Helper()
	raw := rpmtest.Pack(c.t, rpmpack.RPMMetaData{
		Name: "hello", Version: version, Release: "1", Arch: "x86_64", Summary: "hello", BuildTime: time.Unix(1_700_000_000, 0),
	}, func(r *rpmpack.RPM) {
		r.AddFile(rpmpack.RPMFile{Name: "/usr/share/hello/data", Body: bytes.Repeat([]byte(version+"\n"), 5000), Mode: 0o644})
	})
	name := "Packages/h/hello-" + version + "-1.x86_64.rpm"
	c.write(c.config.ReposDir, dir+"/"+name, string(raw))
	pkg, digest, err := rpmfile.ReadFile(filepath.Join(c.config.ReposDir, dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	fragments, err := repomd.Render(pkg, repomd.File{Href: name, SHA256: digest.SHA256, Size: int64(len(raw)), Time: 1_700_000_000})
	if err != nil {
		c.t.Fatal(err)
	}
	entries := func(yield func(repomd.Entry, error) bool) {
		yield(repomd.Entry{NEVRA: pkg.NEVRA, SHA256: digest.SHA256, Fragments: fragments}, nil)
	}
	if _, err := repomd.Write(c.t.Context(), filepath.Join(c.config.ReposDir, dir), 1, entries, repomd.Options{Revision: version}); err != nil {
		c.t.Fatal(err)
	}
}

// run runs a tool and returns what it said on standard output.
func (c *clients) run(name string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), rpmtest.Tool(c.t, name), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("%s: %v\n%s%s", cmd, err, &stdout, &stderr)
	}
	return stdout.String()
}

// system makes a system whose only repository is a .repo file of the site. dnf
// reads metadata again when that file is newer.
func (c *clients) system(repoFile string) (state string) {
	c.t.Helper()
	state = c.t.TempDir()
	c.write(state, "dnf.conf", "[main]\n")
	c.run("curl", "--silent", "--show-error", "--fail", "--create-dirs", "--output", filepath.Join(state, "repos", "site.repo"), c.url+repoFile)
	return state
}

// dnf runs dnf in a system.
func (c *clients) dnf(state string, args ...string) string {
	c.t.Helper()
	return c.run("dnf", append([]string{
		"--quiet", "--config=" + state + "/dnf.conf", "--forcearch=x86_64", "--releasever=37", "--noplugins", "--setopt=reposdir=" + state + "/repos",
		"--installroot=" + state + "/root", "--setopt=cachedir=" + state + "/cache", "--setopt=persistdir=" + state + "/persist", "--setopt=logdir=" + state,
	}, args...)...)
}

func TestDnfReadsWhatIsServed(t *testing.T) {
	t.Parallel()
	c := newClients(t)
	state := c.system("/repos/f37.repo")
	if out := c.dnf(state, "repoquery", "hello"); strings.TrimSpace(out) != "hello-0:2-1.x86_64" {
		t.Fatalf("dnf finds %q", out)
	}

	// A switch behind the back of dnf, which has read repomd.xml of generation
	// 2: what that names is still there.
	c.latest("3")
	c.dnf(state, "--assumeyes", "install", "--downloadonly", "--downloaddir="+state+"/down", "hello")
	got, err := os.ReadFile(filepath.Join(state, "down", "hello-2-1.x86_64.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(c.config.ReposDir, "f37/2/x86_64/Packages/h/hello-2-1.x86_64.rpm"))
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("dnf got %d bytes, want %d, %v", len(got), len(want), err)
	}

	t.Run("the latest, once it looks again", func(t *testing.T) {
		if out := c.dnf(state, "--refresh", "repoquery", "hello"); strings.TrimSpace(out) != "hello-0:3-1.x86_64" {
			t.Errorf("dnf finds %q", out)
		}
	})
	t.Run("one generation for good", func(t *testing.T) {
		state := c.system("/repos/f37/2.repo")
		for range 2 {
			if out := c.dnf(state, "--refresh", "repoquery", "hello"); strings.TrimSpace(out) != "hello-0:2-1.x86_64" {
				t.Errorf("dnf finds %q", out)
			}
		}
	})
}

// TestCurlReadsWhatIsServed asks as mirrors, proxies and interrupted downloads
// do.
func TestCurlReadsWhatIsServed(t *testing.T) {
	t.Parallel()
	c := newClients(t)
	dir := t.TempDir()
	rpm := c.url + "/repos/f37/2/x86_64/Packages/h/hello-2-1.x86_64.rpm"
	want, err := os.ReadFile(filepath.Join(c.config.ReposDir, "f37/2/x86_64/Packages/h/hello-2-1.x86_64.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	same := func(name string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s has %d bytes, want the %d of the package, %v", name, len(got), len(want), err)
		}
	}

	c.write(dir, "broken.rpm", string(want[:100]))
	c.run("curl", "--silent", "--show-error", "--fail", "--continue-at", "-", "--output", filepath.Join(dir, "broken.rpm"), rpm)
	same("broken.rpm")

	ask := func(args ...string) string {
		t.Helper()
		return c.run("curl", append([]string{"--silent", "--show-error", "--output", filepath.Join(dir, "out"), "--write-out", "%{http_code} %{size_download}"}, args...)...)
	}
	etags := filepath.Join(dir, "etags")
	if got := ask("--etag-save", etags, rpm); got != fmt.Sprintf("200 %d", len(want)) {
		t.Errorf("the first time: %s", got)
	}
	same("out")
	if got := ask("--etag-compare", etags, rpm); got != "304 0" {
		t.Errorf("again: %s, want 304 without a body", got)
	}
	if got := ask("--etag-compare", etags, strings.Replace(rpm, "/2/", "/latest/", 1)); got != "304 0" {
		t.Errorf("the same file under latest/: %s, want 304 without a body", got)
	}
	if got := ask("--time-cond", filepath.Join(c.config.ReposDir, "f37/2/x86_64/Packages/h/hello-2-1.x86_64.rpm"), rpm); got != "304 0" {
		t.Errorf("by time: %s, want 304 without a body", got)
	}
	if got := ask("--head", rpm); !strings.HasPrefix(got, "200 ") {
		t.Errorf("HEAD: %s", got)
	}
	for ranges, code := range map[string]string{"0-0": "206 1", "-7": "206 7", fmt.Sprint(len(want)) + "-": "416"} {
		if got := ask("--range", ranges, rpm); !strings.HasPrefix(got, code) {
			t.Errorf("bytes %s: %s, want %s", ranges, got, code)
		}
	}
	// Of another generation nothing may be appended to what is there.
	if got := ask("--header", "If-Range: \"other\"", "--range", "5-", rpm); got != fmt.Sprintf("200 %d", len(want)) {
		t.Errorf("the rest of another file: %s, want the whole", got)
	}
	// HTML is for people; a client that asks for a listing's files follows links
	// without a script.
	if out := c.run("curl", "--silent", "--fail", c.url+"/repos/f37/latest/x86_64/Packages/h/"); !strings.Contains(out, `href="./hello-2-1.x86_64.rpm"`) {
		t.Errorf("the listing:\n%s", out)
	}
}
