package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written runs a script as the builder in a new directory and returns it.
func written(t *testing.T, r *Runner, script string) string {
	t.Helper()
	dir := mappedDir(t, r, "build", 1000)
	spec := python(script)
	spec.Dir = "/builddir"
	spec.Mounts = append(spec.Mounts, Mount{Source: dir, Target: "/builddir"})
	want(t, r, spec, 0, "")
	return dir
}

func TestCollect(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	read := func(t *testing.T, dest, rel string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dest, rel))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}

	t.Run("takes regular files whatever their modes, and nothing else", func(t *testing.T) {
		t.Parallel()
		dir := written(t, r, `
os.makedirs("out/sub/deep")
for p in ("out/b.rpm", "out/sub/a.rpm", "out/sub/deep/c"):
    open(p, "w").write(p); os.chmod(p, 0)
open("out/evil\nname", "w").close(); open(b"out/\xff", "w").close()
os.symlink("/etc/passwd", "out/link"); os.symlink("/etc", "out/dirlink"); os.mkfifo("out/fifo")
socket.socket(socket.AF_UNIX).bind("out/socket")
os.chmod("out/sub/deep", 0); os.chmod("out/sub", 0); os.chmod("out", 0)`)
		dest := t.TempDir()
		got, err := r.Collect(testContext(t), dir, dest, CollectOptions{Sub: "out"})
		if err != nil {
			t.Fatal(err)
		}
		expected := &CollectResult{
			Files:   []CollectedFile{{"b.rpm", 9}, {"sub/a.rpm", 13}, {"sub/deep/c", 14}},
			Skipped: []string{"dirlink", `"evil\nname"`, "fifo", "link", "socket", `"\xff"`},
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if text := read(t, dest, "sub/deep/c"); text != "out/sub/deep/c" {
			t.Errorf("content is %q", text)
		}
		fi, err := os.Lstat(filepath.Join(dest, "b.rpm"))
		if err != nil || fi.Mode() != 0o644 {
			t.Errorf("mode is %v, %v", fi.Mode(), err)
		}
	})
	t.Run("follows no link on the way to sub", func(t *testing.T) {
		t.Parallel()
		secrets := t.TempDir()
		if err := os.WriteFile(filepath.Join(secrets, "secret"), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		dir := written(t, r, `os.symlink("`+secrets+`", "out"); os.mkdir("d"); os.symlink("../..", "d/up"); os.symlink("d", "here")`)
		for _, sub := range []string{"out", "d/up", "here"} {
			dest := t.TempDir()
			if got, err := r.Collect(testContext(t), dir, dest, CollectOptions{Sub: sub}); err == nil {
				t.Errorf("%s: collected %+v", sub, got)
			}
		}
	})
	t.Run("has limits", func(t *testing.T) {
		t.Parallel()
		dir := written(t, r, `
for i in range(20): open("f%d" % i, "w").write("x" * 100)
os.makedirs("d/" * 20)
with open("d/sparse", "w") as f: f.truncate(1 << 40)`)
		for name, opt := range map[string]CollectOptions{
			"files": {MaxFiles: 10}, "depth": {MaxDepth: 5, MaxBytes: 1 << 50, Sub: "d/d"}, "bytes": {MaxBytes: 1000},
			"sparse bytes": {Sub: "d", MaxBytes: 1 << 20},
		} {
			if _, err := r.Collect(testContext(t), dir, t.TempDir(), opt); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	t.Run("overwrites nothing and says what is missing", func(t *testing.T) {
		t.Parallel()
		dir := written(t, r, `open("f", "w").write("new")`)
		dest := t.TempDir()
		if err := os.WriteFile(filepath.Join(dest, "f"), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Collect(testContext(t), dir, dest, CollectOptions{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got %v", err)
		}
		if read(t, dest, "f") != "old" {
			t.Error("overwritten")
		}
		if _, err := r.Collect(testContext(t), dir, dest, CollectOptions{Sub: "none"}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		for _, sub := range []string{"..", "/etc", "a/../../b"} {
			if _, err := r.Collect(testContext(t), dir, dest, CollectOptions{Sub: sub}); !errors.Is(err, ErrSpec) {
				t.Errorf("%s: got %v", sub, err)
			}
		}
	})
}

func TestRemoveAll(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	gone := func(t *testing.T, path string) {
		t.Helper()
		if err := r.RemoveAll(testContext(t), path); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	t.Run("removes an overlay's work directory", func(t *testing.T) {
		t.Parallel()
		root, mounts := layered(t, r)
		fill(t, r, root.Lower[0], "mkdir -p etc/old && echo x > etc/old/x")
		spec := shell("rm -r /etc/old; mkdir /etc/old; touch /etc/old/new")
		spec.Root, spec.Mounts, spec.UID, spec.GID = root, mounts, 0, 0
		want(t, r, spec, 0, "")
		gone(t, root.Work)
		gone(t, root.Upper)
	})
	t.Run("removes directories nested deeper than any path is long", func(t *testing.T) {
		t.Parallel()
		dir := written(t, r, `
for i in range(600):
    open("f", "w").close()
    os.mkdir("directory"); os.chdir("directory")
os.mkdir(".removing-1")`)
		gone(t, dir)
	})
	t.Run("does not follow links and minds no modes", func(t *testing.T) {
		t.Parallel()
		outside := t.TempDir()
		keep := filepath.Join(outside, "keep")
		if err := os.WriteFile(keep, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		dir := written(t, r, `
os.symlink("`+outside+`", "link"); os.makedirs("d/e"); open("d/e/f", "w").close(); os.symlink("`+outside+`", "d/link")
os.chmod("d/e", 0); os.chmod("d", 0)`)
		gone(t, filepath.Join(dir, "link"))
		gone(t, dir)
		if _, err := os.Stat(keep); err != nil {
			t.Error(err)
		}
	})
	t.Run("of nothing is no error", func(t *testing.T) {
		t.Parallel()
		gone(t, filepath.Join(t.TempDir(), "a", "b"))
	})
	t.Run("refuses a relative path and the root", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"a", "", "/", "/a/.."} {
			if err := r.RemoveAll(testContext(t), path); !errors.Is(err, ErrSpec) {
				t.Errorf("%q: got %v", path, err)
			}
		}
	})
}

func TestFilesHaveMappedOwners(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	dir := mappedDir(t, r, "d", 1000)
	if err := r.MkdirMapped(testContext(t), dir, 0, 0, 0o755); !errors.Is(err, fs.ErrExist) {
		t.Errorf("mkdir of what exists: got %v", err)
	}
	stat := func(text string) {
		t.Helper()
		spec := shell("stat -c '%u %g %a' /d")
		spec.Mounts = append(spec.Mounts, Mount{Source: dir, Target: "/d"})
		want(t, r, spec, 0, text)
	}
	stat("1000 1000 755")
	if err := r.Chown(testContext(t), dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	if r.Mapping().Kind != MapSingle { // there the builder is the only user
		stat("0 0 755")
		if err := r.Chown(testContext(t), dir, 1<<16, 0); err == nil {
			t.Error("an id outside the map was accepted")
		}
	}
}
