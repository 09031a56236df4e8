package snapshot

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/repopublish/snapshot/snapshottest"
)

// TestAPlusIsEscaped asks a store that takes + for a blank, as S3 does.
func TestAPlusIsEscaped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	under := filepath.Join(dir, "el8 é")
	if err := os.Mkdir(under, 0o755); err != nil {
		t.Fatal(err)
	}
	snapshottest.Write(t, under, snapshottest.Repository{Names: []string{"c++~x"}, RPMs: true})
	files := http.FileServer(http.Dir(dir))
	var mu sync.Mutex
	asked := map[string]bool{}
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Method+" "+r.URL.EscapedPath()] = strings.HasSuffix(r.URL.Path, ".rpm")
		mu.Unlock()
		r.URL.Path = strings.ReplaceAll(r.URL.EscapedPath(), "+", "%20")
		if strings.Contains(r.URL.Path, "%20%20") {
			http.NotFound(w, r)
			return
		}
		r.URL.Path = strings.NewReplacer("%2B", "+", "%20", " ", "%C3%A9", "é").Replace(r.URL.Path)
		files.ServeHTTP(w, r)
	}))
	s := mustOpen(t, address+"/el8%20%C3%A9/", quick())
	p := first(t, s)
	f, err := s.RPM(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := s.Find(t.Context(), p); err != nil {
		t.Error(err)
	}
	got := map[string]bool{}
	for request, isRPM := range asked {
		if isRPM {
			got[request] = true
		}
	}
	path := "/el8%20%C3%A9/Packages/c%2B%2B~x-1-1.noarch.rpm"
	if diff := cmp.Diff(map[string]bool{"GET " + path: true, "HEAD " + path: true}, got); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
}
