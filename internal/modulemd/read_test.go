package modulemd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

// findings are those of a text, as strings.
func findings(t *testing.T, text string, opts modulemd.ReadOptions) (*modulemd.Index, []string) {
	t.Helper()
	x, err := modulemd.Read([]byte(text), opts)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range x.Findings {
		out = append(out, f.String())
	}
	return x, out
}

func TestABrokenDocumentCostsOnlyItself(t *testing.T) {
	t.Parallel()
	good := module("demo", "1", 1, "c")
	for name, c := range map[string]struct {
		text, want string
	}{
		"broken YAML":         {"---\ndocument: [\n...\n", "broken YAML: did not find expected node content [yaml]"},
		"a NUL":               {"---\ndocument: a\x00b\n", "15: fatal: document 2: broken YAML: control character 0x00 [yaml]"},
		"bytes not UTF-8":     {"---\n\ndocument: \xff\n", "16: fatal: document 2: broken YAML: byte 0xff is not UTF-8 [yaml]"},
		"an alias":            {strings.Replace(good, "summary: s", "summary: &s x\n  x: *s", 1), "24: error: document 2: alias *s: aliases are not read [alias]"},
		"an empty document":   {"---\n", "14: fatal: document 2: empty document [header]"},
		"a list":              {"---\n- a\n", "15: fatal: document 2: the document is not a mapping [header]"},
		"an unknown type":     {"---\ndocument: surprise\nversion: 1\ndata: {}\n", `15: fatal: document 2: unknown document type "surprise" [header]`},
		"an unknown version":  {"---\ndocument: modulemd-defaults\nversion: 2\ndata: {}\n", "15: error: document 2: unknown format version 2 of modulemd-defaults [header]"},
		"an impossible date":  {strings.Replace(good, "summary: s", "summary: s\n  servicelevels: {x: {eol: 2077-13-45}}", 1), `24: fatal: document 2: data.servicelevels.x.eol is "2077-13-45", a day that no calendar has; dnf dies of it [date]`},
		"no leap year":        {strings.Replace(good, "summary: s", "summary: s\n  servicelevels: {x: {eol: 2023-02-29}}", 1), `24: fatal: document 2: data.servicelevels.x.eol is "2023-02-29", a day that no calendar has; dnf dies of it [date]`},
		"no epoch":            {strings.Replace(good, "summary: s", "summary: s\n  artifacts:\n    rpms: [a-1-1.noarch]", 1), `25: error: document 2: artifact "a-1-1.noarch" is not N-E:V-R.A [artifact]`},
		"nested too deeply":   {"---\ndocument: " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "\n", "15: error: document 2: nested too deeply [limit]"},
		"nested far too deep": {"---\ndocument: " + strings.Repeat("[", 20000) + "\n", "document 2: broken YAML: exceeded max depth of 10000 [yaml]"},
		"a document for authors": {
			"---\ndocument: modulemd-packager\nversion: 3\ndata: {name: a, stream: b, summary: s, description: d}\n",
			"14: error: document 2: a document for authors (modulemd-packager a:b) has no place in a repository and is ignored [packager]",
		},
		"the same stream with other content": {
			strings.Replace(good, "summary: s", "summary: other", 1),
			"14: error: modulemd demo:1:1:c:x86_64: the document in line 1 has the same N:S:V:C:A but differs in summary; clients use that one [duplicate-stream]",
		},
		"no marker before": {
			"document: modulemd-defaults\nversion: 1\ndata: {module: a}\n...\n",
			`14: fatal: document 2: broken YAML: no "---" before the document [yaml]`,
		},
		"a byte order mark inside": {
			"---\n\ufeffdocument: modulemd-defaults\nversion: 1\ndata: {module: a}\n",
			"15: fatal: document 2: broken YAML: byte order mark inside the text [yaml]",
		},
		"a colon before a bracket": {
			strings.Replace(good, "summary: s", "summary: s\n  xmd: {a: [{b: c},\n    {'b':c, d:}]}", 1),
			"25: fatal: document 2: broken YAML: a colon before a bracket or comma; libyaml does not read it [yaml]",
		},
		"artifacts that are nothing": {
			strings.Replace(good, "summary: s", "summary: s\n  artifacts:\n    rpms:", 1),
			"25: error: document 2: data.artifacts.rpms is empty; libmodulemd before 2.15 takes that for an artifact [artifact]",
		},
		"a stream that could be another": {
			strings.Replace(good, "  context: c\n", "", 1),
			"14: error: modulemd demo:1:1::x86_64: it cannot be told from demo:1:1:c:x86_64 in line 1, as one of them lacks version, context or architecture; clients use that one [duplicate-stream]",
		},
		"a carriage return that hides a marker": {
			"---\ndocument: modulemd\r---\rdocument: x\n", "document marker after a line end that is not LF [yaml]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, got := findings(t, good+c.text+module("demo", "2", 1, "c"), modulemd.ReadOptions{})
			if len(got) != 1 || !strings.HasSuffix(got[0], c.want) {
				t.Errorf("findings %q, want one that ends %q", got, c.want)
			}
			var streams []string
			for _, s := range x.Streams {
				streams = append(streams, s.String())
			}
			if diff := cmp.Diff([]string{"demo:1:1:c:x86_64", "demo:2:1:c:x86_64"}, streams); diff != "" {
				t.Errorf("streams (-want +got):\n%s", diff)
			}
			if err := x.Err(); !errors.Is(err, modulemd.ErrInvalid) {
				t.Errorf("Err() = %v, want ErrInvalid", err)
			}
		})
	}
}

func TestRemarks(t *testing.T) {
	t.Parallel()
	text := module("demo", "1", 1, "c", "a: [1]")
	text = strings.Replace(text, "summary: s", "summary: s\n  summary: t\n  surprise: {x: [1.10]}\n  servicelevels: {x: {eol: 2023-2-1}}\n  xmd: {a: [b, [c]]}", 1)
	x, got := findings(t, text, modulemd.ReadOptions{Source: "modules.yaml"})
	want := []string{
		`modules.yaml:11: warning: modulemd demo:1:1:c:x86_64: key "summary" occurs twice in data [duplicate-key]`,
		`modules.yaml:12: note: modulemd demo:1:1:c:x86_64: key "surprise" in data is not one of the format and is ignored [unknown-key]`,
		`modules.yaml:13: warning: modulemd demo:1:1:c:x86_64: data.servicelevels.x.eol is "2023-2-1", read as 2023-02-01 [date]`,
		`modules.yaml:14: note: modulemd demo:1:1:c:x86_64: data.xmd has a list with entries of several kinds; libmodulemd keeps only those like the first [xmd]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	s := x.Streams[0]
	if s.Summary != "t" || s.Unknown[0].Path != "data.surprise" || s.Unknown[0].Value.Get("x").List[0].Text != "1.10" {
		t.Errorf("summary %q, unknown %v", s.Summary, s.Unknown)
	}
	if s.XMD.Get("a").List[1].List[0].Text != "c" || s.XMD.Get("a", "b").Kind != modulemd.None {
		t.Errorf("xmd %v", s.XMD)
	}
	_, got = findings(t, text, modulemd.ReadOptions{Strict: true})
	if want := []string{`12: error: document 1: unexpected key "surprise" in data [unknown-key]`}; !cmp.Equal(want, got) {
		t.Errorf("strict: %q, want %q", got, want)
	}
}

// TestAStreamThatCouldBeAnotherIsRefusedInEitherOrder: where it came first
// libmodulemd reads both, and refuses what it writes of them.
func TestAStreamThatCouldBeAnotherIsRefusedInEitherOrder(t *testing.T) {
	t.Parallel()
	complete := module("demo", "1", 10, "c")
	incomplete := strings.Replace(complete, "  version: 10\n", "", 1)
	for _, text := range []string{complete + incomplete, incomplete + complete} {
		x, _ := findings(t, text, modulemd.ReadOptions{})
		if len(x.Streams) != 1 || len(x.Findings) != 1 || x.Findings[0].Rule != modulemd.RuleDuplicateStream {
			t.Errorf("streams %v, findings %v", x.Streams, x.Findings)
		}
	}
	x := readIndex(t, complete, strings.Replace(incomplete, "context: c", "context: d", 1))
	if len(x.Streams) != 2 {
		t.Errorf("streams %v, want two", x.Streams)
	}
}

func TestScalarsAreText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2.10", "00000000", "1e5", "0x10", "yes", "~", "1_000", "12:30:45", "2020-01-01", ".inf", "null"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			doc := strings.NewReplacer(`stream: "1"`, "stream: "+text, "context: c", "context: "+text).Replace(
				module("demo", "1", 18446744073709551615%(1<<62), "c", "x: ["+text+"]"))
			x := readIndex(t, doc)
			dump, err := x.Dump()
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range []*modulemd.Index{x, readIndex(t, string(dump))} {
				s := x.Streams[0]
				if s.Stream != text || s.Context != text || !cmp.Equal(s.Requirements(), []modulemd.Requirement{{Module: "x", Streams: []string{text}}}) {
					t.Errorf("stream %q context %q requires %v", s.Stream, s.Context, s.Requirements())
				}
			}
		})
	}
}

func TestWriteGivesBackWhatWasRead(t *testing.T) {
	t.Parallel()
	a := "# a comment at the beginning\n\n---\n# odd\ndocument:   modulemd-defaults\nversion: 1\ndata: { module: a , stream: '1' }\n... # end\n"
	b := "%YAML 1.1\n--- # b\n" + strings.TrimPrefix(module("b", "1", 1, "c"), "---\n")
	c := "--- {document: modulemd, version: 2, data: {name: c, stream: 1.10, summary: ü, description: d, license: {module: x}}}\n"
	d := strings.Replace(strings.TrimSuffix(module("d", "1", 1, "c"), "...\n"), "summary: s", "summary: s\r\n  surprise: |\n    --- text\n     ...\n", 1)
	bare := "document: modulemd-obsoletes\nversion: 1\ndata: {module: e, stream: 1, message: m, modified: 2020-01-01T00:00Z}\n"
	text := "# before e\n" + bare + "...\n" + a + b + c + d + "...\n\n# after d\n"
	x := readIndex(t, text)
	var out bytes.Buffer
	if err := x.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := a + b + c + d + "...\n\n# after d\n---\n# before e\n" + bare + "...\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	var again bytes.Buffer
	if err := readIndex(t, out.String()).Write(&again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), again.String()); diff != "" {
		t.Errorf("written again (-want +got):\n%s", diff)
	}
}

func TestATextWithoutALineEndHasOne(t *testing.T) {
	t.Parallel()
	text := strings.TrimSuffix(strings.Replace(module("demo", "1", 1, "c"), "  description: d\n  license: {module: [MIT]}\n", "  license: {module: [MIT]}\n  description: |\n    a\n    b\n", 1), "\n...\n")
	var out bytes.Buffer
	if err := readIndex(t, text).Write(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != text+"\n" {
		t.Errorf("written: %q", out.String())
	}
}

func TestWriteOrdersDocuments(t *testing.T) {
	t.Parallel()
	obsoletes := "---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {module: demo, stream: 1, message: m, modified: 2020-01-01T00:00Z}\n...\n"
	translations := "---\ndocument: modulemd-translations\nversion: 1\ndata: {module: demo, stream: 1, modified: 1, translations: {de: {summary: x}}}\n...\n"
	s := func(stream string, version int) string { return module("demo", stream, version, "c") }
	other := module("alpha", "1", 1, "c")
	x := readIndex(t, s("9", 1), s("1", 9), s("10", 1), translations, s("1", 10), obsoletes, other, defaultStream("demo", "1"))
	var out bytes.Buffer
	if err := x.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := other + defaultStream("demo", "1") + obsoletes + translations + s("10", 1) + s("1", 10) + s("1", 9) + s("9", 1)
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	text := module("a", "1", 1, "c") + module("b", "1", 1, "c")
	for name, limits := range map[string]modulemd.Limits{
		"bytes":     {Bytes: len(text) - 1},
		"documents": {Documents: 1},
		"entries":   {Entries: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, read := range []func() (*modulemd.Index, error){
				func() (*modulemd.Index, error) {
					return modulemd.Read([]byte(text), modulemd.ReadOptions{Limits: limits})
				},
				func() (*modulemd.Index, error) {
					return modulemd.ReadFrom(strings.NewReader(text), modulemd.ReadOptions{Limits: limits})
				},
			} {
				if x, err := read(); !errors.Is(err, modulemd.ErrTooLarge) {
					t.Errorf("got %v, error %v, want ErrTooLarge", x, err)
				}
			}
		})
	}
	t.Run("one document", func(t *testing.T) {
		t.Parallel()
		x, err := modulemd.Read([]byte(text+"# "+strings.Repeat("x", 100)), modulemd.ReadOptions{Limits: modulemd.Limits{DocumentBytes: len(text)/2 + 50}})
		if err != nil || len(x.Streams) != 1 || len(x.Findings) != 1 || x.Findings[0].Rule != modulemd.RuleLimit {
			t.Errorf("got %v, %v", x, err)
		}
	})
	t.Run("50 MB that never end", func(t *testing.T) {
		t.Parallel()
		in := &endless{}
		if x, err := modulemd.ReadFrom(in, modulemd.ReadOptions{}); !errors.Is(err, modulemd.ErrTooLarge) {
			t.Errorf("got %v, error %v, want ErrTooLarge", x, err)
		}
		if in.n > 50<<20 {
			t.Errorf("%d bytes were read", in.n)
		}
	})
}

// endless is a text without end.
type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) {
	e.n += len(b)
	return copy(b, bytes.Repeat([]byte("- a\n"), len(b)/4+1)), nil
}

var _ io.Reader = (*endless)(nil)

// TestHostileText reads texts that are made to be expensive.
func TestHostileText(t *testing.T) {
	t.Parallel()
	bomb := "---\ndocument: modulemd\nversion: 2\na0: &a0 [x, x]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	const n = 2 << 20
	for name, text := range map[string]string{
		"alias bomb":     bomb,
		"markers":        strings.Repeat("---\n", 20_000),
		"line ends":      strings.Repeat("\n", n),
		"comments":       strings.Repeat("#\n", n/2-1),
		"lists in lists": strings.Repeat("- ", n/2-1),
		"flow":           "a: [" + strings.Repeat("[],", n/6-10) + "]",
		"keys":           strings.Repeat("? ", n/2-1),
		"anchors":        strings.Repeat("&a ", n/3-1),
		"quotes":         strings.Repeat(`"a" `, n/4-1),
		"long plain":     "a: " + strings.Repeat("a ", n/2-8),
		"long folded":    "a: >\n" + strings.Repeat(" a\n", n/3-8),
		"tags":           strings.Repeat("!a ", n/3-1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{})
			if errors.Is(err, modulemd.ErrTooLarge) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(x.Streams) > 0 || strings.Trim(text, "#\n") != "" && x.Err() == nil {
				t.Errorf("accepted")
			}
		})
	}
}
