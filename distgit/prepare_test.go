package distgit

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/queue/queuetest"
)

// checkout is a hub's checkout of a recorded repository rpms/hello.
func (h *hub) checkout(o *origin, lookaside *Lookaside) (c *Checkout, repository int64) {
	h.t.Helper()
	repository = queuetest.Value[int64](h.t, h.pool, `insert into repositories (forge, forge_repo_id, full_name, clone_url)
		values ('git', $1, $1, '') returning id`, o.id)
	return &Checkout{Planner: h.Planner, Lookaside: lookaside}, repository
}

// serving answers with tarball.
func serving(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tarball) }

func TestPrepare(t *testing.T) {
	t.Parallel()

	t.Run("writes the files of the commit and what sources names", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		o, _ := h.hello("f37")
		source := helloSource()
		o.write("patches/fix.patch", "a patch\n")
		commit := o.change("sources", "SHA512 ("+source.Name+") = "+source.Hash+"\n", "refs/heads/f37")
		o.change("later", "not of this commit\n", "refs/heads/f37")
		c, repository := h.checkout(o, newLookaside(t, serving))
		dir := t.TempDir()
		var log bytes.Buffer
		if err := c.Prepare(t.Context(), repository, "refs/heads/f37", commit, dir, filepath.Join(t.TempDir(), "history"), &log); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, pattern := range []string{"*", "patches/*"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range found {
				got = append(got, strings.TrimPrefix(name, dir+"/"))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"hello-1.0.tar.gz", "hello.spec", "patches", "patches/fix.patch", "sources"}, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		want := "rpms/hello at " + commit + " (refs/heads/f37)\n\"change sources\" by \"Ann Author <ann@example.org>\"\n" +
			"3 files checked out\nhello-1.0.tar.gz: 39 bytes, SHA512 verified\n"
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})

	t.Run("finds the head of a pull request that is on no branch", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		o, _ := h.hello("f37")
		head := o.change("hello.spec", spec("hello", "2"), "refs/pull/7/head")
		c, repository := h.checkout(o, nil)
		dir := t.TempDir()
		if err := c.Prepare(t.Context(), repository, "refs/pull/7/head", head, dir, filepath.Join(t.TempDir(), "history"), &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "hello.spec")); err != nil || string(text) != spec("hello", "2") {
			t.Errorf("the spec is %q, %v", text, err)
		}
	})

	source := helloSource()
	line := "SHA512 (" + source.Name + ") = " + source.Hash + "\n"
	wrong := "SHA512 (" + source.Name + ") = " + strings.Repeat("0", 128) + "\n"
	for name, test := range map[string]struct {
		sources   string
		serve     http.HandlerFunc // nil: no lookaside is configured
		edit      func(t *testing.T, h *hub, o *origin)
		commit    string
		temporary bool
		want      string
	}{
		"a digest that is another is permanent": {
			sources: wrong, serve: serving,
			want: "fetch source hello-1.0.tar.gz of hello: hello-1.0.tar.gz has another SHA512 digest than the sources file names: " + source.Hash,
		},
		"a lookaside that is down is temporary": {
			sources: line, serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, temporary: true,
			want: "fetch source hello-1.0.tar.gz of hello: the lookaside answers HTTP 502",
		},
		"a lookaside that hangs up is temporary": {
			sources: line, serve: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, temporary: true,
			want: "fetch source hello-1.0.tar.gz of hello: lookaside: EOF",
		},
		"a source the lookaside does not have is permanent": {
			sources: line, serve: http.NotFound, want: "fetch source hello-1.0.tar.gz of hello: source not found in the lookaside",
		},
		"a source without a lookaside is permanent": {
			sources: line, want: "the sources file names hello-1.0.tar.gz, and no lookaside is configured",
		},
		"a source that is in the repository too is permanent": {
			sources: line, serve: serving,
			edit: func(_ *testing.T, _ *hub, o *origin) { o.change(source.Name, "another", "refs/heads/f37") },
			want: "the repository has hello-1.0.tar.gz, and its sources file names it too (line 1): it is not clear which is meant",
		},
		"a sources file nobody understands is permanent": {
			sources: "what\n", serve: serving, want: "sources:1: the line is neither",
		},
		"a source outside of the directory is permanent": {
			sources: strings.Replace(line, source.Name, "../"+source.Name, 1), serve: serving, want: `sources:1: file name "../hello-1.0.tar.gz" is not a base name`,
		},
		"a commit that is not there yet is temporary": {
			commit: strings.Repeat("ab", 20), temporary: true, want: "fetch rpms/hello of git: commit not found",
		},
		"a forge that is not configured any more is permanent": {
			edit: func(t *testing.T, h *hub, _ *origin) {
				queuetest.Exec(t, h.pool, "update repositories set forge = 'gone'")
			},
			want: `forge "gone" is not configured any more`,
		},
		"a repository that is gone is permanent": {
			edit: func(t *testing.T, _ *hub, o *origin) {
				if err := os.RemoveAll(o.bare()); err != nil {
					t.Fatal(err)
				}
			},
			want: "fetch rpms/hello of git: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			o, _ := h.hello("f37")
			if test.sources != "" {
				o.change("sources", test.sources, "refs/heads/f37")
			}
			var lookaside *Lookaside
			if test.serve != nil {
				lookaside = newLookaside(t, test.serve)
			}
			c, repository := h.checkout(o, lookaside)
			if test.edit != nil {
				test.edit(t, h, o)
			}
			commit := test.commit
			if commit == "" {
				commit = o.git("rev-parse", "HEAD")
			}
			err := c.Prepare(t.Context(), repository, "refs/heads/f37", commit, t.TempDir(), filepath.Join(t.TempDir(), "history"), &bytes.Buffer{})
			var fate interface{ Temporary() bool }
			if !errors.As(err, &fate) {
				t.Fatalf("got error %v, want one that says whether it is temporary", err)
			}
			if fate.Temporary() != test.temporary || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got error %q, temporary %t; want %q, %t", err, fate.Temporary(), test.want, test.temporary)
			}
		})
	}
}
