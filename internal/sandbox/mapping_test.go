package sandbox

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSubIDs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file        string
		base, count int
	}{
		"by name":                    {"alice:1:70000\nbob:200000:65536\n", 200000, 65536},
		"by number":                  {"1001:300000:65536\n", 300000, 65536},
		"the largest of several":     {"bob:100000:2000\nbob:200000:60000\n", 200000, 60000},
		"never more than 16 bit":     {"bob:100000:1000000\n", 100000, 65536},
		"too small for the builder":  {"bob:100000:1000\n", 0, 0},
		"somebody else's":            {"bobby:100000:65536\n", 0, 0},
		"garbage":                    {"bob\nbob:x:65536\nbob:-1:65536\nbob:1:99999999999999999999\n\n:::\n", 0, 0},
		"garbage around a line":      {"#\n  bob:100000:65536  \nbob:1\n", 100000, 65536},
		"beyond what a map can hold": {"bob:4294967296:65536\n", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, count, err := parseSubIDs(strings.NewReader(test.file), "bob", "1001")
			if base != test.base || count != test.count || (err == nil) != (test.count > 0) {
				t.Errorf("got %d, %d, %v", base, count, err)
			}
			if err != nil && !errors.Is(err, errNoSubIDs) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzParseSubIDs(f *testing.F) {
	f.Add("bob:100000:65536\n1001:1:2\n")
	f.Fuzz(func(t *testing.T, file string) {
		base, count, err := parseSubIDs(strings.NewReader(file), "bob", "1001")
		if err == nil && (base < 0 || count < minRange || count > rangeSize) {
			t.Errorf("got %d, %d", base, count)
		}
	})
}

func TestMappingTranslatesIDs(t *testing.T) {
	t.Parallel()
	m := Mapping{Kind: MapSubID, UIDBase: 100000, UIDCount: 65536, GIDBase: 300000, GIDCount: 65536}
	if id := m.ID(); id != "u100000+65536-g300000+65536" {
		t.Errorf("ID is %q", id)
	}
	uid, err1 := m.HostUID(1000)
	gid, err2 := m.HostGID(1000)
	if uid != 101000 || gid != 301000 || err1 != nil || err2 != nil {
		t.Errorf("got %d, %d, %v, %v", uid, gid, err1, err2)
	}
	for _, id := range []int{-1, 65536} {
		if got, err := m.HostUID(id); err == nil {
			t.Errorf("%d became %d", id, got)
		}
	}
	uids, gids := m.ownerMaps()
	want := [][]idMap{{{0, os.Geteuid(), 1}, {1, 100000, 65536}}, {{0, os.Getegid(), 1}, {1, 300000, 65536}}}
	if diff := cmp.Diff(want, [][]idMap{uids, gids}, cmp.AllowUnexported(idMap{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNewReportsItsChoice(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		r := newRunnerWith(t, Config{UIDBase: 400000})
		want := Mapping{Kind: MapRoot, UIDBase: 400000, UIDCount: 65536, GIDBase: 400000, GIDCount: 65536}
		if diff := cmp.Diff(want, r.Mapping()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if c := r.Capabilities(); !c.Owners || c.Cgroups == "none" {
			t.Errorf("got %+v", c)
		}
	}
	if r := newRunnerWith(t, Config{Mapping: MapSingle, NoCgroups: true}); r.Capabilities().Owners || r.Capabilities().MemoryLimit {
		t.Errorf("got %+v", r.Capabilities())
	}
	if _, err := New(testContext(t), Config{Mapping: "nonsense"}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
