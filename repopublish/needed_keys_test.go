package repopublish

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestNeededKeys(t *testing.T) {
	t.Parallel()
	const lower = "acb5ee4e831c74bb7c168d27f55ad3fb5323552a"
	printed := "ACB5 EE4E 831C 74BB 7C16  8D27 F55A D3FB 5323 552A"
	for value, want := range map[string][]string{
		`"release"`: {"release"}, `"a b"`: {"a", "b"}, `["a","a"]`: {"a"}, `""`: nil, `[]`: nil,
		`"` + lower + `"`:                          {lower},
		`"` + strings.ToUpper(lower) + `"`:         {lower},
		`"` + printed + `"`:                        {lower},
		`["` + printed + `", "release"]`:           {lower, "release"},
		`"release ` + strings.ToUpper(lower) + `"`: {"release", lower},
	} {
		if got, err := parseNeed(json.RawMessage(value)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", value, got, err, want)
		}
	}
	for _, value := range []string{
		`1`, `[1]`, `{"a":1}`, `[""]`, `["a b"]`, `"Release"`, `"../a"`,
		`"5323552A"`, `"ACB5EE4E831C74BB"`, `"` + printed + ` AAAA"`, `"` + printed + `" "release"`,
		`["` + strings.ToUpper(lower[1:]) + `"]`, `["` + strings.ToUpper(lower) + `0"]`, `["1","2","3","4","5","6","7","8","9"]`,
	} {
		if got, err := parseNeed(json.RawMessage(value)); err == nil {
			t.Errorf("%s is taken for %q", value, got)
		}
	}
}

// TestANeededFingerprintIsThatOfTheRecord writes it as gpg prints it.
func TestANeededFingerprintIsThatOfTheRecord(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026")
	build := s.complete(t, 1, "hello", "1", "hello.x86_64")
	s.signAll(t, build, "y2026")
	value, err := json.Marshal(strings.ToUpper(s.known(t, "y2026").Fingerprint))
	if err != nil {
		t.Fatal(err)
	}
	s.setExtra(t, NeedSignaturesExtra, string(value))
	s.tag(t, s.dist.DestTag, build)
	s.settled(t)
	s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
}
