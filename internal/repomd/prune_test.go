package repomd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrune(t *testing.T) {
	t.Parallel()
	md5, sha1, sha256 := strings.Repeat("a", 32), strings.Repeat("b", 40), strings.Repeat("c", 64)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "repodata"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for name, stays := range map[string]bool{
		"repomd.xml": true, "repomd.xml.asc": true, "notes.txt": true, "TRANS.TBL": true, ".hidden": true,
		sha256 + "-primary.xml.gz":  true, // listed
		sha256 + "-comps.xml":       true, // listed by the other
		sha256 + "-other.xml.gz":    false,
		sha1 + "-productid":         false,
		sha1 + "-productid.gz":      false,
		md5 + "-primary.sqlite.bz2": false,
		sha512Hex + "-a b.appdata":  false,
		"0" + md5 + "-primary.xml":  true, // no checksum has this length
		sha256:                      true,
		".tmp-primary.xml.gz":       false,
		".tmp-primary.xml.zst":      false,
		".repomd.xml":               false,
	} {
		if err := os.WriteFile(filepath.Join(dir, "repodata", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if stays {
			want["repodata/"+name] = ""
		}
	}
	err := Prune(dir, Repomd{Data: []Data{{Href: "repodata/" + sha256 + "-primary.xml.gz"}}}, Repomd{Data: []Data{{Href: "./repodata/" + sha256 + "-comps.xml"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Errorf("left (-want +got)\n%s", diff)
	}
}
