package rootfs

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/builders"
)

// TestRootsAreKnownByContent: a repository of the hub has other URLs at every
// host, and there others for every task it could be.
func TestRootsAreKnownByContent(t *testing.T) {
	t.Parallel()
	d := &Driver{config: Config{HTTP: http.DefaultClient}}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "repodata"), 0o755); err != nil {
		t.Fatal(err)
	}
	serve := func() string {
		server := httptest.NewServer(http.FileServer(http.Dir(dir)))
		t.Cleanup(server.Close)
		return server.URL
	}
	key := func(url string) string {
		recipe := builders.Recipe{Tag: "f37-build", Arch: "x86_64", Repos: []builders.Repo{{Name: "f37-build", URL: url, Cost: 1}}}
		_, repoKey, err := d.readRepos(t.Context(), recipe)
		if err != nil {
			t.Fatal(err)
		}
		return rootKey(recipe.Arch, "mapping", "boot", repoKey)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "repodata", "repomd.xml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	first := key("file://" + dir)
	for _, url := range []string{serve(), serve() + "/", serve()} {
		if got := key(url); got != first {
			t.Errorf("the root of %s is %s, of file:// %s: the same content must be the same root", url, got, first)
		}
	}
	write("two")
	if got := key(serve()); got == first {
		t.Error("other content has the same root")
	}
}
