package modulemd_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

// FuzzRead: whatever the text, reading ends, what is accepted is written as it
// was read, and what libmodulemd would write means the same.
func FuzzRead(f *testing.F) {
	f.Add("")
	for _, v := range readVectors(f) {
		f.Add(v.YAML)
	}
	f.Add("%YAML 1.1\n--- # x\ndocument: modulemd-defaults\nversion: 1\ndata: {module: a}\n...\n# end")
	limits := modulemd.Limits{Bytes: 1 << 20, DocumentBytes: 1 << 16, Documents: 100, Entries: 10_000}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{Limits: limits})
		if err != nil {
			return
		}
		x.Check()
		if _, _, err := modulemd.Combinations(x, modulemd.ActivationOptions{Limit: 100}); err != nil && !isTooLarge(err) {
			t.Error(err)
		}
		if len(x.Modules()) == 0 {
			return
		}
		var out bytes.Buffer
		if err := x.Write(&out); err != nil {
			t.Fatal(err)
		}
		again := readAgain(t, out.Bytes())
		for i, s := range x.Streams {
			if diff := modulemd.Differences(s, again.Streams[i]); diff != nil {
				t.Errorf("%s differs in %v after writing:\n%s", s, diff, out.Bytes())
			}
		}
		dump, err := x.Dump()
		if err != nil {
			t.Fatal(err)
		}
		dumped, err := readAgain(t, dump).Dump()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(dump), string(dumped)); diff != "" {
			t.Errorf("dump of the dump (-first +second):\n%s", diff)
		}
	})
}

func isTooLarge(err error) bool { return strings.Contains(err.Error(), modulemd.ErrTooLarge.Error()) }

// readAgain reads what was written, which must be valid.
func readAgain(t *testing.T, text []byte) *modulemd.Index {
	t.Helper()
	x, err := modulemd.Read(text, modulemd.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return x
}

// FuzzEdit: editing any document ends in what was asked for, or an error.
func FuzzEdit(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.YAML, uint8(3))
	}
	f.Add(stream("  profiles: {p: {rpms: [a, b]}}", "  artifacts: {rpms: [a-0:1-1.noarch, b-0:1-1.noarch]}"), uint8(2))
	f.Add(stream("  profiles:", "    p:", "      rpms:", "      - a", "      - b # c", "  artifacts: {rpms: a-0:1-1.noarch}"), uint8(2))
	limits := modulemd.Limits{Bytes: 1 << 20, DocumentBytes: 1 << 16, Documents: 100, Entries: 10_000}
	f.Fuzz(func(t *testing.T, text string, salt uint8) {
		x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{Limits: limits})
		if err != nil {
			return
		}
		keep := func(s string) bool {
			sum := salt
			for _, c := range []byte(s) {
				sum = sum*31 + c
			}
			return sum&2 == 0
		}
		edit := modulemd.Edit{
			KeepRPM: func(_, rpm string) bool { return keep(rpm) }, KeepEmptied: keep, KeepArtifact: keep,
		}
		for _, s := range x.Streams {
			got, err := s.Edit(edit)
			if err != nil {
				continue
			}
			for _, a := range got.Artifacts {
				if !keep(a) {
					t.Errorf("artifact %q is still there", a)
				}
			}
			for name, p := range got.Profiles {
				for _, rpm := range p.RPMs {
					if !keep(rpm) {
						t.Errorf("%q of profile %q is still there", rpm, name)
					}
				}
			}
			for _, field := range modulemd.Differences(s, got) {
				if field != "profiles" && field != "artifacts.rpms" && !strings.HasPrefix(field, "data.profiles.") {
					t.Errorf("%s was changed, too", field)
				}
			}
		}
	})
}

// FuzzParseArtifact: what is parsed is written as it was.
func FuzzParseArtifact(f *testing.F) {
	for _, s := range []string{"a-0:1-1.noarch", "gcc-c++-0:8.3-1.module+el8+1+abc.x86_64", "-0:1-1.x", "a-0:1:2-1.x86_64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := modulemd.ParseArtifact(s)
		if err != nil {
			return
		}
		if !modulemd.IsArtifact(s) {
			t.Errorf("%q is parsed, but no artifact", s)
		}
		again, err := modulemd.ParseArtifact(modulemd.FormatArtifact(n))
		if err != nil || again != n {
			t.Errorf("%q is %+v and then %+v, %v", s, n, again, err)
		}
	})
}
