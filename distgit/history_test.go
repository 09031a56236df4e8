package distgit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/autospec"
	"github.com/distbot/distbot/queue/queuetest"
)

// autoSpec is a spec whose release and changelog are computed.
func autoSpec(version, release string) string {
	return strings.Replace(spec("hello", version), "1%{?dist}", release, 1) + "%changelog\n%autochangelog\n"
}

func TestHistory(t *testing.T) {
	t.Parallel()

	t.Run("has every commit once, children before parents, and what their trees say", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		o.write("other", "a package that is not there yet\n")
		first := o.commit("Begin")
		o.write("hello.spec", autoSpec("1", "%autorelease"))
		second := o.commit("Import\n\n... it\n")
		o.git("checkout", "-q", "-b", "side", first)
		o.write("changelog", "* old\n")
		side := o.commit("Side")
		o.git("checkout", "-q", "main")
		o.git("merge", "-q", "--no-ff", "-m", "Merge", "side")
		merge := o.git("rev-parse", "HEAD")
		if err := os.Remove(filepath.Join(o.work, "hello.spec")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("other", filepath.Join(o.work, "hello.spec")); err != nil {
			t.Fatal(err)
		}
		link := o.commit("A link is no spec")
		if err := os.Remove(filepath.Join(o.work, "hello.spec")); err != nil {
			t.Fatal(err)
		}
		o.write("hello.spec", "%include %{_sourcedir}/macros/version\n")
		o.write("macros/version", "%global ver 2\n")
		o.write("big", strings.Repeat("x", maxIncludedBytes+1))
		head := o.commit("Include")
		empty := o.commit("Rebuild")
		o.push("refs/heads/main")
		m := &Mirrors{Dir: t.TempDir()}
		mustFetch(t, m, o.remote(), Want{Commit: empty})
		h, err := m.History(t.Context(), o.remote(), empty, "hello.spec")
		if err != nil {
			t.Fatal(err)
		}
		type row struct{ Parents, Spec, Changelog, Message string }
		got := map[string]row{}
		var order []string
		for _, c := range h.Commits {
			got[c.ID] = row{strings.Join(c.Parents, " "), string(h.Blobs[c.SpecBlob]), string(h.Blobs[c.ChangelogBlob]), c.Message}
			order = append(order, c.ID)
			if c.Author != "Ann Author <ann@example.org>" || c.Time != 1672628645 {
				t.Errorf("commit %s is by %s at %d, want the author and the committer's time", c.ID, c.Author, c.Time)
			}
		}
		included := "%include %{_sourcedir}/macros/version\n"
		want := map[string]row{
			first:  {"", "", "", "Begin\n"},
			second: {first, autoSpec("1", "%autorelease"), "", "Import\n\n... it\n"},
			side:   {first, "", "* old\n", "Side\n"},
			merge:  {second + " " + side, autoSpec("1", "%autorelease"), "* old\n", "Merge\n"},
			link:   {merge, "", "* old\n", "A link is no spec\n"},
			head:   {link, included, "* old\n", "Include\n"},
			empty:  {head, included, "* old\n", "Rebuild\n"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
		if len(order) != 7 || order[0] != empty || order[3] != merge || order[6] != first {
			t.Errorf("order %v, want %s first, %s in the middle, %s last", order, empty, merge, first)
		}
		if h.Commits[0].Tree != h.Commits[1].Tree || h.Commits[1].Tree == h.Commits[2].Tree {
			t.Error("an empty commit has the tree of its parent, another has not")
		}
		var files []string
		for _, file := range h.Trees[h.Commits[0].Tree] {
			files = append(files, file.Name+": "+string(h.Blobs[file.Blob]))
		}
		wantFiles := []string{"changelog: * old\n", "macros/version: %global ver 2\n", "other: a package that is not there yet\n"}
		if diff := cmp.Diff(wantFiles, files); diff != "" || len(h.Trees) != 1 {
			t.Errorf("files for the spec to include, of %d trees (-want +got):\n%s", len(h.Trees), diff)
		}
		var stored bytes.Buffer
		if err := h.Encode(&stored); err != nil {
			t.Fatal(err)
		}
		again, err := autospec.Decode(&stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, again); diff != "" {
			t.Errorf("the history after it was stored (-want +got):\n%s", diff)
		}
		var limit *LimitError
		if _, err := m.history(t.Context(), o.remote(), empty, "hello.spec", 6); !errors.As(err, &limit) {
			t.Errorf("got error %v of a history with one commit too many, want a *LimitError", err)
		}
	})
	t.Run("is complete after a fetch of a newer commit", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		m := &Mirrors{Dir: t.TempDir()}
		for i, want := range []int{1, 2, 3} {
			commit := o.change("hello.spec", autoSpec(strings.Repeat("1", i+1), "%autorelease"), "refs/heads/main")
			mustFetch(t, m, o.remote(), Want{Commit: commit})
			h, err := m.History(t.Context(), o.remote(), commit, "hello.spec")
			if err != nil || len(h.Commits) != want {
				t.Fatalf("got %d commits, %v; want %d", len(h.Commits), err, want)
			}
		}
	})
	t.Run("says so when the forge itself has a shallow clone", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		o.change("hello.spec", autoSpec("1", "%autorelease"), "refs/heads/main")
		head := o.change("hello.spec", autoSpec("2", "%autorelease"), "refs/heads/main")
		o.run(o.root, "clone", "-q", "--bare", "--depth", "1", "file://"+o.bare(), filepath.Join(o.root, "shallow.git"))
		remote := o.remote()
		remote.ID, remote.URL = "shallow", "file://"+filepath.Join(o.root, "shallow.git")
		m := &Mirrors{Dir: t.TempDir()}
		mustFetch(t, m, remote, Want{Commit: head})
		if _, err := m.History(t.Context(), remote, head, "hello.spec"); !errors.Is(err, ErrShallow) {
			t.Errorf("got error %v, want %v", err, ErrShallow)
		}
	})
}

func TestPrepareAHistory(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	o, plainCommit := h.hello("f37")
	computed := o.change("hello.spec", autoSpec("1.0", "%autorelease"), "refs/heads/f37")
	c, repository := h.checkout(o, nil)
	for name, test := range map[string]struct {
		commit  string
		commits int
	}{
		"is done for a spec that uses the macros": {computed, 2},
		"is not done for another":                 {plainCommit, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "history")
			var log bytes.Buffer
			if err := c.Prepare(t.Context(), repository, "refs/heads/f37", test.commit, t.TempDir(), path, &log); err != nil {
				t.Fatal(err)
			}
			file, err := os.Open(path)
			if test.commits == 0 {
				if !errors.Is(err, os.ErrNotExist) {
					t.Errorf("got error %v of the history, want that there is none", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			history, err := autospec.Decode(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(history.Commits) != test.commits || !strings.Contains(log.String(), "2 commits for %autorelease and %autochangelog\n") {
				t.Errorf("got %d commits, want %d, and the log to say so:\n%s", len(history.Commits), test.commits, log.String())
			}
		})
	}
}

func TestAPlannedRelease(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		specs []string // of commits, the oldest first
		want  string
	}{
		"counts the commits since the version changed": {
			[]string{autoSpec("1", "%autorelease"), autoSpec("1", "%autorelease") + "\n", autoSpec("2", "%autorelease"), autoSpec("2", "%autorelease") + "\n"},
			"hello-2-2.fc37",
		},
		"knows the options": {[]string{autoSpec("2", "%autorelease -b 5 -p -e rc1 -n")}, "hello-2-0.5.rc1"},
		"counts an epoch as another version": {
			[]string{autoSpec("1", "%autorelease"), "Epoch: 1\n" + autoSpec("1", "%autorelease")}, "hello-1-1.fc37",
		},
		"is not guessed where an older version needs rpm": {
			[]string{"%global v %(echo 1)\n" + autoSpec("%{v}", "%autorelease"), autoSpec("1", "%autorelease")}, "",
		},
		"is not guessed where the options need rpm": {[]string{autoSpec("1", "%autorelease -b %(echo 1)")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.work()
			o := h.repository("rpms/hello")
			var commit string
			for _, text := range test.specs {
				commit = o.change("hello.spec", text, "refs/heads/f37")
			}
			if got := h.planned(h.pushed(o, "refs/heads/f37", commit)); got != "planned: build 1 for f37" {
				t.Fatalf("the delivery is %s", got)
			}
			if got := queuetest.Value[string](t, h.pool, "select planned_nvr from builds"); got != test.want {
				t.Errorf("planned %q, want %q", got, test.want)
			}
		})
	}
}

func TestAMissingSource(t *testing.T) {
	t.Parallel()
	withSource := func(tag string) string { return strings.Replace(spec("hello", "1.0"), "License:", tag+"\nLicense:", 1) }
	listed := "SHA512 (hello-1.0.tar.gz) = " + strings.Repeat("0", 128) + "\n"
	for name, test := range map[string]struct{ spec, sources, want string }{
		"with a URL is refused: nothing is downloaded": {
			withSource("Source0: https://example.org/%{name}-1.0.tar.gz"), "",
			"planned: refused: hello.spec:5: hello-1.0.tar.gz is not in sources: upload it to the lookaside and list it there, builds don't download https://example.org/hello-1.0.tar.gz",
		},
		"with a URL and a name of its own is refused": {
			withSource("Patch: http://example.org/get?id=7#/fix.patch"), "",
			"planned: refused: hello.spec:5: fix.patch is not in sources: upload it to the lookaside and list it there, builds don't download http://example.org/get?id=7#/fix.patch",
		},
		"that turns downloads on is refused the same": {
			"%undefine _disable_source_fetch\n" + withSource("Source0: ftp://example.org/a.tar"), "",
			"planned: refused: hello.spec:6: a.tar is not in sources: upload it to the lookaside and list it there, builds don't download ftp://example.org/a.tar",
		},
		"without a URL is refused":    {withSource("Source0: a.c"), "", "planned: refused: hello.spec:5: a.c is neither in the repository nor in its sources file"},
		"that sources has is none":    {withSource("Source0: https://example.org/%{name}-1.0.tar.gz"), listed, "planned: build 1 for f37"},
		"that the repository has":     {withSource("Source0: https://example.org/hello.spec"), "", "planned: build 1 for f37"},
		"that is perhaps not asked":   {withSource("%if %(echo 0)\nSource0: a.c\n%endif"), "", "planned: build 1 for f37"},
		"whose name needs rpm":        {withSource("Source0: %(echo a).c"), "", "planned: build 1 for f37"},
		"and a sources file of noise": {spec("hello", "1.0"), "what\n", `planned: refused: sources:1: `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.work()
			o := h.repository("rpms/hello")
			if test.sources != "" {
				o.write("sources", test.sources)
			}
			commit := o.change("hello.spec", test.spec, "refs/heads/f37")
			if got := h.planned(h.pushed(o, "refs/heads/f37", commit)); got != test.want && !(strings.HasSuffix(test.want, ": ") && strings.HasPrefix(got, test.want)) {
				t.Errorf("the delivery is %q, want %q", got, test.want)
			}
		})
	}
}
