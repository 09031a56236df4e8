package mock

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// served is a repository on the network that notes what it is asked for.
type served struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func serve(t *testing.T, dir string) *served {
	t.Helper()
	s := &served{}
	files := http.FileServer(http.Dir(dir))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.String())
		s.mu.Unlock()
		if _, password, ok := r.BasicAuth(); ok && password != "opensesame" {
			http.Error(w, "who?", http.StatusForbidden)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func pack(t *testing.T, name string, edit func(*rpmpack.RPM)) []byte {
	t.Helper()
	return rpmtest.Pack(t, rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "noarch"}, edit)
}

func TestProxyGivesOutTheRepositoryOnly(t *testing.T) {
	t.Parallel()
	repo := drivertest.Repository(t, "f37-build", map[string][]byte{"good-1-1.noarch.rpm": pack(t, "good", nil)})
	dir := strings.TrimPrefix(repo.URL, "file://")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("top secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	server := serve(t, dir)
	base, err := url.Parse(strings.Replace(server.URL, "://", "://user:opensesame@", 1))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&proxy{client: server.Client(), repos: []*proxied{nil, {client: server.Client(), base: base}}})
	defer proxy.Close()
	ask := func(method, path string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, proxy.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Told", "a secret of the build")
		answer, err := proxy.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	metadata, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if code, text := ask(http.MethodGet, "/1/repodata/repomd.xml"); code != http.StatusOK || text != string(metadata) {
		t.Errorf("repomd.xml: %d, %d bytes, want %d", code, len(text), len(metadata))
	}
	primary, err := filepath.Glob(filepath.Join(dir, "repodata", "*-primary.xml.gz"))
	if err != nil || len(primary) != 1 {
		t.Fatalf("%q, %v", primary, err)
	}
	for _, path := range []string{"/1/repodata/" + filepath.Base(primary[0]), "/1/good-1-1.noarch.rpm"} {
		info, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(path, "/1/")))
		if err != nil {
			t.Fatal(err)
		}
		size := int(info.Size())
		if code, text := ask(http.MethodGet, path); code != http.StatusOK || len(text) != size {
			t.Errorf("%s: %d, %d bytes, want %d", path, code, len(text), size)
		}
		if code, text := ask(http.MethodHead, path); code != http.StatusOK || text != "" {
			t.Errorf("head of %s: %d, %d bytes", path, code, len(text))
		}
	}
	before := len(server.asked)
	for _, path := range []string{
		"/1/secret", "/1/good-1-1.noarch.rpm?told", "/1/good-2-1.noarch.rpm", "/1/../1/secret", "/1/%2e%2e/secret", "/1/", "/1", "/0/repodata/repomd.xml",
		"/2/repodata/repomd.xml", "/-1/x", "/", "/1/repodata/told", "//secret",
	} {
		if code, text := ask(http.MethodGet, path); code != http.StatusNotFound || strings.Contains(text, "secret") {
			t.Errorf("%s: %d %.100q, want that it is not found", path, code, text)
		}
	}
	if code, _ := ask(http.MethodPost, "/1/good-1-1.noarch.rpm"); code != http.StatusNotFound {
		t.Errorf("a post: %d", code)
	}
	if server.asked = server.asked[before:]; len(server.asked) != 0 {
		t.Errorf("the server heard %q", server.asked)
	}
	server.Close()
	if code, text := ask(http.MethodGet, "/1/good-1-1.noarch.rpm"); code != http.StatusBadGateway || strings.Contains(text, "opensesame") {
		t.Errorf("of a server that is gone: %d %q", code, text)
	}
}

func TestRepositoriesOnTheNetwork(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // TestDriver says what New answers
	}
	for name, config := range programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, config)
			driver := b.open(t, nil)
			extra := serve(t, strings.TrimPrefix(drivertest.Repository(t, "f37-build", map[string][]byte{
				"snoop-1-1.noarch.rpm": pack(t, "snoop", func(r *rpmpack.RPM) {
					r.AddPostin("exec > /snooped 2>&1\n(exec 3<>/dev/tcp/" + strings.TrimPrefix(serve(t, t.TempDir()).URL, "http://127.0.0.1:") + ") && echo reached the host\n")
				}),
			}).URL, "file://"))
			base := serve(t, strings.TrimPrefix(b.base.URL, "file://"))
			repos := []builders.Repo{{Name: "f37-build", URL: extra.URL, Cost: 1}, {Name: "base", URL: base.URL, Cost: 10}}
			text := strings.Replace(drivertest.SpecText("reader", "%build\ncat /snooped\n%files\n"), "BuildArch:", "BuildRequires: snoop\nBuildArch:", 1)
			order := drivertest.Order(t, drivertest.SRPMGroup, repos...)
			_, err := driver.SRPM(t.Context(), builders.SRPMOrder{Order: order, SourceDir: drivertest.Checkout(t, map[string]string{"reader.spec": text}), Spec: "reader.spec"})
			if err != nil {
				t.Fatal(err)
			}
			build := drivertest.Order(t, drivertest.SRPMGroup, repos...)
			srpm := filepath.Join(order.ResultDir, "reader-1-1.fc37.src.rpm")
			outcome, err := driver.Build(t.Context(), builders.BuildOrder{Order: build, SRPM: srpm, Arch: "noarch"})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(outcome.Installed, func(i builders.Installed) bool { return strings.HasPrefix(i.NEVRA, "snoop-") }) {
				t.Error("snoop is not in the buildroot")
			}
			if log := drivertest.Log(t, build, "build.log"); strings.Contains(log, "reached the host") {
				t.Errorf("the network was reached:\n%s", log)
			}
			asked := 0
			for _, path := range base.asked {
				if strings.HasSuffix(path, ".rpm") {
					asked++
				}
			}
			if asked < 50 {
				t.Errorf("%d packages were asked for, want all of the root", asked)
			}
		})
	}
}
