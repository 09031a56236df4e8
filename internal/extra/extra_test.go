package extra

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMacros(t *testing.T) {
	t.Parallel()
	got, err := Macros([]byte(`{"rpm.macro.dist": ".fc37", "mock.releasever": "37", "rpm.macro.fedora": "37"}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"dist": ".fc37", "fedora": "37"}, got); diff != "" {
		t.Errorf("macros (-want +got):\n%s", diff)
	}
	if _, err := Macros([]byte(`{"rpm.macro.dist": 37}`)); err == nil {
		t.Error("a number was taken for a macro's text")
	}
}
