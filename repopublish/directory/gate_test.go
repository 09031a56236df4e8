package directory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/directory/directorytest"
	"github.com/distbot/distbot/repopublish/identity"
)

// modularRPM is one of the module vectors.
const modularRPM = "demo-1.0-1.module+el8+1+aaaa.x86_64.rpm"

func addModular(t *testing.T, dir string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../testdata/modules/rpms", modularRPM))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, modularRPM), raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestModularRPMsNeedTheirDocuments(t *testing.T) {
	t.Parallel()
	listing := []byte(streamDocument("1", "s", "demo-0:1.0-1.module+el8+1+aaaa.x86_64"))
	other := []byte(streamDocument("1", "s", "demo-0:1.1-1.x86_64"))
	dir, cache := t.TempDir(), t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	opts := Options{Dir: dir, CacheDir: cache, Update: true}
	mustCreate(t, opts)
	before := repodata(t, dir)
	addModular(t, dir)
	refused := func(what string, opts Options) {
		t.Helper()
		_, err := Create(t.Context(), opts)
		if !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), strings.TrimSuffix(modularRPM, ".rpm")+" is modular") {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(before, repodata(t, dir)); diff != "" {
			t.Errorf("%s: the repository changed (-before +after)\n%s", what, diff)
		}
	}
	refused("without documents", opts)
	given := opts
	given.Modules = other
	refused("with a document that does not list it", given)

	given.Modules = listing
	if r := mustCreate(t, given); r.Packages != 2 || len(r.Warnings) > 0 {
		t.Errorf("with its document: %+v", r)
	}
	for range 2 {
		// From the cache, and with the documents of before.
		if r := mustCreate(t, opts); r.Read != 0 || r.Changed || len(r.Warnings) > 0 {
			t.Errorf("again: %+v", r)
		}
	}
	before = repodata(t, dir)
	dropped := opts
	dropped.Drop = []string{"modules"}
	refused("when its document is dropped", dropped)

	allowed := dropped
	allowed.AllowUnlisted = true
	if r := mustCreate(t, allowed); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "is modular") {
		t.Errorf("allowed: %+v", r)
	}
	before = repodata(t, dir)
	refused("after it was allowed once", opts)
}

// A repository of somebody else whose documents clients die of.
func TestKeptModulesThatClientsDieOfAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deadly := strings.Replace(streamDocument("1", "s"), "  license:", "  servicelevels:\n    rawhide: {eol: 2077-13-45}\n  license:", 1)
	if _, err := repomd.WriteEmpty(t.Context(), dir, repomd.Options{Revision: "1", Modules: []byte(deadly)}); err != nil {
		t.Fatal(err)
	}
	before := repodata(t, dir)
	directorytest.Pack(t, dir, 1, 1)
	_, err := Create(t.Context(), Options{Dir: dir})
	if !errors.Is(err, modulemd.ErrInvalid) || !strings.Contains(err.Error(), "keep modules of before") || !strings.Contains(err.Error(), "2077-13-45") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, repodata(t, dir)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	mustCreate(t, Options{Dir: dir, Drop: []string{"modules"}})
}
