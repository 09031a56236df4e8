package solv

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/repomd"
)

func TestFileListsAreReadOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	dir := publish(t, []Package{
		pkg(t, "a-1-1.noarch", "Files: /usr/bin/a, /usr/share/a/data"),
		pkg(t, "b-1-1.noarch", "Requires: /usr/share/a/data"),
		pkg(t, "c-1-1.noarch", "Requires: /usr/bin/a"),
	})
	for name, tt := range map[string]struct {
		ask  string
		want []string
	}{
		"for the requirement of a package": {"b", []string{"a-1-1.noarch", "b-1-1.noarch"}},
		"for what a job asks":              {"/usr/share/a/data", []string{"a-1-1.noarch"}},
		"for a part of what a job asks":    {"(/usr/share/a/data or nothing)", []string{"a-1-1.noarch"}},
		"not for what primary lists":       {"c", []string{"a-1-1.noarch", "c-1-1.noarch"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := LoadDir(t.Context(), "x86_64", dir)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			got, err := p.Solve(t.Context(), install(tt.ask), Options{})
			if diff := cmp.Diff(tt.want, names(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
	t.Run("and not at all where nobody asks", func(t *testing.T) {
		t.Parallel()
		opened := &recorder{FS: os.DirFS(publish(t, []Package{pkg(t, "c-1-1.noarch", "Requires: /usr/bin/a", "Files: /usr/bin/a, /usr/share/c")}))}
		p := pool(t)
		if _, err := p.AddRepodata(t.Context(), "r", Rank{}, opened); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Solve(t.Context(), install("c"), Options{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range opened.names {
			if strings.Contains(name, "filelists") {
				t.Errorf("%s was read", name)
			}
		}
		if _, err := p.WhatProvides(t.Context(), "/usr/share/c"); err != nil {
			t.Fatal(err)
		}
		if last := opened.names[len(opened.names)-1]; !strings.Contains(last, "filelists") {
			t.Errorf("%s was read last, want filelists", last)
		}
	})
}

// recorder notes which files are opened.
type recorder struct {
	fs.FS
	names []string
}

func (r *recorder) Open(name string) (fs.File, error) {
	r.names = append(r.names, name)
	return r.FS.Open(name)
}

func TestRepodataThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	const empty = `<metadata packages="0"></metadata>`
	tampered := repository(map[string]string{"primary": empty})
	tampered["repodata/primary.xml"] = &fstest.MapFile{Data: []byte(strings.Replace(empty, "0", "1", 1))}
	for name, tt := range map[string]struct {
		files fs.FS
		want  error
	}{
		"is not there":        {fstest.MapFS{}, fs.ErrNotExist},
		"is no repomd.xml":    {fstest.MapFS{"repodata/repomd.xml": {Data: []byte("hello")}}, repomd.ErrMalformed},
		"has no primary":      {repository(map[string]string{"other": "x"}), repomd.ErrMalformed},
		"has another content": {tampered, repomd.ErrChecksum},
		"is an entity bomb": {repository(map[string]string{
			"primary": `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><metadata>&b;</metadata>`,
		}), repomd.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if repo, err := pool(t).AddRepodata(t.Context(), "r", Rank{}, tt.files); !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v; want %v", repo, err, tt.want)
			}
		})
	}
}

func TestLoadDir(t *testing.T) {
	t.Parallel()
	one := publish(t, []Package{pkg(t, "a-1-1.noarch", "Requires: b")})
	two := publish(t, []Package{pkg(t, "b-1-1.noarch")})
	p, err := LoadDir(t.Context(), "x86_64", one, two)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	got, err := p.Solve(t.Context(), install("a"), Options{})
	want := []Member{{nevra(t, "a-1-1.noarch"), one}, {nevra(t, "b-1-1.noarch"), two}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}

	t.Run("says which directory is none", func(t *testing.T) {
		t.Parallel()
		gone := filepath.Join(t.TempDir(), "gone")
		if _, err := LoadDir(t.Context(), "x86_64", one, gone); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), gone) {
			t.Errorf("got %v, want that %s does not exist", err, gone)
		}
	})
	t.Run("follows no link out of it", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Symlink(filepath.Join(one, "repodata"), filepath.Join(dir, "repodata")); err != nil {
			t.Fatal(err)
		}
		if p, err := LoadDir(t.Context(), "x86_64", dir); err == nil {
			p.Close()
			t.Error("a link to another directory was followed")
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := LoadDir(ctx, "x86_64", one); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
