package bootstrap

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// member is a tar header with its content.
type member struct {
	tar.Header
	content string
}

func file(name string, mode int64, content string) member {
	return member{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, ModTime: time.Unix(1600000000, 0), Size: int64(len(content))}, content}
}

func dir(name string, mode int64) member {
	return member{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: time.Unix(1600000000, 0)}, ""}
}

func link(kind byte, name, target string) member {
	return member{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777, ModTime: time.Unix(1600000000, 0)}, ""}
}

func archiveOf(t *testing.T, members ...member) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func newTree(t *testing.T) *tree {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return &tree{Root: root, Files: map[string]bool{}}
}

// describe writes each path of the tree with its mode, and its target or text.
func describe(t *testing.T, tr *tree) []string {
	t.Helper()
	var out []string
	for _, name := range tr.paths() {
		info, err := tr.Root.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		line := info.Mode().String() + " " + name
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := tr.Root.Readlink(name)
			if err != nil {
				t.Fatal(err)
			}
			line = "link " + name + " -> " + target
		case info.Mode().IsRegular():
			text, err := tr.Root.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			line += " " + string(text)
		}
		out = append(out, line)
	}
	return out
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	err := tr.unpack(archiveOf(t,
		dir("./", 0o755),
		dir("./bin/", 0o755),
		file("./bin/su", 0o4755, "su"),
		dir("./lib/", 0o755),
		dir("./lib/x86_64-linux-gnu/", 0o755),
		file("./lib/x86_64-linux-gnu/libz.so.1.2", 0o644, "elf"),
		link(tar.TypeSymlink, "./lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.2"),
		link(tar.TypeSymlink, "./lib64/ld.so.2", "/lib/x86_64-linux-gnu/ld.so"),
		link(tar.TypeSymlink, "./usr/lib/x86_64-linux-gnu/libz.so", "../../../lib/x86_64-linux-gnu/libz.so.1"),
		link(tar.TypeLink, "./bin/su2", "./bin/su"),
		dir("./var/local/", 0o2775),
		dir("./var/spool/x/", 0o1777),
		file("./usr/share/doc/su/changelog.gz", 0o644, "dropped"),
		file("./usr/share/doc/su/copyright", 0o644, "kept"),
		file("./usr/share/man/man1/su.1", 0o644, "dropped"),
		file("./usr/share/locales", 0o600, "kept"),
		link(tar.TypeSymlink, "./sbin", "usr/sbin"),
		dir("./var/run/", 0o755),
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwxr-xr-x usr",
		"drwxr-xr-x usr/bin",
		"-rwxr-xr-x usr/bin/su su",
		"-rwxr-xr-x usr/bin/su2 su",
		"drwxr-xr-x usr/lib",
		"drwxr-xr-x usr/lib/x86_64-linux-gnu",
		"link usr/lib/x86_64-linux-gnu/libz.so -> libz.so.1",
		"link usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.2",
		"-rw-r--r-- usr/lib/x86_64-linux-gnu/libz.so.1.2 elf",
		"drwxr-xr-x usr/lib64",
		"link usr/lib64/ld.so.2 -> /usr/lib/x86_64-linux-gnu/ld.so",
		"drwxr-xr-x usr/share",
		"drwxr-xr-x usr/share/doc",
		"drwxr-xr-x usr/share/doc/su",
		"-rw-r--r-- usr/share/doc/su/copyright kept",
		"-rw------- usr/share/locales kept",
		"drwxr-xr-x var",
		"drwxrwxr-x var/local",
		"drwxr-xr-x var/spool",
		"dtrwxrwxrwx var/spool/x",
	}
	if diff := cmp.Diff(want, describe(t, tr)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if want := time.Unix(1600000000, 0); !tr.Newest.Equal(want) {
		t.Errorf("newest file is of %v, want %v", tr.Newest, want)
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	for name, members := range map[string][]member{
		"a path that leaves the tree":   {file("../../evil", 0o644, "x")},
		"a newline in a name":           {file("./usr/a\nb", 0o644, "x")},
		"a device node":                 {{tar.Header{Typeflag: tar.TypeChar, Name: "./dev/x"}, ""}},
		"a file through a foreign link": {link(tar.TypeSymlink, "./usr/x", "/etc"), file("./usr/x/passwd", 0o644, "x")},
		"a hard link to the outside":    {link(tar.TypeLink, "./usr/x", "../../etc/passwd")},
		"a file that comes twice":       {file("./usr/x", 0o644, "1"), file("./usr/x", 0o644, "2")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := newTree(t).unpack(archiveOf(t, members...)); err == nil {
				t.Error("unpack accepted it")
			}
		})
	}
	t.Run("an archive that is cut off", func(t *testing.T) {
		t.Parallel()
		whole := archiveOf(t, file("./usr/x", 0o644, strings.Repeat("x", 4096))).Bytes()
		if err := newTree(t).unpack(bytes.NewReader(whole[:2048])); err == nil {
			t.Error("unpack accepted it")
		}
	})
	t.Run("more bytes than a package may have", func(t *testing.T) {
		t.Parallel()
		r := &boundedReader{strings.NewReader("12345"), 4}
		buf := make([]byte, 8)
		if n, err := r.Read(buf); n != 4 || err != nil {
			t.Fatalf("Read = %d, %v, want 4 bytes", n, err)
		}
		if _, err := r.Read(buf); err == nil {
			t.Error("Read went beyond the bound")
		}
	})
}

func FuzzMoveTarget(f *testing.F) {
	f.Add("lib/x/a", "../../usr/lib/b")
	f.Add("usr/lib/a", "/bin/sh")
	f.Add("bin/a", "../../../..")
	f.Fuzz(func(t *testing.T, name, target string) {
		cleaned, err := memberPath(name)
		if err != nil || cleaned == "." {
			return
		}
		if got := moveTarget(cleaned, target); target != "" && got == "" {
			t.Errorf("moveTarget(%q, %q) is empty", cleaned, target)
		}
	})
}
