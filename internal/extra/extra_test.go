package extra

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMacros(t *testing.T) {
	t.Parallel()
	got, err := Macros([]byte(`{"rpm.macro.dist": ".fc37", "mock.releasever": "37", "rpm.macro.fedora": 37, "rpm.macro.boot": true,
		"rpm.macro.none": null, "mock.module_setup_commands": [["enable", "a:b"]], "rpm.macro.quote": "\u00fcn \"q\""}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"dist": ".fc37", "fedora": "37", "boot": "true", "quote": `ün "q"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("macros (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"rpm.macro.dist": ["37"]}`, `{"rpm.macro.dist": {}}`, `[]`, `{`} {
		if _, err := Macros([]byte(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
