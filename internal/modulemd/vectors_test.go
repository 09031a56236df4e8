package modulemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

// vectorsEnv names another file of vectors, from here or from the project's
// root, such as one made of libmodulemd's own test data.
const vectorsEnv = "DISTBOT_MODULEMD_VECTORS"

// vector is an input and what libmodulemd 2.15.3 does with it.
type vector struct {
	ID          string `json:"id"`
	Description string `json:"description"`
	Op          string `json:"op"`
	YAML        string `json:"yaml"`
	YAMLs       []string
	Strict      *bool
	Name        string
	Stream      string
	Nevras      []string
	Parts       []struct {
		YAML     string
		Priority int
	}
	Expected struct {
		expectation
		MergeError string `json:"merge_error"`
		Crash      int
		Steps      []struct{ Accepted bool }
		Valid      map[string]bool
		Name       *string
		Stream     *string
		AsIndex    *expectation `json:"as_index"`
	}
}

type expectation struct {
	Accepted bool
	Error    string
	Failures []struct{ Error string }
	Modules  map[string]struct {
		Streams []struct {
			NSVCA string
		}
		DefaultStream    *string `json:"default_stream"`
		DefaultsModified *uint64 `json:"defaults_modified"`
		Obsoletes        []struct {
			Stream   string
			Context  *string
			Modified uint64
			Reset    bool
		}
	}
	Dump string
}

// TestLibmodulemdVectors compares with what was recorded of the real library.
func TestLibmodulemdVectors(t *testing.T) {
	t.Parallel()
	var passed, failed atomic.Int64
	t.Cleanup(func() {
		// For people and scripts, whatever the verbosity.
		fmt.Printf("libmodulemd vectors: %d passed, %d failed\n", passed.Load(), failed.Load())
	})
	for _, v := range readVectors(t) {
		t.Run(v.ID+" "+v.Description, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					failed.Add(1)
				} else {
					passed.Add(1)
				}
			}()
			switch v.Op {
			case "load", "upgrade":
				checkLoad(t, v)
			case "update":
				checkUpdate(t, v)
			case "merge":
				checkMerge(t, v)
			case "packager":
				checkPackager(t, v)
			case "nevra":
				for s, want := range v.Expected.Valid {
					if got := modulemd.IsArtifact(s); got != want {
						t.Errorf("IsArtifact(%q) = %v, want %v", s, got, want)
					}
				}
			default:
				t.Fatalf("unknown operation %q", v.Op)
			}
		})
	}
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	files := []string{filepath.Join("..", "..", "testdata", "modules", "libmodulemd.json")}
	if file := os.Getenv(vectorsEnv); file != "" {
		files = []string{file}
		if !filepath.IsAbs(file) {
			files = append(files, filepath.Join("..", "..", file))
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var vectors []vector
		if err := json.Unmarshal(text, &vectors); err != nil {
			t.Fatal(err)
		}
		if len(vectors) > 0 {
			return vectors
		}
	}
	t.Fatalf("there are no vectors in %s", strings.Join(files, " or "))
	return nil
}

func checkLoad(t *testing.T, v vector) {
	t.Helper()
	strict := v.Strict == nil || *v.Strict
	x, err := modulemd.Read([]byte(v.YAML), modulemd.ReadOptions{Strict: strict})
	if err != nil {
		t.Fatal(err)
	}
	if v.Op == "upgrade" {
		for _, s := range x.Streams {
			s.Format = 2
		}
	}
	bad := modulemd.AtLeast(x.Findings, modulemd.Error)
	if accepted := len(bad) == 0; accepted != v.Expected.Accepted {
		t.Errorf("accepted: %v, want %v; findings %v; libmodulemd says %q %v",
			accepted, v.Expected.Accepted, bad, v.Expected.Error, v.Expected.Failures)
	}
	if v.Expected.Error == "" && v.Expected.Crash == 0 && len(bad) != len(v.Expected.Failures) {
		t.Errorf("findings %v, want %v", bad, v.Expected.Failures)
	}
	checkIndex(t, x, v.Expected.expectation)
}

// checkIndex compares what is in the index and how it is written.
func checkIndex(t *testing.T, x *modulemd.Index, want expectation) {
	t.Helper()
	if want.Error != "" {
		return // nothing else was recorded
	}
	var modules []string
	for name, m := range want.Modules {
		modules = append(modules, name)
		var streams, wantStreams []string
		for _, s := range x.Streams {
			if s.Name == name {
				streams = append(streams, s.String())
			}
		}
		for _, s := range m.Streams {
			wantStreams = append(wantStreams, s.NSVCA)
		}
		slices.Sort(wantStreams)
		slices.Sort(streams)
		if diff := cmp.Diff(wantStreams, streams); diff != "" {
			t.Errorf("streams of %s (-want +got):\n%s", name, diff)
		}
		d := x.DefaultsOf(name)
		if (d == nil) != (m.DefaultsModified == nil) {
			t.Errorf("defaults of %s: %v, want any: %v", name, d, m.DefaultsModified != nil)
		} else if d != nil {
			if d.Modified != *m.DefaultsModified {
				t.Errorf("defaults of %s: modified %d, want %d", name, d.Modified, *m.DefaultsModified)
			}
			if want := m.DefaultStream; (want == nil) != (d.Stream == "") || want != nil && *want != d.Stream {
				t.Errorf("default stream of %s: %q, want %v", name, d.Stream, want)
			}
		}
	}
	slices.Sort(modules)
	if diff := cmp.Diff(modules, x.Modules()); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	dump, err := x.Dump()
	if len(modules) == 0 {
		if !errors.Is(err, modulemd.ErrEmpty) {
			t.Errorf("dump: error %v, want %v", err, modulemd.ErrEmpty)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	wanted := want.Dump
	if len(x.Translations) > 0 {
		wanted = sortLocales(t, wanted)
	}
	if diff := cmp.Diff(wanted, string(dump)); diff != "" {
		t.Errorf("dump (-want +got):\n%s", diff)
	}
}

// sortLocales sorts the languages of translations, which libmodulemd writes in
// the order of a hash table. They are indented by 4, what they hold by more.
func sortLocales(t *testing.T, dump string) string {
	t.Helper()
	head, body, ok := strings.Cut(dump, "  translations:\n")
	body, foot, ok2 := strings.Cut(body, "...\n")
	if !ok || !ok2 {
		return dump
	}
	var locales []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "     ") {
			locales[len(locales)-1] += line
			continue
		}
		locales = append(locales, line)
	}
	slices.Sort(locales)
	return head + "  translations:\n" + strings.Join(locales, "") + "...\n" + foot
}

// checkUpdate reads several texts into one index.
func checkUpdate(t *testing.T, v vector) {
	t.Helper()
	text := ""
	for i, step := range v.Expected.Steps {
		text += v.YAMLs[i]
		x, err := modulemd.Read([]byte(text), modulemd.ReadOptions{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if accepted := x.Err() == nil; accepted != step.Accepted {
			t.Errorf("step %d accepted: %v, want %v; %v", i, accepted, step.Accepted, x.Err())
		}
		if i == len(v.Expected.Steps)-1 {
			checkIndex(t, x, v.Expected.expectation)
		}
	}
}

func checkMerge(t *testing.T, v vector) {
	t.Helper()
	var parts []modulemd.Part
	for i, p := range v.Parts {
		x, err := modulemd.Read([]byte(p.YAML), modulemd.ReadOptions{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Err(); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, modulemd.Part{Name: fmt.Sprintf("part %d", i), Index: x, Priority: p.Priority})
	}
	x, err := modulemd.Merge(parts, modulemd.MergeOptions{})
	if v.Expected.MergeError != "" {
		if !errors.Is(err, modulemd.ErrConflict) {
			t.Errorf("error %v, want a conflict as %q", err, v.Expected.MergeError)
		}
		return
	}
	if v.ID == firstWins {
		checkNotFirstWins(t, parts, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkIndex(t, x, v.Expected.expectation)
}

// firstWins is where libmodulemd takes the first of two differing documents of
// one N:S:V:C:A without a word, and we do not.
const firstWins = "lmmd-183"

func checkNotFirstWins(t *testing.T, parts []modulemd.Part, err error) {
	t.Helper()
	var conflict *modulemd.ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("error %v, want a conflict", err)
	}
	want := modulemd.ConflictError{
		Document: "modulemd foo:1:20200101:c0ffee11:x86_64",
		Parts:    [2]string{"part 0", "part 1"}, Fields: []string{"artifacts.rpms"},
	}
	if diff := cmp.Diff(want, *conflict); diff != "" {
		t.Errorf("conflict (-want +got):\n%s", diff)
	}
	x, err := modulemd.Merge(parts, modulemd.MergeOptions{UnionSubsets: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := x.Streams[0]; got != parts[1].Index.Streams[0] {
		t.Errorf("merged: %v, want the document with more artifacts", got.Artifacts)
	}
}

func checkPackager(t *testing.T, v vector) {
	t.Helper()
	p, _, err := modulemd.ReadPackager([]byte(v.YAML), modulemd.ReadOptions{})
	if accepted := err == nil; accepted != v.Expected.Accepted {
		t.Fatalf("accepted: %v (%v), want %v (%s)", accepted, err, v.Expected.Accepted, v.Expected.Error)
	}
	if err != nil {
		if !errors.Is(err, modulemd.ErrInvalid) {
			t.Errorf("error %v is not ErrInvalid", err)
		}
		return
	}
	// libmodulemd's function takes names that win over the document's.
	if v.Name != "" {
		p.Content.Name = v.Name
	}
	if v.Stream != "" {
		p.Content.Stream = v.Stream
	}
	name, stream := "", ""
	if v.Expected.Name != nil {
		name = *v.Expected.Name
	}
	if v.Expected.Stream != nil {
		stream = *v.Expected.Stream
	}
	if p.Content.Name != name || p.Content.Stream != stream {
		t.Errorf("name %q stream %q, want %q %q", p.Content.Name, p.Content.Stream, name, stream)
	}
	want := v.Expected.AsIndex
	if want.Error != "" {
		if name != "" && stream != "" {
			t.Errorf("libmodulemd makes no index: %s", want.Error)
		}
		return
	}
	streams, defaults, err := p.Streams()
	if err != nil {
		t.Fatal(err)
	}
	dump, err := modulemd.NewIndex(streams, []*modulemd.Defaults{defaults}, nil, nil).Dump()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Dump, string(dump)); diff != "" {
		t.Errorf("dump (-want +got):\n%s", diff)
	}
}
