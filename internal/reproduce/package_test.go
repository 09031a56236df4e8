package reproduce_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"github.com/distbot/distbot/internal/reproduce"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
)

// hello makes a package with a summary and files.
func hello(tb testing.TB, summary string, files ...rpmpack.RPMFile) *bytes.Reader {
	tb.Helper()
	meta := rpmpack.RPMMetaData{Name: "hello", Version: "1", Release: "1", Arch: "noarch", Summary: summary}
	return bytes.NewReader(rpmtest.Pack(tb, meta, func(r *rpmpack.RPM) {
		for _, file := range files {
			r.AddFile(file)
		}
	}))
}

func TestPackages(t *testing.T) {
	t.Parallel()
	file := func(name, body string) rpmpack.RPMFile {
		return rpmpack.RPMFile{Name: name, Body: []byte(body), Mode: 0o100644, Owner: "root", Group: "root"}
	}
	base := []rpmpack.RPMFile{file("/usr/share/a", "a"), file("/usr/share/b", "b")}
	compare := func(t *testing.T, recorded, rebuilt *bytes.Reader) *reproduce.Difference {
		t.Helper()
		d, err := reproduce.Packages(recorded, rebuilt)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Run("Equal bytes differ in nothing", func(t *testing.T) {
		t.Parallel()
		if d := compare(t, hello(t, "x", base...), hello(t, "x", base...)); d != nil {
			t.Errorf("got %+v, want nil", d)
		}
	})
	t.Run("A header tag is told with both values, and no more", func(t *testing.T) {
		t.Parallel()
		d := compare(t, hello(t, "before", base...), hello(t, "after", base...))
		want := &reproduce.Difference{Tags: []reproduce.TagDifference{{Tag: "SUMMARY", Sides: reproduce.Sides{Recorded: "before", Rebuilt: "after"}}}}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("difference (-want +got):\n%s", diff)
		}
	})
	t.Run("A file is told by its path and digests, with the payload and not as tags", func(t *testing.T) {
		t.Parallel()
		d := compare(t, hello(t, "x", base...), hello(t, "x", base[0], file("/usr/share/b", "B")))
		if len(d.Files) != 1 || d.Files[0].Path != "/usr/share/b" || d.Files[0].What != "content" ||
			!strings.HasPrefix(d.Files[0].Recorded, "1 bytes, digest 3e23e816") || !strings.HasPrefix(d.Files[0].Rebuilt, "1 bytes, digest df7e70e5") {
			t.Errorf("files: %+v", d.Files)
		}
		if d.Payload == nil {
			t.Error("the payloads differ, and it is not told")
		}
		for _, tag := range d.Tags {
			if strings.HasPrefix(tag.Tag, "FILE") {
				t.Errorf("tag %s is told, too", tag.Tag)
			}
		}
	})
	t.Run("Files that are only in one are told", func(t *testing.T) {
		t.Parallel()
		d := compare(t, hello(t, "x", base...), hello(t, "x", base[0], file("/usr/share/c", "c")))
		var got []string
		for _, f := range d.Files {
			got = append(got, f.Path+" "+f.What+" "+f.Recorded+" "+f.Rebuilt)
		}
		want := []string{"/usr/share/b presence is there is not", "/usr/share/c presence is not there is"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
	t.Run("What is told is bounded", func(t *testing.T) {
		t.Parallel()
		var many []rpmpack.RPMFile
		for i := range 500 {
			many = append(many, file("/usr/share/"+strings.Repeat("n", 200)+string(rune('a'+i%26))+strings.Repeat("x", i), "a"))
		}
		d := compare(t, hello(t, "x"), hello(t, "x", many...))
		if len(d.Files) != 200 || d.More != 300 {
			t.Errorf("%d files are told and %d more, want 200 and 300", len(d.Files), d.More)
		}
		for _, f := range d.Files {
			if len(f.Path) > 310 {
				t.Fatalf("a path of %d bytes is told", len(f.Path))
			}
		}
	})
	t.Run("What is no package is an error", func(t *testing.T) {
		t.Parallel()
		if _, err := reproduce.Packages(hello(t, "x"), strings.NewReader("nothing")); err == nil {
			t.Error("no error")
		}
	})
}

// TestTagsCoverTheHeader checks that no difference of headers can go untold.
func TestTagsCoverTheHeader(t *testing.T) {
	t.Parallel()
	tags, err := rpmfile.ReadTags(hello(t, "Say hello"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range tags {
		got[tag.Name()] = tag.Text(100)
	}
	for name, want := range map[string]string{"NAME": "hello", "VERSION": "1", "SUMMARY": "Say hello", "PAYLOADFORMAT": "cpio"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestRoots(t *testing.T) {
	t.Parallel()
	before := []reproduce.Package{{"bash-5.2-1.x86_64", "a"}, {"gone-1-1.noarch", "b"}, {"kernel-6.1-1.x86_64", "c"}, {"same-1-1.noarch", "d"}, {"anew-1-1.noarch", "e"}}
	after := []reproduce.Package{{"bash-1:5.3-1.x86_64", "f"}, {"kernel-6.1-1.x86_64", "c"}, {"kernel-6.2-1.x86_64", "g"}, {"same-1-1.noarch", "d"}, {"anew-1-1.noarch", "h"}}
	want := reproduce.RootDifference{
		Added:   []reproduce.Package{{"kernel-6.2-1.x86_64", "g"}},
		Removed: []reproduce.Package{{"gone-1-1.noarch", "b"}},
		Changed: []reproduce.Change{{"anew", "noarch", "1-1", "1-1"}, {"bash", "x86_64", "5.2-1", "1:5.3-1"}},
	}
	if diff := cmp.Diff(want, reproduce.Roots(before, after)); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	if !reproduce.Roots(before, before).Empty() {
		t.Error("a buildroot differs from itself")
	}
}

func TestResultInWords(t *testing.T) {
	t.Parallel()
	r := reproduce.Result{
		Packages: []reproduce.PackageResult{
			{Arch: "x86_64", Name: "a.rpm", Recorded: "1", Rebuilt: "1"},
			{Arch: "x86_64", Name: "b.rpm", Recorded: "1"},
			{Arch: "x86_64", Name: "c.rpm", Rebuilt: "1"},
			{Arch: "x86_64", Name: "d.rpm", Recorded: "1", Rebuilt: "2", Difference: &reproduce.Difference{Signature: true}},
		},
		Missing: []reproduce.Missing{{Arch: "noarch", NEVRA: "evil\x1b[31m-1-1.noarch", Reason: "gone"}},
	}
	var text bytes.Buffer
	r.Print(&text)
	want := "  evil-1-1.noarch, of the buildroot for noarch, came from an unknown repository: gone\n  x86_64 a.rpm: bit-identical\n" +
		"  x86_64 b.rpm: was not made again\n  x86_64 c.rpm: was not made before\n  x86_64 d.rpm: differs\n    only the signature header differs\n"
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if r.Identical() || (reproduce.Result{}).Identical() {
		t.Error("it counts as identical")
	}
}
