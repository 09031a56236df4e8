package main

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish"
)

// TestWhatIsServedForGoodIsNeverAnythingElse lets the name of a tag go from hand
// to hand: it is removed and made again, renamed, given to another tag, and its
// old generations are swept. What was ever served as immutable is the same
// afterwards, or not there.
func TestWhatIsServedForGoodIsNeverAnythingElse(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 3)
	served := map[string][sha256.Size]byte{} // by URL
	get := func(path string) (status int, cacheControl string, body []byte) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.server.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if body, err = io.ReadAll(response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header.Get("Cache-Control"), body
	}
	// look compares all that was served with what is now, and remembers what is new.
	look := func(when string) {
		t.Helper()
		repos := f.server.reposDir()
		urls := map[string]bool{}
		for url := range served {
			urls[url] = true
		}
		err := filepath.WalkDir(repos, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !strings.HasPrefix(entry.Name(), ".") {
				below := strings.TrimPrefix(path, repos)
				urls["/repos"+below] = true
				parts := strings.SplitN(below, "/", 4)
				urls["/repos/"+parts[1]+"/latest/"+parts[3]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		same, gone, fresh := 0, 0, 0
		for url := range urls {
			status, cacheControl, body := get(url)
			before, known := served[url]
			switch immutable := strings.Contains(cacheControl, "immutable"); {
			case status == http.StatusNotFound:
				gone++
			case status != http.StatusOK:
				t.Errorf("%s: %s: status %d", when, url, status)
			case known && sha256.Sum256(body) != before:
				t.Errorf("%s: %s was served as immutable and is something else now", when, url)
			case known:
				same++
			case immutable:
				fresh++
				served[url] = sha256.Sum256(body)
			}
		}
		t.Logf("%s: %d as before, %d gone, %d new", when, same, gone, fresh)
		if fresh == 0 {
			t.Errorf("%s: nothing new is served", when)
		}
	}
	published := func(tag string) {
		t.Helper()
		f.call(t, "repo", "publish", tag).want(t, exitDone)
		f.wait(t, tag+" is published", "select built_rev >= want_rev from tags where name = $1", tag)
		f.wait(t, "publishing ends", "select not exists (select from river_job where kind = 'repopublish.publish' and state <> 'completed')")
	}
	do := func(args ...string) { f.call(t, args...).want(t, exitDone) }

	f.call(t, "build", "submit", "pkg000", "--target", "f37", "--wait-repo").want(t, exitDone)
	do("tag", "add", "side", "--arches", "x86_64")
	do("tag", "add-pkg", "--owner", "admin", "side", "pkg000", "pkg001")
	do("tag", "build", "side", "pkg000-1-1")
	published("side")
	look("at first")

	do("tag", "remove", "side", "--force")
	do("tag", "add", "side", "--arches", "x86_64")
	published("side")
	look("removed and made again")

	do("tag", "edit", "side", "--rename", "other")
	published("other")
	do("tag", "add", "side", "--arches", "x86_64 aarch64")
	published("side")
	look("renamed, and its name given to a new tag")

	do("tag", "edit", "side", "--rename", "third")
	do("tag", "edit", "other", "--rename", "side")
	published("side")
	published("third")
	look("its name given back")

	// All of them are removed, swept, and one comes again.
	for _, tag := range []string{"side", "third"} {
		do("tag", "remove", tag, "--force")
	}
	sweeper := &repopublish.Sweeper{Publisher: &repopublish.Publisher{
		Pool: f.pool, Store: f.server.store, ReposDir: f.server.reposDir(), CacheDir: f.server.publisher.CacheDir, KeepFor: time.Nanosecond, Logger: f.server.Logger,
	}}
	queuetest.Wait(t, "what was removed is swept", func() (bool, string) {
		if err := sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(filepath.Join(f.server.reposDir(), "[st]*"))
		return err == nil && len(left) == 0, strings.Join(left, " ")
	})
	if status, _, _ := get("/repos/side/latest/x86_64/repodata/repomd.xml"); status != http.StatusNotFound {
		t.Errorf("what was removed and swept is answered with status %d", status)
	}
	do("tag", "add", "side", "--arches", "x86_64")
	published("side")
	look("swept, and made again")
}
