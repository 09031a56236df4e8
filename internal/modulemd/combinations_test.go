package modulemd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

// module is a stream document in short: name, stream, version, context and
// what it requires, such as "demo: [1]".
func module(name, stream string, version int, context string, requires ...string) string {
	text := fmt.Sprintf(`---
document: modulemd
version: 2
data:
  name: %s
  stream: %q
  version: %d
  context: %s
  arch: x86_64
  summary: s
  description: d
  license: {module: [MIT]}
`, name, stream, version, context)
	if len(requires) > 0 {
		text += "  dependencies:\n  - requires: {" + strings.Join(requires, ", ") + "}\n"
	}
	return text + "...\n"
}

func defaultStream(name, stream string) string {
	return fmt.Sprintf("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: %s\n  stream: %q\n...\n", name, stream)
}

func readIndex(t *testing.T, documents ...string) *modulemd.Index {
	t.Helper()
	x, err := modulemd.Read([]byte(strings.Join(documents, "")), modulemd.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Err(); err != nil {
		t.Fatal(err)
	}
	return x
}

// describe writes combinations as "REASON: N:S@CONTEXT/VERSIONS … -DROPPED".
func describe(combinations []modulemd.Combination) []string {
	var out []string
	for _, c := range combinations {
		s := c.String() + ":"
		for _, a := range c.Active {
			s += fmt.Sprintf(" %s@%s/%d", a, a.Documents[0].Context, len(a.Documents))
			if a.Default {
				s += "*"
			}
		}
		for _, d := range c.Dropped {
			s += " -" + d
		}
		out = append(out, s)
	}
	return out
}

func TestCombinations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		documents []string
		opts      modulemd.ActivationOptions
		want      []string
		findings  []string
	}{
		"nothing": {want: []string{"default streams:"}},
		"no defaults": {
			documents: []string{module("demo", "1", 1, "c"), module("demo", "2", 1, "c")},
			want:      []string{"default streams:", "demo:1 enabled: demo:1@c/1", "demo:2 enabled: demo:2@c/1"},
		},
		"all versions of a stream count": {
			documents: []string{module("demo", "1", 1, "a"), module("demo", "1", 10, "b"), module("demo", "1", 9, "c"), defaultStream("demo", "1")},
			want:      []string{"default streams: demo:1@b/3*"},
		},
		"a stream pulls what it requires, in the default stream if that will do": {
			documents: []string{
				module("tool", "1", 1, "c", "demo: [1, 2]", "lib: []"), module("tool", "2", 1, "c", "demo: [2]"),
				module("demo", "1", 1, "c"), module("demo", "2", 1, "c"), defaultStream("demo", "1"),
				module("lib", "a", 1, "c"), module("lib", "b", 1, "c"),
			},
			want: []string{
				"default streams: demo:1@c/1*",
				"demo:2 enabled: demo:2@c/1",
				"lib:a enabled: demo:1@c/1* lib:a@c/1",
				"lib:b enabled: demo:1@c/1* lib:b@c/1",
				"tool:1 enabled: demo:1@c/1* lib:a@c/1 tool:1@c/1",
				"tool:1 enabled: demo:1@c/1* lib:b@c/1 tool:1@c/1",
				"tool:2 enabled: demo:2@c/1 tool:2@c/1",
			},
		},
		"contexts that require something else are told apart": {
			documents: []string{
				module("demo", "1", 1, "c"), module("demo", "2", 1, "c"), defaultStream("demo", "1"),
				module("tool", "1", 1, "aa", "demo: [1]"), module("tool", "1", 1, "bb", "demo: [2]"), defaultStream("tool", "1"),
			},
			want: []string{
				"default streams: demo:1@c/1* tool:1@aa/1*",
				"demo:2 enabled: demo:2@c/1 tool:1@bb/1*",
			},
		},
		"a default stream that cannot be active is dropped": {
			documents: []string{
				module("demo", "1", 1, "c"), module("demo", "2", 1, "c"), defaultStream("demo", "1"),
				module("tool", "1", 1, "c", "demo: [1]"), defaultStream("tool", "1"),
			},
			want: []string{
				"default streams: demo:1@c/1* tool:1@c/1*",
				"demo:2 enabled: demo:2@c/1 -tool:1",
			},
		},
		"default streams that contradict each other": {
			documents: []string{
				defaultStream("demo", "1"), module("demo", "1", 1, "c"), module("demo", "2", 1, "c"),
				defaultStream("tool", "1"), module("tool", "1", 1, "c", "demo: [2]"),
			},
			want: []string{"default streams: demo:1@c/1* -tool:1", "demo:2 enabled: demo:2@c/1 tool:1@c/1*"},
			findings: []string{
				`34: warning: modulemd-defaults tool: the default stream "1" cannot be active beside the other default streams; which of them are is up to the client [default-stream]`,
			},
		},
		"all but some": {
			documents: []string{
				module("tool", "1", 1, "c", "demo: [-1, -2]"),
				module("demo", "1", 1, "c"), module("demo", "2", 1, "c"), module("demo", "3", 1, "c"), defaultStream("demo", "1"),
			},
			want: []string{
				"default streams: demo:1@c/1*",
				"demo:2 enabled: demo:2@c/1",
				"demo:3 enabled: demo:3@c/1",
				"tool:1 enabled: demo:3@c/1 tool:1@c/1",
			},
		},
		"modules that require each other": {
			documents: []string{module("a", "1", 1, "c", "b: [1]"), module("b", "1", 1, "c", "a: [1]")},
			want:      []string{"default streams:", "a:1 enabled: a:1@c/1 b:1@c/1"},
		},
		"what is missing or contradicts is said": {
			documents: []string{
				module("a", "1", 1, "c", "gone: [1]"),
				module("b", "1", 1, "c", "c: [9]"),
				module("c", "1", 1, "c"),
				module("d", "1", 1, "c", "c: [1]", "e: [1]"),
				module("c", "2", 1, "c"),
				module("e", "1", 1, "c", "c: [2]"),
				module("f", "1", 1, "c", "platform: [el9]"),
				module("g", "1", 1, "c", "platform: []"),
			},
			opts: modulemd.ActivationOptions{Platform: "el8"},
			want: []string{
				"default streams:", "c:1 enabled: c:1@c/1", "c:2 enabled: c:2@c/1", "e:1 enabled: c:2@c/1 e:1@c/1", "g:1 enabled: g:1@c/1",
			},
			findings: []string{
				"1: error: modulemd a:1:1:c:x86_64: cannot be active: it requires gone:1, of which no document is here [requires]",
				"16: error: modulemd b:1:1:c:x86_64: cannot be active: it requires c:9, of which no document that can be active is here [requires]",
				"44: error: modulemd d:1:1:c:x86_64: cannot be active: e:1, which it needs, requires c:2, but c:1 is needed, too [requires]",
				"87: warning: modulemd f:1:1:c:x86_64: cannot be active: it requires platform:el9, which the client's platform is not [requires]",
			},
		},
		"what is external is there": {
			documents: []string{module("a", "1", 1, "c", "gone: [1]")},
			opts:      modulemd.ActivationOptions{External: func(r modulemd.Requirement) bool { return r.Module == "gone" && r.Allows("1") }},
			want:      []string{"default streams:", "a:1 enabled: a:1@c/1"},
		},
		"other architectures are left out": {
			documents: []string{module("a", "1", 1, "c")},
			opts:      modulemd.ActivationOptions{Arch: "riscv64"},
			want:      []string{"default streams:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, findings, err := modulemd.Combinations(readIndex(t, c.documents...), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, describe(got)); diff != "" {
				t.Errorf("combinations (-want +got):\n%s", diff)
			}
			var texts []string
			for _, f := range findings {
				texts = append(texts, f.String())
			}
			if diff := cmp.Diff(c.findings, texts); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStaticContextsAreToldApart(t *testing.T) {
	t.Parallel()
	static := func(s string) string {
		return strings.Replace(s, "  arch:", "  static_context: true\n  arch:", 1)
	}
	x := readIndex(t, static(module("a", "1", 1, "x")), static(module("a", "1", 2, "y")), static(module("a", "1", 3, "y")))
	got, _, err := modulemd.Combinations(x, modulemd.ActivationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"default streams:", "a:1 (context y) enabled: a:1@y/2", "a:1 (context x) enabled: a:1@x/1"}
	if diff := cmp.Diff(want, describe(got)); diff != "" {
		t.Errorf("combinations (-want +got):\n%s", diff)
	}
}

// TestTooManyCombinations: each of 12 modules may be active in any of 10
// streams when the first requires them all.
func TestTooManyCombinations(t *testing.T) {
	t.Parallel()
	var documents, requires []string
	for m := range 12 {
		name := fmt.Sprintf("m%d", m)
		requires = append(requires, name+": []")
		for s := range 10 {
			documents = append(documents, module(name, fmt.Sprint(s), 1, "c"))
		}
	}
	x := readIndex(t, append(documents, module("all", "1", 1, "c", requires...))...)
	_, _, err := modulemd.Combinations(x, modulemd.ActivationOptions{})
	if !errors.Is(err, modulemd.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestMaskedNames(t *testing.T) {
	t.Parallel()
	with := func(s, lines string) string { return strings.Replace(s, "...\n", lines+"...\n", 1) }
	x := readIndex(
		t,
		with(module("demo", "1", 1, "c"), "  artifacts: {rpms: [demo-0:1-1.src, demo-bin-0:1-1.noarch, demo-old-0:1-1.noarch, demo-new-0:1-1.noarch]}\n  demodularized: {rpms: [demo-new]}\n"),
		with(module("demo", "1", 2, "c"), "  artifacts: {rpms: [demo-bin-0:2-1.noarch]}\n  demodularized: {rpms: [demo-old]}\n"),
		defaultStream("demo", "1"),
	)
	got, _, err := modulemd.Combinations(x, modulemd.ActivationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"demo-bin": true, "demo-new": true}
	if diff := cmp.Diff(want, got[0].MaskedNames()); diff != "" {
		t.Errorf("masked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{2, 1}, []uint64{got[0].Documents()[0].Version, got[0].Documents()[1].Version}); diff != "" {
		t.Errorf("versions of documents (-want +got):\n%s", diff)
	}
}
