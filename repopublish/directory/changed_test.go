package directory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

// Whatever its length, a repomd.xml that is the same is the same.
func TestNothingChanged(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	name := filepath.Join(dir, "repodata", "repomd.xml")
	mustCreate(t, Options{Dir: dir, CacheDir: cache, Revision: "1"})
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4095, 4096, 4097, 4098, 8193, 65535, 65536, 65537, 65538} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			opts := Options{Dir: dir, CacheDir: cache, Revision: strings.Repeat("1", size-int(info.Size())+1)}
			mustCreate(t, opts)
			if err := os.WriteFile(name+".asc", []byte("a signature"), 0o644); err != nil {
				t.Fatal(err)
			}
			if result := mustCreate(t, opts); result.Changed || len(result.Warnings) != 0 {
				t.Errorf("changed: %v, warnings: %q", result.Changed, result.Warnings)
			}
			if _, err := os.Stat(name + ".asc"); err != nil {
				t.Errorf("the signature: %v", err)
			}
			if info, err := os.Stat(name); err != nil || info.Size() != int64(size) {
				t.Fatalf("repomd.xml: %v, %v", info, err)
			}
		})
	}
}
