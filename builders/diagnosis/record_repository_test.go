package diagnosis_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/rpmpack"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// troubled is a repository of packages that can't be installed, or that is not
// served as it is.
func troubled(t *testing.T, how string) builders.Repo {
	relation := func(text string) rpmpack.Relations {
		var list rpmpack.Relations
		if err := list.Set(text); err != nil {
			t.Fatal(err)
		}
		return list
	}
	file := func(text string) func(*rpmpack.RPM) {
		return func(r *rpmpack.RPM) {
			r.AddFile(rpmpack.RPMFile{Name: "/usr/share/greeting", Body: []byte(text), Mode: 0o644})
		}
	}
	files := map[string][]byte{}
	for _, pkg := range []struct {
		meta rpmpack.RPMMetaData
		edit func(*rpmpack.RPM)
	}{
		{rpmpack.RPMMetaData{Name: "good"}, nil},
		{rpmpack.RPMMetaData{Name: "broken", Requires: relation("libnowhere.so.1()(64bit)")}, nil},
		{rpmpack.RPMMetaData{Name: "conflict-a"}, nil},
		{rpmpack.RPMMetaData{Name: "conflict-b", Conflicts: relation("conflict-a")}, nil},
		{rpmpack.RPMMetaData{Name: "scriptlet"}, func(r *rpmpack.RPM) { r.AddPrein("echo no >&2; exit 1") }},
		{rpmpack.RPMMetaData{Name: "file-a"}, file("hello")},
		{rpmpack.RPMMetaData{Name: "file-b"}, file("good morning")},
	} {
		pkg.meta.Version, pkg.meta.Release, pkg.meta.Arch = "1", "1", "noarch"
		files[pkg.meta.Name+"-1-1.noarch.rpm"] = rpmtest.Pack(t, pkg.meta, pkg.edit)
	}
	repo := repository(t, files)
	if how == "plain" {
		return repo
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = misbehave(how, server, strings.TrimPrefix(repo.URL, "file://"))
	server.Start()
	t.Cleanup(server.Close)
	repo.URL = server.URL
	return repo
}

// misbehave serves a directory, to the driver as it is and to dnf in a way of
// its own.
func misbehave(how string, server *httptest.Server, dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.UserAgent(), "libdnf") {
			if how == "refused" {
				server.Listener.Close()
			}
			files.ServeHTTP(w, r)
			return
		}
		metadata, pkg := strings.Contains(r.URL.Path, "primary"), strings.HasSuffix(r.URL.Path, ".rpm")
		switch {
		case how == "metadata-digest" && metadata, how == "package-digest" && pkg:
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.URL.Path)))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			text[len(text)/2] ^= 1
			_, _ = w.Write(text)
		case how == "metadata-garbage" && metadata:
			_, _ = io.WriteString(w, "<html>please log in</html>")
		case how == "busy" && !metadata:
			http.Error(w, "too many requests", http.StatusServiceUnavailable)
		case how == "metadata-missing" && metadata, how == "package-missing" && pkg:
			http.NotFound(w, r)
		default:
			files.ServeHTTP(w, r)
		}
	})
}

// repository publishes RPMs, by file name, as a repository.
func repository(t testing.TB, files map[string][]byte) builders.Repo {
	t.Helper()
	dir := t.TempDir()
	var entries []repomd.Entry
	for file, content := range files {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		pkg, digest, err := rpmfile.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fragments, err := repomd.Render(pkg, repomd.File{Href: file, SHA256: digest.SHA256, Size: int64(len(content)), Time: 1_790_000_000})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: digest.SHA256, Fragments: fragments})
	}
	slices.SortFunc(entries, repomd.Compare)
	_, err := repomd.Write(t.Context(), dir, len(entries), func(yield func(repomd.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}, repomd.Options{Revision: "1", Timestamp: 1_790_000_000})
	if err != nil {
		t.Fatal(err)
	}
	return builders.Repo{Name: "f37-build", URL: "file://" + dir, Cost: 1}
}
