package autospec

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// Evaluate parses specs where they can do no harm, each in a process of its own,
// and returns what each says, in the order of the inputs. A spec that can't be
// parsed is no error but a Version without EpochVersion.
type Evaluate func(ctx context.Context, inputs []Input) ([]Version, error)

// Input is a spec to evaluate, with what it may read.
type Input struct {
	// Spec is the file's name.
	Spec string
	Text []byte
	// Files lie in the spec's directory, by their paths below it.
	Files map[string][]byte
}

// Sizes of batches: a release is mostly known after few specs, a changelog after
// all.
const (
	firstBatch = 8
	maxBatch   = 256
)

// evaluator evaluates the specs of a history before they are asked for: with
// one, the older ones that differ.
type evaluator struct {
	h        *History
	evaluate Evaluate
	// alone has specs evaluated by themselves, among those that need the files
	// of their trees.
	alone, among batches
}

// batches are the specs that were evaluated in one way.
type batches struct {
	// key is the same for commits whose specs say the same; empty for those that
	// are not evaluated in this way.
	key   func(*Commit) string
	known map[string]Version
	// size is that of the next batch.
	size int
}

func newEvaluator(h *History, evaluate Evaluate) *evaluator {
	e := &evaluator{h: h, evaluate: evaluate}
	e.alone = batches{key: specKey, known: make(map[string]Version), size: firstBatch}
	e.among = batches{key: e.treeKey, known: make(map[string]Version), size: firstBatch}
	return e
}

func specKey(commit *Commit) string { return commit.SpecBlob }

// treeKey is for specs that can't be parsed alone and may read other files.
func (e *evaluator) treeKey(commit *Commit) string {
	version, ok := e.alone.known[commit.SpecBlob]
	if len(e.h.Trees[commit.Tree]) == 0 || !ok || version.EpochVersion != "" {
		return ""
	}
	return commit.SpecBlob + " " + commit.Tree
}

// lookup implements Lookup.
func (e *evaluator) lookup(ctx context.Context, commit *Commit) (Version, error) {
	version, err := e.find(ctx, &e.alone, commit)
	if err != nil || e.treeKey(commit) == "" {
		return version, err
	}
	return e.find(ctx, &e.among, commit)
}

// find returns what is known in one way, or evaluates the next batch.
func (e *evaluator) find(ctx context.Context, b *batches, commit *Commit) (Version, error) {
	if version, ok := b.known[b.key(commit)]; ok {
		return version, nil
	}
	at := slices.IndexFunc(e.h.Commits, func(c Commit) bool { return c.ID == commit.ID })
	wanted := make(map[string]bool)
	var keys []string
	var commits []*Commit
	for i := at; i < len(e.h.Commits) && len(keys) < b.size; i++ {
		next := &e.h.Commits[i]
		key := b.key(next)
		if _, ok := b.known[key]; ok || wanted[key] || key == "" {
			continue
		}
		wanted[key] = true
		keys, commits = append(keys, key), append(commits, next)
	}
	b.size = min(2*b.size, maxBatch)
	versions, err := e.versions(ctx, commits, b == &e.among)
	if err != nil {
		return Version{}, err
	}
	for i, key := range keys {
		b.known[key] = versions[i]
	}
	return b.known[b.key(commit)], nil
}

// versions evaluates the specs of commits: the part before %prep, which needs
// less to be parsed, and where that fails the whole spec.
func (e *evaluator) versions(ctx context.Context, commits []*Commit, files bool) ([]Version, error) {
	versions := make([]Version, len(commits))
	for _, part := range []func([]byte) []byte{beforePrep, func(spec []byte) []byte { return spec }} {
		var inputs []Input
		var places []int
		for i, commit := range commits {
			if versions[i].EpochVersion != "" {
				continue
			}
			input := Input{Spec: e.h.Spec, Text: part(e.h.Blobs[commit.SpecBlob])}
			if files {
				input.Files = e.files(commit.Tree)
			}
			inputs, places = append(inputs, input), append(places, i)
		}
		if len(inputs) == 0 {
			break
		}
		got, err := e.evaluate(ctx, inputs)
		if err != nil {
			return nil, err
		}
		if len(got) != len(inputs) {
			return nil, fmt.Errorf("autospec: %d specs were evaluated of %d", len(got), len(inputs))
		}
		for i, place := range places {
			versions[place] = got[i]
		}
	}
	return versions, nil
}

// files are the contents of a tree.
func (e *evaluator) files(tree string) map[string][]byte {
	files := make(map[string][]byte)
	for _, file := range e.h.Trees[tree] {
		files[file.Name] = e.h.Blobs[file.Blob]
	}
	return files
}

// beforePrep is the part of a spec before the line %prep.
func beforePrep(spec []byte) []byte {
	end := 0
	for line := range bytes.Lines(spec) {
		if string(bytes.TrimSpace(line)) == "%prep" {
			return spec[:end]
		}
		end += len(line)
	}
	return spec
}
