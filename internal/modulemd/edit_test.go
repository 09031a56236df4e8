package modulemd_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

// readOne reads a text of one valid stream document.
func readOne(t *testing.T, text string) *modulemd.Stream {
	t.Helper()
	x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(x.Streams) != 1 {
		t.Fatalf("%d streams in\n%s", len(x.Streams), text)
	}
	return x.Streams[0]
}

// stream is a stream document with the given lines in its data.
func stream(lines ...string) string {
	return `---
document: modulemd
version: 2
data:
  name: demo
  stream: 1.10 # not a number
  version: 20200101
  context: 00000000
  arch: x86_64
  summary: s
  description: d
  license: {module: [MIT]}
` + strings.Join(lines, "\n") + "\n...\n"
}

func keepOnly(names ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(names, s) }
}

func TestEdit(t *testing.T) {
	t.Parallel()
	keepRPMs := func(names ...string) modulemd.Edit {
		return modulemd.Edit{KeepRPM: func(_, rpm string) bool { return slices.Contains(names, rpm) }}
	}
	for name, c := range map[string]struct {
		edit      modulemd.Edit
		text, new []string
	}{
		"an item and its comment go, other comments stay": {
			keepRPMs("a", "c"),
			[]string{"  profiles:", "    p:", "      # first", "      rpms: # three", "      - a", "      # about b", "      - b # gone", "", "      # about c", "      - c", "  api: {rpms: [b]}"},
			[]string{"  profiles:", "    p:", "      # first", "      rpms: # three", "      - a", "      # about b", "", "      # about c", "      - c", "  api: {rpms: [b]}"},
		},
		"an emptied list becomes []": {
			keepRPMs(),
			[]string{"  profiles:", "    p:", "      rpms: # two", "        - a", "        - 'b'", "      description: x"},
			[]string{"  profiles:", "    p:", "      rpms: [] # two", "      description: x"},
		},
		"flow lists": {
			keepRPMs("b"),
			[]string{"  profiles:", `    p: {rpms: [ a, "b", c ], description: 'it''s, [a]'}`, `    q: {"rpms": [b, c]}`, `    r: {rpms: [a, b]}`, "    s: {rpms: [a]}", "    t: {rpms: b}", "    u: {rpms: a}"},
			[]string{"  profiles:", `    p: {rpms: [ "b"], description: 'it''s, [a]'}`, `    q: {"rpms": [b]}`, `    r: {rpms: [b]}`, "    s: {rpms: []}", "    t: {rpms: b}", "    u: {rpms: []}"},
		},
		"a flow list over several lines": {
			keepRPMs("b", "d"),
			[]string{"  profiles:", "    p:", "      rpms: [a, # the first", "        b,", "        c, d,", "      ]"},
			[]string{"  profiles:", "    p:", "      rpms: [ # the first", "        b, d,", "      ]"},
		},
		"an emptied profile is dropped when asked": {
			modulemd.Edit{KeepRPM: func(_, rpm string) bool { return rpm == "a" }, KeepEmptied: func(p string) bool { return p == "q" }},
			[]string{"  profiles:", "    o:", "      description: >", "        o is", "", "        long", "      rpms:", "      - b", "    # p stays", "    p:", "      rpms: [a]", "    q:", "      rpms: [b]", "    r: {}", "  api: {rpms: [b]}"},
			[]string{"  profiles:", "    # p stays", "    p:", "      rpms: [a]", "    q:", "      rpms: []", "    r: {}", "  api: {rpms: [b]}"},
		},
		"all profiles are dropped": {
			modulemd.Edit{KeepRPM: func(_, _ string) bool { return false }, KeepEmptied: func(string) bool { return false }},
			[]string{"  api: {rpms: [b]}", "  profiles: # two", "    o: {rpms: [a]}", "    p:", "      rpms:", "      - b"},
			[]string{"  api: {rpms: [b]}", "  profiles: {} # two"},
		},
		"a profile of a flow mapping": {
			modulemd.Edit{KeepRPM: func(_, rpm string) bool { return rpm == "a" }, KeepEmptied: func(string) bool { return false }},
			[]string{"  profiles: {o: {rpms: [b, c]}, p: {rpms: [a, b]}, q: {rpms: b}}"},
			[]string{"  profiles: {p: {rpms: [a]}}"},
		},
		"artifacts": {
			modulemd.Edit{KeepArtifact: keepOnly("b-0:1-1.noarch")},
			[]string{"  artifacts:", "    rpms:", "    - a-0:1-1.x86_64", "    - b-0:1-1.noarch", "    - a-0:1-1.x86_64", "  surprise: ü # kept"},
			[]string{"  artifacts:", "    rpms:", "    - b-0:1-1.noarch", "  surprise: ü # kept"},
		},
		"keys of other alphabets before": {
			keepRPMs("b"),
			[]string{"  profiles: {äöü: {rpms: [a, b]}, 'モ': {rpms: [ä, b]}}"},
			[]string{"  profiles: {äöü: {rpms: [b]}, 'モ': {rpms: [b]}}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := readOne(t, stream(c.text...))
			got, err := s.Edit(c.edit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(stream(c.new...), string(got.Text)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditOfNothing(t *testing.T) {
	t.Parallel()
	s := readOne(t, stream("  profiles: {p: {rpms: [a]}, q: {}}", "  artifacts: {rpms: [a-0:1-1.noarch]}"))
	for name, e := range map[string]modulemd.Edit{
		"no functions": {},
		"all is kept": {
			KeepRPM:      func(string, string) bool { return true },
			KeepEmptied:  func(string) bool { return false },
			KeepArtifact: func(string) bool { return true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := s.Edit(e)
			if err != nil || got != s {
				t.Errorf("got %v, %v; want the document itself", got, err)
			}
		})
	}
}

func TestEditOfADocumentThatWasMade(t *testing.T) {
	t.Parallel()
	s := readOne(t, stream("  artifacts: {rpms: [a-0:1-1.noarch, b-0:1-1.noarch]}"))
	s.Text = nil
	got, err := s.Edit(modulemd.Edit{KeepArtifact: keepOnly("b-0:1-1.noarch")})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b-0:1-1.noarch"}; !slices.Equal(got.Artifacts, want) || len(s.Artifacts) != 2 {
		t.Errorf("artifacts %v, want %v; those of the original %v, want both", got.Artifacts, want, s.Artifacts)
	}
}

func TestEditRefusesWhatItCannotChangeAlone(t *testing.T) {
	t.Parallel()
	s := readOne(t, stream("  profiles:", "    p:", "      ? rpms", "      : - a", "        - b"))
	got, err := s.Edit(modulemd.Edit{KeepRPM: func(_, rpm string) bool { return rpm == "b" }})
	if !errors.Is(err, modulemd.ErrEdit) {
		t.Errorf("got %v, error %v; want ErrEdit", got, err)
	}
}
