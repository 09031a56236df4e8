package directory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/repopublish/directory/directorytest"
)

func TestDrop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	directorytest.Pack(t, dir, 1, 1)
	comps, product := filepath.Join(t.TempDir(), "comps.xml"), filepath.Join(t.TempDir(), "productid")
	if err := errors.Join(os.WriteFile(comps, []byte("<comps/>"), 0o644), os.WriteFile(product, []byte("a certificate"), 0o644)); err != nil {
		t.Fatal(err)
	}
	tool(t, "createrepo_c", "-q", "-g", comps, dir)
	tool(t, "modifyrepo_c", "--mdtype=productid", product, filepath.Join(dir, "repodata"))
	for _, step := range []struct {
		name     string
		drop     []string
		types    []string
		warnings []string // what each says
		err      error
	}{
		{"misspelt", []string{"modlues"}, []string{"filelists", "group", "group_gz", "other", "primary", "productid"}, []string{`"modlues"`}, nil},
		{"what every repository has", []string{"filelists"}, []string{"filelists", "group", "group_gz", "other", "primary", "productid"}, nil, ErrDrop},
		{"databases, which go in any case", []string{"primary_db"}, []string{"filelists", "group", "group_gz", "other", "primary", "productid"}, nil, nil},
		{"by its longer name", []string{"group_gz"}, []string{"filelists", "other", "primary", "productid"}, nil, nil},
		{"once more", []string{"group_gz", "group"}, []string{"filelists", "other", "primary", "productid"}, nil, nil},
		{"of another program", []string{"productid"}, []string{"filelists", "other", "primary"}, nil, nil},
		{"what is not there", []string{"productid", "modules", "updateinfo", "group"}, []string{"filelists", "other", "primary"}, nil, nil},
	} {
		result, err := Create(t.Context(), Options{Dir: dir, Drop: step.drop})
		if !errors.Is(err, step.err) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.err)
		}
		if len(result.Warnings) != len(step.warnings) {
			t.Errorf("%s: warnings %q, want %q", step.name, result.Warnings, step.warnings)
		}
		for i, part := range step.warnings {
			if i < len(result.Warnings) && !strings.Contains(result.Warnings[i], part) {
				t.Errorf("%s: warning %q does not say %s", step.name, result.Warnings[i], part)
			}
		}
		if diff := cmp.Diff(step.types, types(t, dir)); diff != "" {
			t.Errorf("%s: documents (-want +got)\n%s", step.name, diff)
		}
	}
	// Its file is gone with the run after the next.
	mustCreate(t, Options{Dir: dir})
	for name := range files(t, dir) {
		if strings.Contains(name, "productid") || strings.Contains(name, "comps") {
			t.Errorf("%s is still there", name)
		}
	}
}
