package snapshot

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/repopublish/snapshot/snapshottest"
)

// TestASlowServerIsGivenUp asks one that sends a byte now and then, so that the
// download never stands still.
func TestASlowServerIsGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	snapshottest.Write(t, dir, snapshottest.Repository{Names: []string{"a"}})
	files := http.FileServer(http.Dir(dir))
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "primary") {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "1000000000")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				if _, err := w.Write([]byte{0}); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		}
	}))
	source, err := ParseSource(address)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	s, err := Open(t.Context(), source, Options{
		Attempts: 3, Pause: time.Millisecond, Patience: 100 * time.Millisecond, CacheDir: t.TempDir(), Retrying: func(error) { told++ },
	})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, errTransient) || !strings.Contains(err.Error(), "too slow") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if told != 2 {
		t.Errorf("it was told %d times that it is tried again, want 2", told)
	}
}
