package autospec

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// vector is a history that was made at random, and what rpmautospec 0.8.5 with
// rpm 4.18 made of it.
type vector struct {
	Seed    int      `json:"seed"`
	History *History `json:"history"`
	// Versions are what rpm said, by the ids of specs, followed by a space and
	// that of the tree for those that include files: epoch and version, and the
	// release; null for specs it could not parse. Options of a release that
	// told none are "other".
	Versions map[string][]string `json:"versions"`
	// Number and Release are computed without the changelog, the others with it.
	Number        int    `json:"number"`
	Release       string `json:"release"`
	WithChangelog []any  `json:"with_changelog"`
	Changelog     string `json:"changelog"`
	// Processed is the processed spec; empty when the spec uses no macro.
	Processed string `json:"processed"`
}

// vectorsVariable names a file of more vectors, one in a line.
const vectorsVariable = "DISTBOT_AUTOSPEC_VECTORS"

// readVectors reads the recorded vectors.
func readVectors(tb testing.TB) []vector {
	tb.Helper()
	file, err := os.Open(cmp.Or(os.Getenv(vectorsVariable), "testdata/vectors.jsonl.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var in *bufio.Reader
	if strings.HasSuffix(file.Name(), ".gz") {
		zip, err := gzip.NewReader(file)
		if err != nil {
			tb.Fatal(err)
		}
		in = bufio.NewReader(zip)
	} else {
		in = bufio.NewReader(file)
	}
	var all []vector
	for decoder := json.NewDecoder(in); decoder.More(); {
		var v vector
		if err := decoder.Decode(&v); err != nil {
			tb.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		tb.Fatal("there are no vectors")
	}
	return all
}

// key finds what rpm said of a commit's spec.
func (v *vector) key(commit *Commit) string {
	if _, ok := v.History.Trees[commit.Tree]; ok {
		return commit.SpecBlob + " " + commit.Tree
	}
	return commit.SpecBlob
}

// lookup answers what rpm said.
func (v *vector) lookup(_ context.Context, commit *Commit) (Version, error) {
	key := v.key(commit)
	said, ok := v.Versions[key]
	switch {
	case !ok:
		return Version{}, fmt.Errorf("rpm was not asked about %s", key)
	case said == nil:
		return Version{Error: "rpm can't parse it"}, nil
	}
	return Version{EpochVersion: said[0], Release: said[1]}, nil
}

// TestVectors compares with what rpmautospec computes.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(fmt.Sprintf("history %d", v.Seed), func(t *testing.T) {
			t.Parallel()
			var stored bytes.Buffer
			if err := v.History.Encode(&stored); err != nil {
				t.Fatal(err)
			}
			h, err := Decode(&stored)
			if err != nil {
				t.Fatal(err)
			}
			without, err := Walk(t.Context(), h, false, v.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if without.Number != v.Number || without.Release != v.Release {
				t.Errorf("release %d (%s), want %d (%s)", without.Number, without.Release, v.Number, v.Release)
			}
			with, err := Walk(t.Context(), h, true, v.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(v.WithChangelog, []any{float64(with.Number), with.Release}); diff != "" {
				t.Errorf("release with the changelog (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(v.Changelog, strings.Join(with.Entries, "\n\n")); diff != "" {
				t.Errorf("changelog (-want +got):\n%s", diff)
			}
		})
	}
}
