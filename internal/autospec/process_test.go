package autospec

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// evaluate answers what rpm said, by the texts of specs and the files beside
// them.
func (v *vector) evaluate(_ context.Context, inputs []Input) ([]Version, error) {
	said := map[string][]string{}
	for i := range v.History.Commits {
		commit := &v.History.Commits[i]
		said[string(v.History.Blobs[commit.SpecBlob])+string(v.includedIn(commit.Tree))] = v.Versions[v.key(commit)]
	}
	versions := make([]Version, len(inputs))
	for i, input := range inputs {
		if answer := said[string(input.Text)+string(input.Files["inc.inc"])]; answer != nil {
			versions[i] = Version{EpochVersion: answer[0], Release: answer[1]}
		} else {
			versions[i] = Version{Error: "rpm can't parse it"}
		}
	}
	return versions, nil
}

// includedIn is the file that the spec of a tree includes.
func (v *vector) includedIn(tree string) []byte {
	for _, file := range v.History.Trees[tree] {
		if file.Name == "inc.inc" {
			return v.History.Blobs[file.Blob]
		}
	}
	return nil
}

// TestProcessVectors compares whole specs, but for the header, whose wording is
// distbot's.
func TestProcessVectors(t *testing.T) {
	t.Parallel()
	compared := 0
	for _, v := range readVectors(t) {
		got, err := Process(t.Context(), v.History, v.evaluate)
		if err != nil {
			t.Fatalf("history %d: %v", v.Seed, err)
		}
		if v.Processed == "" {
			continue
		}
		compared++
		_, want, _ := strings.Cut(v.Processed, "## END: Set by rpmautospec\n\n")
		header, body, _ := strings.Cut(string(got.Spec), "## END: Set by rpmautospec\n\n")
		if diff := gocmp.Diff(want, body); diff != "" {
			t.Errorf("history %d: the spec after the header (-want +got):\n%s", v.Seed, diff)
		}
		uses := regexpUses.FindString(v.Processed)
		if uses == "" || !strings.Contains(header, uses) {
			t.Errorf("history %d: the header does not say %q:\n%s", v.Seed, uses, header)
		}
	}
	if compared < 50 {
		t.Errorf("only %d specs were compared", compared)
	}
}

// regexpUses is the line of a header that names the macros.
var regexpUses = regexp.MustCompile(`(?m)^## RPMAUTOSPEC: .*$`)

const plain = "Name: a\nVersion: 1\nRelease: 1\n"

func TestReadFeatures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spec string
		uses bool
	}{
		"a spec without the macros":               {plain + "%changelog\n", false},
		"a spec without a changelog either":       {plain, false},
		"%autorelease":                            {"Release: %autorelease\n", true},
		"%autorelease at the end of the file":     {"Release: %autorelease", true},
		"%autorelease with CRLF":                  {"Release: %autorelease\r\n", true},
		"%{autorelease -n}":                       {"Release: %{autorelease -n}%{?dist}\n", true},
		"%{?autorelease}":                         {"Release: %{?autorelease}\n", true},
		"another macro that begins the same":      {"Release: %autorelease_old\n%changelog\n", false},
		"%autorelease in the text of a changelog": {plain + "%changelog\n- use %autorelease\n", false},
		"%autochangelog":                          {plain + "%changelog\n%autochangelog\n", true},
		"%autochangelog in a comment":             {plain + "# %autochangelog\n%changelog\n", false},
		"a spec that was processed before":        {"%define autorelease(e:s:pb:n) 3\nRelease: %autorelease\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ReadFeatures([]byte(test.spec)).Uses(); got != test.uses {
				t.Errorf("uses the macros: %v, want %v", got, test.uses)
			}
		})
	}
}

// line is a history of commits with these specs, the oldest first.
func line(specs ...string) *History {
	h := &History{Spec: "a.spec", Blobs: map[string][]byte{}}
	for i, spec := range specs {
		h.Blobs["blob of "+spec] = []byte(spec)
		c := Commit{ID: fmt.Sprint(i), Tree: "tree of " + spec, SpecBlob: "blob of " + spec, Author: "A <a@e>", Message: fmt.Sprint("change ", i)}
		if i > 0 {
			c.Parents = []string{fmt.Sprint(i - 1)}
		}
		h.Commits = append([]Commit{c}, h.Commits...)
	}
	return h
}

func TestProcess(t *testing.T) {
	t.Parallel()

	t.Run("evaluates nothing for a spec that uses no macro", func(t *testing.T) {
		t.Parallel()
		got, err := Process(t.Context(), line(plain+"%changelog\n"), func(context.Context, []Input) ([]Version, error) {
			return nil, errors.New("a spec was evaluated")
		})
		if err != nil || string(got.Spec) != plain+"%changelog\n" {
			t.Errorf("got %q, %v; want the spec as it is", got.Spec, err)
		}
	})
	t.Run("evaluates few specs for a release, each text once", func(t *testing.T) {
		t.Parallel()
		var specs []string
		for i := range 1000 {
			specs = append(specs, fmt.Sprintf("Version: %d\nRelease: %%autorelease\n%%changelog\n", i/3))
		}
		asked := map[string]int{}
		got, err := Process(t.Context(), line(specs...), func(_ context.Context, inputs []Input) ([]Version, error) {
			versions := make([]Version, len(inputs))
			for i, input := range inputs {
				asked[string(input.Text)]++
				version, _, _ := strings.Cut(strings.TrimPrefix(string(input.Text), "Version: "), "\n")
				versions[i] = Version{EpochVersion: version, Release: "E_S_P0_B"}
			}
			return versions, nil
		})
		// The newest version has one commit, the one before it three.
		if err != nil || got.Number != 1 {
			t.Fatalf("number %d, %v; want 1", got.Number, err)
		}
		if len(asked) > firstBatch || got.Evaluated != len(asked) {
			t.Errorf("%d specs were evaluated, %d are told, want at most %d", len(asked), got.Evaluated, firstBatch)
		}
		for text, n := range asked {
			if n > 1 {
				t.Errorf("%q was evaluated %d times", text, n)
			}
		}
	})
	t.Run("says why the spec can't be parsed", func(t *testing.T) {
		t.Parallel()
		_, err := Process(t.Context(), line("Release: %autorelease\n"), func(_ context.Context, inputs []Input) ([]Version, error) {
			return []Version{{Error: "line 1: it is odd"}}[:len(inputs)], nil
		})
		var wrong *SpecError
		if !errors.As(err, &wrong) || wrong.Spec != "a.spec" || wrong.Reason != "line 1: it is odd" {
			t.Errorf("got error %v, want a *SpecError with the reason", err)
		}
	})
	t.Run("an evaluation that fails ends it", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("no sandbox")
		_, err := Process(t.Context(), line("Release: %autorelease\n"), func(context.Context, []Input) ([]Version, error) { return nil, broken })
		if !errors.Is(err, broken) {
			t.Errorf("got error %v, want %v", err, broken)
		}
	})
}
