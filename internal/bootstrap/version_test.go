package bootstrap

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

func TestParseEVR(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		debian, want, wantNoEpoch string
	}{
		{"5.2.15-2+b13", "5.2.15-deb.2+b13", "5.2.15-deb.2+b13"},
		{"1:1.2.13.dfsg-1", "1:1.2.13.dfsg-deb.1", "1.2.13.dfsg-deb.1"},
		{"12.4+deb12u15", "12.4+deb12u15-deb.0", "12.4+deb12u15-deb.0"},
		{"252.39-1~deb12u2", "252.39-deb.1~deb12u2", "252.39-deb.1~deb12u2"},
		{"2.0-rc1-3", "2.0.rc1-deb.3", "2.0.rc1-deb.3"},
	} {
		t.Run(tt.debian, func(t *testing.T) {
			t.Parallel()
			got, err := parseEVR(tt.debian)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want, tt.wantNoEpoch}, []string{got.String(), got.withoutEpoch()}); diff != "" {
				t.Errorf("EVR (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseEVRRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "-1", "1-", ":1", "1:2:3-4", "1 2", "1%{x}", "1\n2", "99999999999:1", "1_2"} {
		if got, err := parseEVR(s); err == nil {
			t.Errorf("parseEVR(%q) = %v, want an error", s, got)
		}
	}
}

// The RPM's versions must sort as Debian's do, or an update would not be one.
func TestVersionsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	ascending := []string{
		"1.0~rc1-1", "1.0-1~deb12u1", "1.0-1", "1.0-1+b1", "1.0-1+b2", "1.0-1+deb12u1", "1.0-2", "1.0+dfsg-1", "1.1-1", "1:0.5-1",
	}
	for i := 1; i < len(ascending); i++ {
		a, b := nevraOf(t, ascending[i-1]), nevraOf(t, ascending[i])
		if rpmfile.CompareEVR(a, b) >= 0 {
			t.Errorf("%s (%s) does not sort before %s (%s)", ascending[i-1], a.EVR(), ascending[i], b.EVR())
		}
	}
}

func TestAPackageBuiltFromSourceIsNewer(t *testing.T) {
	t.Parallel()
	built, err := rpmfile.ParseNEVRA("x-1.0-1.noarch")
	if err != nil {
		t.Fatal(err)
	}
	if repacked := nevraOf(t, "1.0-9"); rpmfile.CompareEVR(repacked, built) >= 0 {
		t.Errorf("%s does not sort before %s", repacked.EVR(), built.EVR())
	}
}

func nevraOf(t *testing.T, debian string) rpmfile.NEVRA {
	t.Helper()
	v, err := parseEVR(debian)
	if err != nil {
		t.Fatal(err)
	}
	n, err := rpmfile.ParseNEVRA("x-" + v.String() + ".noarch")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
