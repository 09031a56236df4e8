package repopublish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/tagview"
)

// readModules gives the repository of each architecture the module documents of
// the tag that are for it. The error is a *RefusedError where clients could not
// use them.
func (p *Publisher) readModules(ctx context.Context, reader tagview.Reader, tag db.TagForPublishRow, c *content) error {
	documents, err := reader.Modules(ctx, tag.ID, true)
	if err != nil {
		return fmt.Errorf("repopublish: list module documents of %s: %w", tag.Name, err)
	}
	if len(documents) == 0 {
		return nil
	}
	made, ok := p.modules.get(tag.ID, documents, c.arches)
	if !ok {
		texts, err := reader.ModuleTexts(ctx, documents)
		if err != nil {
			return fmt.Errorf("repopublish: read module documents of %s: %w", tag.Name, err)
		}
		if made, err = mergeModules(tag.Name, documents, texts, c.arches); err != nil {
			return err
		}
		p.modules.put(tag.ID, documents, c.arches, made)
	}
	for a, m := range made {
		c.repos[a].modules, c.repos[a].index = m.text, m.index
	}
	return nil
}

// modulesYAML is a modules.yaml and what it says; nil and nil for none.
type modulesYAML struct {
	text  []byte
	index *modulemd.Index
}

// mergeModules makes modules.yaml of each architecture of documents in the order
// in which they count. All that is wrong with them is refused at once.
func mergeModules(tag string, documents []tagview.ModuleDocument, texts [][]byte, arches []string) (map[string]modulesYAML, error) {
	made := map[string]modulesYAML{}
	var problems []string
	tell := func(a, problem string) {
		for i, known := range problems {
			if strings.HasSuffix(known, ": "+problem) {
				problems[i] = strings.TrimSuffix(known, ": "+problem) + ", " + a + ": " + problem
				return
			}
		}
		problems = append(problems, a+": "+problem)
	}
	for _, a := range arches {
		parts, err := partsFor(a, documents, texts)
		if err != nil {
			return nil, err
		}
		merged, err := modulemd.Merge(parts, modulemd.MergeOptions{StrictDefaultStreams: true})
		if err != nil {
			for _, problem := range conflicts(tag, err) {
				tell(a, problem)
			}
			continue
		}
		var text bytes.Buffer
		if err := merged.Write(&text); err != nil {
			return nil, fmt.Errorf("repopublish: module documents of %s: %w", tag, err)
		}
		if text.Len() == 0 {
			continue
		}
		// As clients read it.
		index, err := modulemd.Read(text.Bytes(), modulemd.ReadOptions{})
		if err != nil {
			tell(a, err.Error())
			continue
		}
		for _, f := range modulemd.AtLeast(append(slices.Clone(index.Findings), index.Check()...), modulemd.Error) {
			f.Line = 0 // of a file that nobody has
			tell(a, f.String())
		}
		made[a] = modulesYAML{text.Bytes(), index}
	}
	return made, refuseAll(GateModules, problems)
}

// partsFor are the documents for an architecture, those of each tag apart: of
// the nearest tag with the highest priority, and last.
func partsFor(a string, documents []tagview.ModuleDocument, texts [][]byte) ([]modulemd.Part, error) {
	var parts []modulemd.Part
	for i, d := range documents {
		if d.Arch != "" && arch.Canonical(d.Arch) != arch.Canonical(a) {
			continue
		}
		index, err := modulemd.Read(texts[i], modulemd.ReadOptions{})
		if err != nil {
			return nil, refuse(GateModules, fmt.Errorf("%s %s of tag %s: %w", d.Kind, d.Name, d.Tag, err))
		}
		if n := len(parts); n == 0 || parts[n-1].Name != d.Tag {
			parts = append(parts, modulemd.Part{Name: d.Tag, Index: &modulemd.Index{}, Priority: -n})
		}
		of := parts[len(parts)-1].Index
		of.Streams, of.Defaults = append(of.Streams, index.Streams...), append(of.Defaults, index.Defaults...)
		of.Obsoletes, of.Translations = append(of.Obsoletes, index.Obsoletes...), append(of.Translations, index.Translations...)
		// What could not be used when it was added was refused; a newer version of
		// this program may see more.
		if err := index.Err(); err != nil {
			return nil, refuse(GateModules, fmt.Errorf("%s %s of tag %s: %w", d.Kind, d.Name, d.Tag, err))
		}
	}
	slices.Reverse(parts)
	return parts, nil
}

// conflicts are documents of several tags that contradict each other, in words.
func conflicts(tag string, err error) (problems []string) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, one := range all {
		var conflict *modulemd.ConflictError
		if !errors.As(one, &conflict) {
			problems = append(problems, one.Error())
			continue
		}
		problems = append(problems, fmt.Sprintf("%s of tag %s and that of tag %s, which come together in %s, differ in %s: a document of one name has one content; remove one of them",
			conflict.Document, conflict.Parts[1], conflict.Parts[0], tag, strings.Join(conflict.Fields, ", ")))
	}
	return problems
}

// readIndex reads a modules.yaml that was published; nil for none.
func readIndex(text []byte) (*modulemd.Index, error) {
	if text == nil {
		return nil, nil
	}
	index, err := modulemd.Read(text, modulemd.ReadOptions{})
	if err != nil {
		return nil, refuse(GateModules, err)
	}
	return index, refuseFindings(index)
}

// refuseFindings refuses documents that clients could not use.
func refuseFindings(index *modulemd.Index) error {
	var problems []string
	for _, f := range modulemd.AtLeast(append(slices.Clone(index.Findings), index.Check()...), modulemd.Error) {
		problems = append(problems, f.String())
	}
	return refuseAll(GateModules, problems)
}

// modulesKept remembers the newest modules.yaml of each tag, which most publishes
// need as it is. The zero value is ready. Safe for concurrent use.
type modulesKept struct {
	mu   sync.Mutex
	tags map[int64]keptModules
}

type keptModules struct {
	of   string
	made map[string]modulesYAML
}

// keyOf names what modules.yaml is made of: documents never change.
func keyOf(documents []tagview.ModuleDocument, arches []string) string {
	var key strings.Builder
	for _, d := range documents {
		fmt.Fprintf(&key, "%d ", d.ID)
	}
	return key.String() + strings.Join(arches, " ")
}

func (k *modulesKept) get(tag int64, documents []tagview.ModuleDocument, arches []string) (map[string]modulesYAML, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kept, ok := k.tags[tag]
	return kept.made, ok && kept.of == keyOf(documents, arches)
}

// maxModulesKept is of how many tags modules are kept in memory.
const maxModulesKept = 16

func (k *modulesKept) put(tag int64, documents []tagview.ModuleDocument, arches []string, made map[string]modulesYAML) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tags == nil {
		k.tags = map[int64]keptModules{}
	}
	for other := range k.tags {
		if _, known := k.tags[tag]; known || len(k.tags) < maxModulesKept {
			break
		}
		delete(k.tags, other) // any one: what goes is made again
	}
	k.tags[tag] = keptModules{keyOf(documents, arches), made}
}
