package distgit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"
)

func TestTree(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	parent := o.commit("parent")
	o.write("hello.spec", "Name: hello\n")
	o.write("sub/deep/er/file.patch", "patch\n")
	o.write("run.sh", "#!/bin/sh\n")
	o.write("aux.c", "a name that only Windows minds\n")
	o.write("a\nb", "newline")
	if err := os.Chmod(filepath.Join(o.work, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(o.work, "link.spec")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(o.work, "module"), 0o755); err != nil {
		t.Fatal(err)
	}
	o.git("update-index", "--add", "--cacheinfo", "160000,"+parent+",module")
	commit := o.commit("Subject line\n\nBody text.\n")
	o.push("refs/heads/main")
	remote, m := o.remote(), &Mirrors{Dir: t.TempDir()}
	mustFetch(t, m, remote, Want{Commit: commit})
	open := func(t *testing.T) *Tree { // one for each goroutine
		t.Helper()
		tree, err := m.Tree(t.Context(), remote, commit)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}

	t.Run("lists regular files of all folders and what it skips", func(t *testing.T) {
		t.Parallel()
		tree := open(t)
		want := []File{
			{Name: "aux.c", Size: 31}, {Name: "hello.spec", Size: 12}, {Name: "run.sh", Size: 10, Executable: true}, {Name: "sub/deep/er/file.patch", Size: 6},
		}
		if diff := cmp.Diff(want, tree.Files()); diff != "" {
			t.Errorf("Files (-want +got):\n%s", diff)
		}
		skipped := []Skipped{{"a\nb", "control character in the name"}, {"link.spec", "symbolic link"}, {"module", "submodule"}}
		if diff := cmp.Diff(skipped, tree.Skipped()); diff != "" {
			t.Errorf("Skipped (-want +got):\n%s", diff)
		}
	})

	t.Run("describes the commit", func(t *testing.T) {
		t.Parallel()
		tree := open(t)
		got := tree.Commit()
		got.Committed = got.Committed.UTC()
		want := Commit{
			Hash: commit, Parents: []string{parent}, Author: "Ann Author <ann@example.org>",
			Committed: time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC), Subject: "Subject line", Message: "Subject line\n\nBody text.\n",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Commit (-want +got):\n%s", diff)
		}
	})

	t.Run("reads regular files up to a limit", func(t *testing.T) {
		t.Parallel()
		tree := open(t)
		content, err := tree.ReadFile("hello.spec", 12)
		if err != nil || string(content) != "Name: hello\n" {
			t.Errorf("ReadFile: %q, %v", content, err)
		}
		var limit *LimitError
		if _, err := tree.ReadFile("hello.spec", 11); !errors.As(err, &limit) {
			t.Errorf("ReadFile over the limit: %v", err)
		}
		for _, name := range []string{"link.spec", "module", "sub", "nothing", "../hello.spec", ""} {
			if _, err := tree.ReadFile(name, 100); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ReadFile(%q): %v, want fs.ErrNotExist", name, err)
			}
		}
	})

	t.Run("exports into an empty folder", func(t *testing.T) {
		t.Parallel()
		tree := open(t)
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		enough := ExportLimits{Files: 4, FileBytes: 31, TotalBytes: 59}
		if err := tree.Export(t.Context(), root, enough); err != nil {
			t.Fatal(err)
		}
		for _, file := range tree.Files() {
			info, err := os.Lstat(filepath.Join(dir, file.Name))
			if err != nil || info.Size() != file.Size || !info.Mode().IsRegular() || (info.Mode()&0o111 != 0) != file.Executable {
				t.Errorf("%s: %v, %v", file.Name, info, err)
			}
		}
		if err := tree.Export(t.Context(), root, enough); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Export over existing files: %v, want fs.ErrExist", err)
		}
	})

	t.Run("does not export through links or over limits", func(t *testing.T) {
		t.Parallel()
		tree := open(t)
		dir, outside := t.TempDir(), t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, limits := range []ExportLimits{{3, 100, 100}, {10, 30, 100}, {10, 100, 58}} {
			var limit *LimitError
			if err := tree.Export(t.Context(), root, limits); !errors.As(err, &limit) {
				t.Errorf("Export with %+v: %v, want a *LimitError", limits, err)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("an export over the limits wrote %v (%v)", left, err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, "sub")); err != nil {
			t.Fatal(err)
		}
		if err := tree.Export(t.Context(), root, ExportLimits{10, 100, 100}); err == nil {
			t.Error("Export through a link to a folder outside succeeds")
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
			t.Errorf("the export escaped: %v (%v)", left, err)
		}
	})

	t.Run("says when a commit or a mirror is not there", func(t *testing.T) {
		t.Parallel()
		other := remote
		other.ID = "rpms/other"
		for _, at := range []struct {
			remote Remote
			commit string
		}{{remote, strings.Repeat("1", 40)}, {other, commit}} {
			if _, err := m.Tree(t.Context(), at.remote, at.commit); !errors.Is(err, ErrCommitNotFound) {
				t.Errorf("Tree(%s, %s): %v, want ErrCommitNotFound", at.remote.ID, at.commit, err)
			}
		}
		for _, id := range []string{"", "main", "HEAD~1", commit[:10], "-x"} {
			if _, err := m.Tree(t.Context(), remote, id); !errors.Is(err, ErrNotAllowed) {
				t.Errorf("Tree(%q): %v, want ErrNotAllowed", id, err)
			}
		}
	})
}

// evilMirror is a mirror whose trees are written object by object, as a hostile
// server could send them.
type evilMirror struct {
	t      *testing.T
	repo   *git.Repository
	m      *Mirrors
	remote Remote
}

func newEvilMirror(t *testing.T) *evilMirror {
	t.Helper()
	e := &evilMirror{t: t, m: &Mirrors{Dir: t.TempDir()}, remote: Remote{Forge: "f", ID: "1"}}
	path, err := e.remote.mirrorPath(e.m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if e.repo, err = git.PlainInit(path, true); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *evilMirror) object(kind plumbing.ObjectType, content string) plumbing.Hash {
	e.t.Helper()
	object := e.repo.Storer.NewEncodedObject()
	object.SetType(kind)
	w, err := object.Writer()
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		e.t.Fatal(err)
	}
	hash, err := e.repo.Storer.SetEncodedObject(object)
	if err != nil {
		e.t.Fatal(err)
	}
	return hash
}

// entry is one entry of a raw tree.
func entry(mode, name string, hash plumbing.Hash) string {
	return mode + " " + name + "\x00" + string(hash[:])
}

func (e *evilMirror) tree(root plumbing.Hash) (*Tree, error) {
	e.t.Helper()
	commit := e.object(plumbing.CommitObject, fmt.Sprintf("tree %s\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nevil\n", root))
	return e.m.Tree(e.t.Context(), e.remote, commit.String())
}

func TestTreeOfAHostileServer(t *testing.T) {
	t.Parallel()

	t.Run("refuses names that leave the tree", func(t *testing.T) {
		t.Parallel()
		e := newEvilMirror(t)
		blob := e.object(plumbing.BlobObject, "x")
		folder := e.object(plumbing.TreeObject, entry("100644", "f", blob))
		for _, bad := range []string{
			entry("100644", "..", blob), entry("100644", ".", blob), entry("40000", "..", folder), entry("40000", ".git", folder),
			entry("40000", ".GiT", folder), entry("100644", "b/../../c", blob), entry("100644", "/etc/passwd", blob),
		} {
			if _, err := e.tree(e.object(plumbing.TreeObject, bad)); !errors.Is(err, ErrNotAllowed) {
				t.Errorf("tree %q: %v, want ErrNotAllowed", bad, err)
			}
		}
	})

	t.Run("refuses one name twice", func(t *testing.T) {
		t.Parallel()
		e := newEvilMirror(t)
		blob := e.object(plumbing.BlobObject, "x")
		if _, err := e.tree(e.object(plumbing.TreeObject, entry("100644", "a", blob)+entry("100755", "a", blob))); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("tree with a name twice: %v, want ErrNotAllowed", err)
		}
	})

	t.Run("never writes through a link that has the name of a folder", func(t *testing.T) {
		t.Parallel()
		e := newEvilMirror(t)
		blob := e.object(plumbing.BlobObject, "x")
		link := e.object(plumbing.BlobObject, "/")
		folder := e.object(plumbing.TreeObject, entry("100644", "f", blob))
		tree, err := e.tree(e.object(plumbing.TreeObject, entry("120000", "a", link)+entry("40000", "a", folder)))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if err := tree.Export(t.Context(), root, ExportLimits{10, 10, 10}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(filepath.Join(dir, "a")); err != nil || !info.IsDir() {
			t.Errorf("a is %v (%v), want a folder", info, err)
		}
	})

	t.Run("stops at trees that multiply", func(t *testing.T) {
		t.Parallel()
		e := newEvilMirror(t)
		hash := e.object(plumbing.BlobObject, "x")
		mode := "100644"
		for range 12 {
			var content string
			for i := range 10 {
				content += entry(mode, fmt.Sprint("e", i), hash)
			}
			hash, mode = e.object(plumbing.TreeObject, content), "40000"
		}
		var limit *LimitError
		if _, err := e.tree(hash); !errors.As(err, &limit) {
			t.Errorf("tree of 10^12 files: %v, want a *LimitError", err)
		}
	})

	t.Run("stops at trees that are too deep", func(t *testing.T) {
		t.Parallel()
		e := newEvilMirror(t)
		hash := e.object(plumbing.TreeObject, "")
		for range 200 {
			hash = e.object(plumbing.TreeObject, entry("40000", "d", hash))
		}
		var limit *LimitError
		if _, err := e.tree(hash); !errors.As(err, &limit) {
			t.Errorf("tree 200 deep: %v, want a *LimitError", err)
		}
	})

	t.Run("says when an object is missing instead of passing over it", func(t *testing.T) {
		t.Parallel()
		e := newEvilMirror(t)
		absent := plumbing.NewHash(strings.Repeat("5", 40))
		for _, mode := range []string{"100644", "40000"} {
			if _, err := e.tree(e.object(plumbing.TreeObject, entry(mode, "gone", absent))); err == nil {
				t.Errorf("a tree whose %s entry is missing is read", mode)
			}
		}
	})
}

func TestFindSpec(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	m, remote := &Mirrors{Dir: t.TempDir()}, o.remote()
	at := func() *Tree {
		commit := o.commit("next")
		o.push("refs/heads/main")
		mustFetch(t, m, remote, Want{Commit: commit})
		tree, err := m.Tree(t.Context(), remote, commit)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	o.write("tests/other.spec", "")
	o.write(".spec", "")
	if err := os.Symlink("tests/other.spec", filepath.Join(o.work, "linked.spec")); err != nil {
		t.Fatal(err)
	}
	if _, err := FindSpec(at()); err == nil || !strings.Contains(err.Error(), "no spec file at the root: linked.spec is a symbolic link") {
		t.Errorf("FindSpec without a spec: %v", err)
	}
	o.write("hello.spec", "")
	tree := at()
	if name, err := FindSpec(tree); name != "hello.spec" || err != nil {
		t.Errorf("FindSpec = %q, %v", name, err)
	}
	if Retired(tree) || NoAutoBuild(tree) {
		t.Errorf("Retired %t, NoAutoBuild %t; want neither", Retired(tree), NoAutoBuild(tree))
	}
	o.write("world.spec", "")
	o.write("dead.package", "replaced by world")
	o.write("noautobuild", "")
	tree = at()
	if _, err := FindSpec(tree); err == nil || !strings.Contains(err.Error(), "hello.spec, world.spec") {
		t.Errorf("FindSpec with two specs: %v", err)
	}
	if !Retired(tree) || !NoAutoBuild(tree) {
		t.Errorf("Retired %t, NoAutoBuild %t; want both", Retired(tree), NoAutoBuild(tree))
	}
}
