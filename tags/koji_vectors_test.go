package tags_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vectorsEnv names another folder of scenarios.
const vectorsEnv = "DISTBOT_KOJI_VECTORS"

// scenario is a series of operations and what the real hub reported after them.
type scenario struct {
	ID     string            `json:"id"`
	Ops    []json.RawMessage `json:"ops"`
	Expect struct {
		OpResults []json.RawMessage                     `json:"op_results"`
		Targets   json.RawMessage                       `json:"targets"`
		Tags      map[string]json.RawMessage            `json:"tags"`
		Marks     map[string]map[string]json.RawMessage `json:"marks"`
		History   map[string]json.RawMessage            `json:"history"`
	} `json:"expect"`
}

// TestKojiVectors replays what was recorded of the real hub.
func TestKojiVectors(t *testing.T) {
	t.Parallel()
	files := vectorFiles(t)
	var passed, failed atomic.Int64
	t.Cleanup(func() {
		// For people and scripts, whatever the verbosity.
		fmt.Printf("koji vectors: %d passed, %d failed\n", passed.Load(), failed.Load())
	})
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					failed.Add(1)
				} else {
					passed.Add(1)
				}
			}()
			replayFile(t, file)
		})
	}
}

// vectorFiles finds the scenarios: those of the project, or of the folder that
// the environment names, from here or from the project's root.
func vectorFiles(t *testing.T) []string {
	t.Helper()
	dirs := []string{filepath.Join("..", "testdata", "koji")}
	if dir := os.Getenv(vectorsEnv); dir != "" {
		dirs = []string{dir}
		if !filepath.IsAbs(dir) {
			dirs = append(dirs, filepath.Join("..", dir))
		}
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			return files
		}
	}
	t.Fatalf("there are no scenarios in %s", strings.Join(dirs, " or "))
	return nil
}

func replayFile(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var s scenario
	if err := decoder.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if len(s.Ops) == 0 || len(s.Ops) != len(s.Expect.OpResults) || len(s.Expect.Tags) == 0 {
		t.Fatalf("%s is not a scenario: %d operations, %d results, %d tags", file, len(s.Ops), len(s.Expect.OpResults), len(s.Expect.Tags))
	}
	h := newHub(t)
	for i, op := range s.Ops {
		h.perform(t, i, op, s.Expect.OpResults[i])
	}
	h.compareTargets(t, s.Expect.Targets)
	for tag, want := range s.Expect.Tags {
		h.compareTag(t, "now: "+tag, tag, want, h.now())
	}
	for mark, tags := range s.Expect.Marks {
		for tag, want := range tags {
			h.compareTag(t, "mark "+mark+": "+tag, tag, want, h.at(t, mark))
		}
	}
	h.compareHistory(t, s.Expect.History)
}

// kojiFault is a fault of the real hub, [code, text].
type kojiFault struct {
	code int
	text string
}

func (f *kojiFault) UnmarshalJSON(data []byte) error {
	pair := []any{&f.code, &f.text}
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a fault has a code and a text")
	}
	return nil
}

// perform does one operation and compares its outcome with the hub's.
func (h *hub) perform(t *testing.T, index int, raw, result json.RawMessage) {
	t.Helper()
	var want *kojiFault
	if err := json.Unmarshal(result, &want); err != nil {
		t.Fatal(err)
	}
	code, err := h.do(context.Background(), index, raw)
	if err != nil {
		t.Fatalf("operation %d %s: %v", index, raw, err)
	}
	wanted, said := 0, "done"
	if want != nil {
		wanted, said = want.code, want.text
	}
	if code != wanted {
		t.Errorf("operation %d %s: fault %d, the hub said %d (%s)", index, raw, code, wanted, said)
	}
}

// compareJSON compares a value with recorded JSON.
func compareJSON(t *testing.T, what string, want json.RawMessage, got any) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var wantValue, gotValue any
	if err := json.Unmarshal(want, &wantValue); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &gotValue); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantValue, gotValue); diff != "" {
		t.Errorf("%s (-hub +distbot):\n%s", what, diff)
	}
}
