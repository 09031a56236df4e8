package rpmfile

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseNEVRA(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want NEVRA
	}{
		{"bash-5.1-2.fc37.x86_64", NEVRA{"bash", 0, "5.1", "2.fc37", "x86_64"}},
		{"java-11-openjdk-1:11.0.1-1.el9.s390x", NEVRA{"java-11-openjdk", 1, "11.0.1", "1.el9", "s390x"}},
		{"a-1~rc1^git-0.1.src", NEVRA{"a", 0, "1~rc1^git", "0.1", "src"}},
		{"gtk+-1_2-3.noarch", NEVRA{"gtk+", 0, "1_2", "3", "noarch"}},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			got, err := ParseNEVRA(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.String() != tt.in {
				t.Errorf("String() = %q, want %q", got, tt.in)
			}
		})
	}
}

func TestParseNEVRARefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "-", ".", "a", "a-1", "a-1-1", "a-1-1.", "-1-1.noarch", "a--1.noarch", "a-1-.noarch",
		"a-x:1-1.noarch", "a-:1-1.noarch", "a-4294967296:1-1.noarch",
		"a-1:2:3-1.noarch", "../a-1-1.noarch", "a/b-1-1.noarch", "a-..-1.noarch", "a-1-..x.noarch",
		".a-1-1.noarch", "a b-1-1.noarch", "a-1-1.no arch", "a-1-1.x86-64", "ä-1-1.noarch", "a\x00-1-1.noarch",
		"a-1-1\n.noarch", "a%{x}-1-1.noarch", strings.Repeat("a", 250) + "-1-1.noarch", strings.Repeat("-", 1<<20),
	} {
		if got, err := ParseNEVRA(in); !errors.Is(err, ErrName) {
			t.Errorf("ParseNEVRA(%.60q) = %v, %v; want ErrName", in, got, err)
		}
	}
}

func TestParseNVR(t *testing.T) {
	t.Parallel()
	got, err := ParseNVR("java-11-openjdk-1:11.0.1-1.el9")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(NEVRA{"java-11-openjdk", 1, "11.0.1", "1.el9", ""}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.NVR() != "java-11-openjdk-11.0.1-1.el9" || got.NVRA() != got.NVR() {
		t.Errorf("NVR() = %q, NVRA() = %q", got.NVR(), got.NVRA())
	}
	for _, in := range []string{"", "a", "a-1", "-1-1", "a-1-", "a-/-1"} {
		if got, err := ParseNVR(in); !errors.Is(err, ErrName) {
			t.Errorf("ParseNVR(%q) = %v, %v; want ErrName", in, got, err)
		}
	}
}

func TestNEVRAIsPlainJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(NEVRA{"a", 1, "2", "3", "src"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"a","epoch":1,"version":"2","release":"3","arch":"src"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzParseNEVRA(f *testing.F) {
	f.Add("java-11-openjdk-1:11.0.1-1.el9.s390x")
	f.Add("a-1~rc1^git-0.1.src")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNEVRA(s)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Errorf("error does not wrap ErrName: %v", err)
			}
			return
		}
		again, err := ParseNEVRA(n.String())
		if err != nil || again != n {
			t.Errorf("%q reads as %+v, whose String %q reads as %+v, %v", s, n, n, again, err)
		}
	})
}
