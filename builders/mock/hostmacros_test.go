package mock

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/builders/drivertest"
)

func TestMacrosThatAreGoneFromTheHost(t *testing.T) {
	t.Parallel()
	from, dir := t.TempDir(), filepath.Join(t.TempDir(), "macros")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cpy := func(want map[string]string) {
		t.Helper()
		entries, err := os.ReadDir(from)
		if err == nil {
			err = copyMacros(dir, from, entries)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, name := range drivertest.Names(t, dir) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got[name] = string(text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("macros (-want +got)\n%s", diff)
		}
	}
	write("macros.perl", "%perl 5\n")
	write("macros.site", "%site here\n")
	cpy(map[string]string{"macros.perl": "%perl 5\n", "macros.site": "%site here\n", ownMacros: "%_dbpath /var/lib/rpm\n"})
	if err := os.Remove(filepath.Join(from, "macros.site")); err != nil {
		t.Fatal(err)
	}
	write("macros.perl", "%perl 6\n")
	cpy(map[string]string{"macros.perl": "%perl 6\n", ownMacros: "%_dbpath /var/lib/rpm\n"})
}
