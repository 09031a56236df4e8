package directory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

// TestFilesThatCantBeRead: they are told all at once, with those that are no RPMs,
// or left out.
func TestFilesThatCantBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	if err := errors.Join(
		os.Symlink("nowhere", filepath.Join(dir, "dangling.rpm")), os.Symlink("loop.rpm", filepath.Join(dir, "loop.rpm")),
		os.WriteFile(filepath.Join(dir, "text.rpm"), []byte("no RPM"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	var broken *BrokenError
	if _, err := Create(t.Context(), Options{Dir: dir}); !errors.As(err, &broken) || len(broken.Files) != 3 {
		t.Errorf("got %v, want three files", err)
	}
	opts := Options{Dir: dir, CacheDir: t.TempDir(), SkipBroken: true}
	for _, opts.Update = range []bool{false, true} {
		if r := mustCreate(t, opts); r.Packages != 1 || len(r.Skipped) != 3 {
			t.Errorf("%+v", r)
		}
	}
}

// TestACacheThatCantBeUsed is an error if it was asked for, else a warning.
func TestACacheThatCantBeUsed(t *testing.T) {
	t.Parallel()
	for what, make := range map[string]func(dir string) (cache string, err error){
		"below a file": func(dir string) (string, error) {
			return filepath.Join(dir, "file", "cache"), os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
		},
		"of somebody else": func(dir string) (string, error) {
			return dir, os.WriteFile(filepath.Join(dir, "letter"), nil, 0o644)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			directorytest.Pack(t, dir, 1, 1)
			cache, err := make(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if r, err := Create(t.Context(), Options{Dir: dir, CacheDir: cache}); err == nil {
				t.Errorf("%+v with a cache that was asked for", r)
			}
			if r := mustCreate(t, Options{Dir: dir, CacheDir: cache, CacheOptional: true, Update: true}); r.Packages != 1 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "cache can't be used") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestPackagesThatAreThereTwice: a directory full of them is told in some lines.
func TestPackagesThatAreThereTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const packages = maxTwice + 3
	for i := range packages {
		name := directorytest.Pack(t, dir, i, 1)
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if err := os.Link(name, filepath.Join(dir, fmt.Sprintf("again-%d.rpm", i))); err != nil {
			t.Fatal(err)
		}
	}
	r := mustCreate(t, Options{Dir: dir})
	if len(r.Warnings) != maxTwice+1 || !strings.Contains(r.Warnings[maxTwice], "3 more") {
		t.Errorf("%d warnings: %q", len(r.Warnings), r.Warnings)
	}
}
