package tags

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
)

// tag plans a tag and its settings.
func (p *planner) tag(name string) {
	want := p.want.tags[name]
	have := p.have.tags[name]
	if have == nil {
		p.step(Create, "tag", name, afterColon(want.words()))
		values, _, blocked := settingChanges(nil, want.extra)
		p.do(func(ctx context.Context, e *Edit) error {
			if err := e.AddTag(ctx, NewTag{Name: name, Arches: want.arches, Perm: want.perm, Locked: want.locked, Extra: values}); err != nil {
				return err
			}
			return e.EditTag(ctx, name, TagChange{BlockExtra: blocked})
		})
		return
	}
	words := have.changes(want)
	if len(words) == 0 {
		return
	}
	p.step(Change, "tag", name, afterColon(words))
	values, removed, blocked := settingChanges(have.extra, want.extra)
	change := TagChange{Locked: &want.locked, Perm: &want.perm, Extra: values, BlockExtra: blocked}
	// Other spellings of the same architectures stay as they are.
	if !sameText(have.arches, want.arches) {
		change.Arches, change.InheritArches = want.arches, want.arches == nil
	}
	p.do(func(ctx context.Context, e *Edit) error {
		if err := e.dropExtra(ctx, name, removed); err != nil {
			return err
		}
		return e.EditTag(ctx, name, change)
	})
}

// settingChanges says which settings get a value, which go and which are
// blocked.
func settingChanges(have, want map[string]json.RawMessage) (values map[string]json.RawMessage, removed, blocked []string) {
	values = map[string]json.RawMessage{}
	for _, key := range sortedKeys(want) {
		old, there := have[key]
		switch {
		case there && sameSetting(old, want[key]):
		case want[key] == nil:
			blocked = append(blocked, key)
		default:
			values[key] = want[key]
		}
	}
	for _, key := range sortedKeys(have) {
		if _, stays := want[key]; !stays {
			removed = append(removed, key)
		}
	}
	return values, removed, blocked
}

// sameSetting compares values, nil for a block. What an edit takes for the same
// is the same here; so are numbers that no float can hold.
func sameSetting(a, b json.RawMessage) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return sameJSON(a, b) || reflect.DeepEqual(exactly(a), exactly(b))
}

// exactly is a JSON value with its numbers as they are written, nil if it is
// none.
func exactly(text json.RawMessage) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil
	}
	return value
}

func archWords(arches *string) string {
	switch {
	case arches == nil:
		return "inherited"
	case *arches == "":
		return "none"
	}
	return *arches
}

// words describes a new tag.
func (t *tagModel) words() []string {
	words := []string{"arches " + archWords(t.arches)}
	if t.perm != "" {
		words = append(words, "perm "+t.perm)
	}
	if t.locked {
		words = append(words, "locked")
	}
	return append(words, settingWords(nil, t.extra)...)
}

// changes describes what must change for the tag to be as wanted, apart from
// its content.
func (t *tagModel) changes(want *tagModel) []string {
	words := textChange("arches", archWords(t.arches), archWords(want.arches))
	words = append(words, textChange("perm", t.perm, want.perm)...)
	words = append(words, flagChange("locked", t.locked, want.locked)...)
	return append(words, settingWords(t.extra, want.extra)...)
}

func settingWords(have, want map[string]json.RawMessage) []string {
	var words []string
	values, removed, blocked := settingChanges(have, want)
	for _, key := range sortedKeys(values) {
		words = append(words, "extra "+key+" = "+shortJSON(values[key]))
	}
	for _, key := range blocked {
		words = append(words, "extra "+key+" blocked")
	}
	for _, key := range removed {
		words = append(words, "extra "+key+" removed")
	}
	return words
}

// shortJSON is a value on one line, and not too long.
func shortJSON(value json.RawMessage) string {
	const longest = 100
	var line bytes.Buffer
	if err := json.Compact(&line, value); err != nil {
		return strings.ToValidUTF8(string(value), "?")
	}
	text := []rune(line.String())
	if len(text) > longest {
		return string(text[:longest-1]) + "…"
	}
	return string(text)
}
