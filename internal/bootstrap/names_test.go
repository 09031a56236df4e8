package bootstrap

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTables(t *testing.T) {
	t.Parallel()
	tb, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("every pattern of the names is well formed", func(t *testing.T) {
		t.Parallel()
		for _, row := range append(tb.names, tb.requires...) {
			if _, err := path.Match(row.key, "x"); err != nil {
				t.Errorf("pattern %q: %v", row.key, err)
			}
		}
	})
	t.Run("a pattern matches a versioned name", func(t *testing.T) {
		t.Parallel()
		if diff := cmp.Diff([]string{"libstdc++-devel"}, tb.fedoraNames("libstdc++-12-dev")); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
	t.Run("a shared directory lies in shared directories", func(t *testing.T) {
		t.Parallel()
		// Otherwise a package would own it by owning its parent.
		shared := tb.shared()
		for dir := range shared {
			if parent := path.Dir(dir); parent != "." && !shared[parent] {
				t.Errorf("%s is shared, %s is not", dir, parent)
			}
			if strings.HasPrefix(dir, "/") {
				t.Errorf("%s has a leading slash", dir)
			}
		}
	})
	t.Run("alternatives are links of one name per package", func(t *testing.T) {
		t.Parallel()
		want := []symlink{{"usr/bin/cc", "gcc"}, {"usr/bin/c89", "c89-gcc"}, {"usr/bin/c99", "c99-gcc"}}
		if diff := cmp.Diff(want, tb.alternatives("gcc")); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
	})
}

func TestArchitectureByRPM(t *testing.T) {
	t.Parallel()
	got, err := architectureByRPM("aarch64")
	if err != nil {
		t.Fatal(err)
	}
	want := architecture{rpm: "aarch64", deb: "arm64", isa: "(aarch-64)"}
	if got != want {
		t.Errorf("architecture %+v, want %+v", got, want)
	}
}
