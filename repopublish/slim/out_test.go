package slim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
)

// tree are the files below a directory with their sizes.
func tree(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			all[name] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// put makes a file with its directories.
func put(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// moveRepository moves a repository of the vectors.
func moveRepository(t *testing.T, v moduletest.Vectors, name, to string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(v.Write(t, name))); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestOthersFilesStay replaces directories that hold what is somebody's.
func TestOthersFilesStay(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	for what, make := range map[string]func(t *testing.T, dir string) (from, external, out string){
		"a source below the place": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "base", filepath.Join(dir, "out"))
			return moveRepository(t, v, "full", filepath.Join(out, "sub")), "", out
		},
		"a source far below a place that is no repository": func(t *testing.T, dir string) (string, string, string) {
			return moveRepository(t, v, "full", filepath.Join(dir, "out", "a", "b")), "", filepath.Join(dir, "out")
		},
		"a source above the place": func(t *testing.T, dir string) (string, string, string) {
			from := moveRepository(t, v, "full", filepath.Join(dir, "from"))
			return from, "", filepath.Join(from, "slim")
		},
		"a source at the place": func(t *testing.T, dir string) (string, string, string) {
			from := moveRepository(t, v, "full", filepath.Join(dir, "from"))
			return from, "", from
		},
		"a source below the place, by a symbolic link": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "base", filepath.Join(dir, "out"))
			moveRepository(t, v, "full", filepath.Join(out, "sub"))
			link(t, filepath.Join(out, "sub"), filepath.Join(dir, "from"))
			return filepath.Join(dir, "from"), "", out
		},
		"a place below a source, by a symbolic link": func(t *testing.T, dir string) (string, string, string) {
			from := moveRepository(t, v, "full", filepath.Join(dir, "from"))
			link(t, from, filepath.Join(dir, "link"))
			return from, "", filepath.Join(dir, "link", "slim")
		},
		"an external repository below the place": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "slim", filepath.Join(dir, "out"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), moveRepository(t, v, "base", filepath.Join(out, "sub")), out
		},
		"an external repository at the place": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "base", filepath.Join(dir, "out"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), out, out
		},
		"a repository with a file beside it": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "slim", filepath.Join(dir, "out"))
			put(t, filepath.Join(out, "letter"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), "", out
		},
		"a repository with an RPM that it does not list": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "slim", filepath.Join(dir, "out"))
			put(t, filepath.Join(out, "Packages", "mine-1-1.noarch.rpm"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), "", out
		},
		"a repository with another below repodata": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "slim", filepath.Join(dir, "out"))
			put(t, filepath.Join(out, "repodata", "more", "mine"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), "", out
		},
		"a repository that is damaged": func(t *testing.T, dir string) (string, string, string) {
			out := moveRepository(t, v, "slim", filepath.Join(dir, "out"))
			put(t, filepath.Join(out, "repodata", "repomd.xml"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), "", out
		},
		"a symbolic link to files": func(t *testing.T, dir string) (string, string, string) {
			put(t, filepath.Join(dir, "home", "letter"))
			link(t, filepath.Join(dir, "home"), filepath.Join(dir, "out"))
			return moveRepository(t, v, "full", filepath.Join(dir, "from")), "", filepath.Join(dir, "out")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			from, external, out := make(t, dir)
			opts := Options{Packages: demo(), Out: out, Replace: true}
			if external != "" {
				opts.Externals = append(opts.Externals, open(t, "external", external))
			}
			before := tree(t, dir)
			if _, err := Make(t.Context(), []*snapshot.Snapshot{open(t, "full", from)}, opts); !errors.Is(err, ErrExists) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("files (-before +after)\n%s", diff)
			}
		})
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func TestThePlaceMayBeALink(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full := "full," + v.Write(t, "full")
	dir := t.TempDir()
	real, name := filepath.Join(dir, "disk", "slim"), filepath.Join(dir, "slim")
	if err := os.MkdirAll(real, 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, real, name)
	for _, list := range [][]string{demo(), {"@demo:2"}} {
		mustMake(t, Options{Packages: list, Out: name, Replace: true}, full)
		if to, err := os.Readlink(name); err != nil || to != real {
			t.Fatalf("the link leads to %q: %v", to, err)
		}
		if got := len(packages(t, real)); got != len(list)+len(list)%2*2 {
			t.Errorf("%d packages of %q", got, list)
		}
	}
	left, err := os.ReadDir(filepath.Dir(real))
	if err != nil || len(left) != 1 {
		t.Errorf("beside it: %v, %v", left, err)
	}
	link(t, filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling"))
	_, err = Make(t.Context(), []*snapshot.Snapshot{open(t, "full", strings.TrimPrefix(full, "full,"))}, Options{Packages: demo(), Out: filepath.Join(dir, "dangling"), Replace: true})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link to nowhere: %v", err)
	}
}
