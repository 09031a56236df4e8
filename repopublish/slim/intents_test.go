package slim

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// What is the default of one intent only is a default, too.
func TestDefaultsOfIntents(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	documents := *v.Repos["full"].Modules
	at := strings.Index(documents, "document: modulemd-defaults")
	if at < 0 {
		t.Fatal("the vectors have no defaults")
	}
	end := at + strings.Index(documents[at:], "\n...")
	if end < at {
		t.Fatal("the defaults don't end")
	}
	full := moduletest.WriteRPMs(t, documents[:end]+"\n  intents:\n    writer:\n      stream: \"2\"\n      profiles:\n        \"1\": [doc]"+documents[end:], v.Repos["full"].RPMs...)
	_, _, err := try(t, Options{Packages: demo()}, "full,"+full)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `default profile "doc"`) {
		t.Errorf("the default profile of an intent is lost: %v", err)
	}
	_, r := mustMake(t, Options{Packages: demo(), KeepEmptyProfiles: true}, "full,"+full)
	if diff := cmp.Diff([]string{"doc"}, r.Streams[0].Empty); diff != "" {
		t.Errorf("profiles that are kept without packages (-want +got)\n%s", diff)
	}
	if want := `the default stream demo:2 of the intent "writer" is not in the repository`; !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q lack %q", r.Warnings, want)
	}
}
