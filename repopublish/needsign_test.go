package repopublish

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLackingKeys(t *testing.T) {
	t.Parallel()
	fingerprint := strings.Repeat("0123456789", 4)
	have := []RecordedSignature{{Key: "release", Fingerprint: fingerprint}, {Key: "testing", Fingerprint: strings.Repeat("f", 40)}}
	for name, test := range map[string]struct {
		need []string
		have []RecordedSignature
		want []string
	}{
		"nothing is needed":             {nil, nil, nil},
		"it is there by name":           {[]string{"release"}, have, nil},
		"it is there by fingerprint":    {[]string{fingerprint}, have, nil},
		"all are there":                 {[]string{"release", "testing"}, have, nil},
		"one of two is not":             {[]string{"release", "security"}, have, []string{"security"}},
		"nobody has signed":             {[]string{"release", "testing"}, nil, []string{"release", "testing"}},
		"an id of 8 digits is nobody's": {[]string{fingerprint[32:]}, have, []string{fingerprint[32:]}},
		"an empty name is nobody's":     {[]string{""}, have, []string{""}},
	} {
		if diff := cmp.Diff(test.want, LackingKeys(test.need, test.have)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSettingsOfSignaturesThatAreNone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{`"a b"`: {"a", "b"}, `["a"]`: {"a"}} {
		if got, err := parseNeed([]byte(value)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{`7`, `[""]`, `{"a": 1}`, `["1","2","3","4","5","6","7","8","9"]`} {
		if got, err := parseNeed([]byte(value)); err == nil {
			t.Errorf("%s: %v", value, got)
		}
	}
}
