package autospec

import "testing"

func TestReadRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		release  string
		dist, ok bool
	}{
		"%autorelease":                          {"E_S_P0_B", true, true},
		"%{autorelease}":                        {"E_S_P0_B", true, true},
		"%{?autorelease}":                       {"E_S_P0_B", true, true},
		"%autorelease -n":                       {"E_S_P0_B", false, true},
		"%autorelease -p -b 7 -e rc1 -s 2020g1": {"Erc1_S2020g1_P1_B7", true, true},
		"%{autorelease -e rc1}":                 {"Erc1_S_P0_B", true, true},
		"%{autorelease}%{?dist}":                {"", false, false},
		"%autorelease -e %{pre}":                {"", false, false},
		"%autorelease -b":                       {"", false, false},
		"%autorelease -b x":                     {"", false, false},
		"%autorelease -x":                       {"", false, false},
		"1%{?dist}":                             {"", false, false},
	} {
		release, dist, ok := ReadRelease(text)
		if ok != want.ok || ok && (release != want.release || dist != want.dist) {
			t.Errorf("%s: got %s, dist %v, %v; want %+v", text, release, dist, ok, want)
		}
	}
}
