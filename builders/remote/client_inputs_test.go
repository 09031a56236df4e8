package remote

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExtractRefuses(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]tar.Header{
		"a path up":          {Name: "../evil", Typeflag: tar.TypeReg},
		"an absolute path":   {Name: "/etc/evil", Typeflag: tar.TypeReg},
		"a path up and down": {Name: "a/../../evil", Typeflag: tar.TypeReg},
		"a symbolic link":    {Name: "link", Linkname: "/etc", Typeflag: tar.TypeSymlink},
		"a hard link":        {Name: "link", Linkname: "hello.spec", Typeflag: tar.TypeLink},
		"a device":           {Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		"a pipe":             {Name: "pipe", Typeflag: tar.TypeFifo},
		"a directory up":     {Name: "../dir/", Typeflag: tar.TypeDir},
		"a file twice":       {Name: "hello.spec", Typeflag: tar.TypeReg},
		"too many bytes":     {Name: "huge", Typeflag: tar.TypeReg, Size: maxSourceBytes + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			w := tar.NewWriter(&text)
			if err := errors.Join(w.WriteHeader(&tar.Header{Name: "hello.spec", Typeflag: tar.TypeReg, Mode: 0o644}), w.WriteHeader(&header)); err != nil {
				t.Fatal(err)
			}
			outside := t.TempDir()
			dir := filepath.Join(outside, "in")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := extract(&text, dir); err == nil || passing(err) {
				t.Errorf("extract: %v, want an error that trying again does not mend", err)
			}
			for at, want := range map[string]string{outside: "in", dir: "hello.spec"} {
				entries, err := os.ReadDir(at)
				if err != nil || len(entries) != 1 || entries[0].Name() != want {
					t.Errorf("%s holds %v, %v", at, entries, err)
				}
			}
		})
	}
	t.Run("a file with holes", func(t *testing.T) {
		t.Parallel()
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		// The writer does not write such records: their name is mended below.
		records := map[string]string{"GNU.sparsX.numblocks": "1", "GNU.sparsX.map": "0,0", "GNU.sparsX.size": "1073741824"}
		if err := w.WriteHeader(&tar.Header{Name: "huge", Typeflag: tar.TypeReg, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: records}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		err := extract(bytes.NewReader(bytes.ReplaceAll(text.Bytes(), []byte("sparsX"), []byte("sparse"))), dir)
		if err == nil || !strings.Contains(err.Error(), "has holes") {
			t.Errorf("extract: %v, want a refusal of holes", err)
		}
	})
	t.Run("a tar that breaks off may be asked for again", func(t *testing.T) {
		t.Parallel()
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		if err := w.WriteHeader(&tar.Header{Name: "hello.spec", Typeflag: tar.TypeReg, Mode: 0o644, Size: 100}); err != nil {
			t.Fatal(err)
		}
		if err := extract(&text, t.TempDir()); err == nil || !passing(err) {
			t.Errorf("extract: %v, want an error that trying again may mend", err)
		}
	})
}
