package modulemd_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

func TestMergeOfStreams(t *testing.T) {
	t.Parallel()
	full := stream("  profiles: {p: {rpms: [a, b]}, q: {rpms: [b]}}", "  artifacts: {rpms: [a-0:1-1.noarch, b-0:1-1.noarch]}")
	restyled := stream("  artifacts:", "    rpms:", "    - 'b-0:1-1.noarch'", "    - a-0:1-1.noarch", "  profiles:", "    q: {rpms: b}", "    p: {rpms: [b, a]}")
	slim := stream("  profiles: {p: {rpms: [a]}}", "  artifacts: {rpms: [a-0:1-1.noarch]}")
	other := stream("  profiles: {q: {rpms: [b]}}", "  artifacts: {rpms: [b-0:1-1.noarch]}")
	crossed := stream("  profiles: {p: {rpms: [a, b]}, q: {rpms: [b]}}", "  artifacts: {rpms: [a-0:1-1.noarch]}")
	described := strings.Replace(slim, "description: d", "description: e", 1)
	for name, c := range map[string]struct {
		documents []string
		union     bool
		want      string   // the document's text
		fields    []string // of the conflict
	}{
		"equal documents":                 {documents: []string{full, restyled}, want: full},
		"a part without being asked":      {documents: []string{full, slim}, fields: []string{"profiles", "artifacts.rpms"}},
		"a part":                          {documents: []string{full, slim}, union: true, want: full},
		"a part first":                    {documents: []string{slim, full}, union: true, want: full},
		"several parts":                   {documents: []string{slim, crossed, full, slim}, union: true, want: full},
		"two parts of what is not there":  {documents: []string{slim, other}, union: true, fields: []string{"profiles", "artifacts.rpms"}},
		"a part with another description": {documents: []string{full, described}, union: true, fields: []string{"description", "profiles", "artifacts.rpms"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var parts []modulemd.Part
			for i, d := range c.documents {
				parts = append(parts, part(t, string(rune('a'+i)), d))
			}
			x, err := modulemd.Merge(parts, modulemd.MergeOptions{UnionSubsets: c.union})
			if c.fields != nil {
				var conflict *modulemd.ConflictError
				if !errors.As(err, &conflict) || !errors.Is(err, modulemd.ErrConflict) {
					t.Fatalf("error %v, want a conflict", err)
				}
				if diff := cmp.Diff(c.fields, conflict.Fields); diff != "" {
					t.Errorf("fields (-want +got):\n%s", diff)
				}
				for _, part := range []string{`"a"`, `"b"`, "demo:1.10:20200101:00000000:x86_64"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q does not name %s", err, part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := x.Write(&out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeReportsAllConflicts(t *testing.T) {
	t.Parallel()
	a := part(t, "a", module("x", "1", 1, "c"), module("y", "1", 1, "c"), module("z", "1", 1, "c"))
	b := part(t, "b", strings.Replace(module("x", "1", 1, "c"), "summary: s", "summary: t", 1), module("y", "1", 1, "c"), strings.Replace(module("z", "1", 1, "c"), "arch", "surprise: 1\n  arch", 1))
	_, err := modulemd.Merge([]modulemd.Part{a, b}, modulemd.MergeOptions{})
	want := `modulemd: merge modulemd x:1:1:c:x86_64: "a" and "b" differ in summary` + "\n" +
		`modulemd: merge modulemd z:1:1:c:x86_64: "a" and "b" differ in data.surprise`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestMergedDefaultsKeepTheirText(t *testing.T) {
	t.Parallel()
	d := "---\ndocument: modulemd-defaults # by hand\nversion: 1\ndata: {module: demo, modified: 2, stream: 1, profiles: {1: [q, p]}}\n"
	older := "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, modified: 1, stream: 2, profiles: {1: [x]}}\n"
	for name, documents := range map[string][]string{
		"the same twice":  {d, d},
		"the newer first": {d, older},
		"the newer last":  {older, d},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, err := modulemd.Merge([]modulemd.Part{part(t, "a", documents[0]), part(t, "b", documents[1])}, modulemd.MergeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d, string(x.Defaults[0].FormatDocument(nil))); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeWithPriorities(t *testing.T) {
	t.Parallel()
	d := func(rest string) string {
		return "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, " + rest + "}\n"
	}
	low, high := part(t, "low", d("modified: 9, stream: 1, profiles: {1: [p]}"), module("demo", "1", 1, "c")), part(t, "high", d("modified: 1, stream: 2"))
	high.Priority = 1000
	for _, parts := range [][]modulemd.Part{{low, high}, {high, low}} {
		x, err := modulemd.Merge(parts, modulemd.MergeOptions{StrictDefaultStreams: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := x.DefaultsOf("demo"); got.Stream != "2" || len(got.Profiles) > 0 || len(x.Streams) != 1 {
			t.Errorf("defaults %v, streams %v; want those of the higher priority, and the stream", got, x.Streams)
		}
		if clashes := modulemd.Clashes(parts); len(clashes) > 0 {
			t.Errorf("clashes %v, want none", clashes)
		}
	}
}

func TestStrictDefaultStreams(t *testing.T) {
	t.Parallel()
	parts := []modulemd.Part{part(t, "a", defaultStream("demo", "1")), part(t, "b", defaultStream("demo", "2"))}
	_, err := modulemd.Merge(parts, modulemd.MergeOptions{StrictDefaultStreams: true})
	if !errors.Is(err, modulemd.ErrConflict) {
		t.Errorf("error %v, want a conflict", err)
	}
	x, err := modulemd.Merge(parts, modulemd.MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`1: warning: modulemd-defaults demo: "a" names "1" as default stream and "b" "2", both modified 0; there is no default stream now [default-stream-clash]`}
	if diff := cmp.Diff(want, texts(x.Findings)); diff != "" || x.DefaultsOf("demo").Stream != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	base := stream("  xmd: {a: [1, 2]}", "  dependencies:", "  - requires: {x: [1, 2]}", "  profiles: {p: {rpms: [a]}}", "  artifacts: {rpms: [a-0:1-1.noarch]}", "  surprise: {x: 1, y: 2}")
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"comments and styles":        {"stream: 1.10 # not a number", `"stream":   '1.10'`, nil},
		"the order of sets and keys": {"requires: {x: [1, 2]}", "requires: {x: [2, 1]}", nil},
		"the order in XMD":           {"a: [1, 2]", "a: [2, 1]", []string{"xmd"}},
		"a stream":                   {"requires: {x: [1, 2]}", "requires: {x: [1]}", []string{"dependencies"}},
		"an unknown field":           {"{x: 1, y: 2}", "{y: 2, x: 2}", []string{"data.surprise"}},
		"an unknown field's order":   {"{x: 1, y: 2}", "{y: 2, x: 1}", nil},
		"a version":                  {"version: 20200101", "version: 20200102", []string{"version"}},
		"a profile":                  {"p: {rpms", "q: {rpms", []string{"profiles"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := readOne(t, base), readOne(t, strings.Replace(base, c.old, c.new, 1))
			if string(a.Text) == string(b.Text) {
				t.Fatal("nothing was replaced")
			}
			for _, got := range [][]string{modulemd.Differences(a, b), modulemd.Differences(b, a)} {
				if !slices.Equal(got, c.want) {
					t.Errorf("differences %v, want %v", got, c.want)
				}
			}
		})
	}
}
