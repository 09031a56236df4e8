package directory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

// What can't be put away after the new repository is there does not make it a
// failure.
func TestTroubleAfterTheSwitchIsAWarning(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	opts := Options{Dir: dir, CacheDir: cache, Update: true}
	mustCreate(t, opts)
	before := repodata(t, dir)
	directorytest.Pack(t, dir, 2, 1)
	index := filepath.Join(cache, "index")
	if err := errors.Join(os.Remove(index), os.MkdirAll(filepath.Join(index, "occupied"), 0o755)); err != nil {
		t.Fatal(err)
	}
	result := mustCreate(t, opts)
	if !result.Changed || result.Packages != 2 || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "cache was not saved") {
		t.Errorf("%+v", result)
	}
	if after := repodata(t, dir); after["repodata/repomd.xml"] == before["repodata/repomd.xml"] {
		t.Error("the repository is the one of before")
	}
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	if result := mustCreate(t, opts); result.Changed || len(result.Warnings) != 0 {
		t.Errorf("afterwards: %+v", result)
	}
}

// After an error the repository is the one of before.
func TestErrorsOfCreate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, opts *Options) context.Context
		want  error
	}{
		"the cache is in use": {func(t *testing.T, opts *Options) context.Context {
			cache, err := repomd.OpenCache(opts.CacheDir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := cache.Close(); err != nil {
					t.Error(err)
				}
			})
			return t.Context()
		}, repomd.ErrLocked},
		"repomd.xml is damaged": {func(t *testing.T, opts *Options) context.Context {
			if err := os.WriteFile(filepath.Join(opts.Dir, "repodata", "repomd.xml"), []byte("<repomd>"), 0o644); err != nil {
				t.Fatal(err)
			}
			return t.Context()
		}, repomd.ErrMalformed},
		"repomd.xml is huge": {func(t *testing.T, opts *Options) context.Context {
			text := "<repomd>" + strings.Repeat(" ", repomd.MaxRepomdBytes) + "</repomd>"
			if err := os.WriteFile(filepath.Join(opts.Dir, "repodata", "repomd.xml"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return t.Context()
		}, repomd.ErrTooLarge},
		"it is given up": {func(t *testing.T, _ *Options) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := Options{Dir: t.TempDir(), CacheDir: t.TempDir()}
			directorytest.Pack(t, opts.Dir, 1, 1)
			mustCreate(t, opts)
			directorytest.Pack(t, opts.Dir, 2, 1)
			ctx := tt.spoil(t, &opts)
			before := files(t, opts.Dir)
			if _, err := Create(ctx, opts); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if diff := cmp.Diff(before, files(t, opts.Dir)); diff != "" {
				t.Errorf("(-before +after)\n%.2000s", diff)
			}
		})
	}
}

// files are the texts in repodata.
func files(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "repodata"))
	if err != nil {
		tb.Fatal(err)
	}
	texts := map[string]string{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, "repodata", e.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		texts[e.Name()] = string(raw)
	}
	return texts
}
