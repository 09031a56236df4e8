package modulemd

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// ErrEdit is wrapped when a document is written in a way that [Stream.Edit]
// cannot change without touching the rest.
var ErrEdit = errors.New("document cannot be edited in place")

// Edit says what to leave out of a stream document. Functions that are nil keep
// everything. They must answer the same each time.
type Edit struct {
	// KeepRPM reports whether a profile's list keeps the RPM of that name.
	KeepRPM func(profile, rpm string) bool
	// KeepEmptied reports whether a profile stays, with an empty list, whose
	// RPMs have all been left out. A profile that was empty before stays.
	KeepEmptied func(profile string) bool
	// KeepArtifact reports whether the list of artifacts keeps that RPM,
	// N-E:V-R.A. The RPM map is not changed.
	KeepArtifact func(artifact string) bool
}

// Edit returns the document without what e leaves out. Its Text is that of s
// without the words of the left out entries: every other byte is as it was. It
// is s itself if nothing is to be left out. The error wraps [ErrEdit] if the
// document is written in a form that allows no such change; what was asked for,
// and only that, is verified by reading the new text.
//
// A document without Text is changed in its fields alone.
func (s *Stream) Edit(e Edit) (*Stream, error) {
	want := s.edited(e)
	if len(Differences(s, want)) == 0 {
		return s, nil
	}
	if len(s.Text) == 0 {
		return want, nil
	}
	text, err := s.editText(want)
	if err != nil {
		return nil, fmt.Errorf("modulemd: edit %s: %w", s, err)
	}
	limits := Limits{DocumentBytes: max(len(text), 1)}.withDefaults()
	d, _, err := readDocument(chunk{text: text, line: s.Line}, ReadOptions{Source: s.Source, Limits: limits})
	if err != nil {
		return nil, fmt.Errorf("modulemd: edit %s: the new text is not valid (%w): %w", s, err, ErrEdit)
	}
	got, ok := d.(*Stream)
	if !ok || got.Format != s.Format {
		return nil, fmt.Errorf("modulemd: edit %s: the new text is another document: %w", s, ErrEdit)
	}
	if differing := Differences(want, got); len(differing) > 0 {
		return nil, fmt.Errorf("modulemd: edit %s: the new text says something else in %s: %w", s, list(differing), ErrEdit)
	}
	return got, nil
}

// edited is the document with its fields as they shall be, and without Text.
func (s *Stream) edited(e Edit) *Stream {
	want := *s
	want.Text = nil
	if e.KeepArtifact != nil {
		want.Artifacts = filter(s.Artifacts, e.KeepArtifact)
	}
	if e.KeepRPM == nil {
		return &want
	}
	want.Profiles = maps.Clone(s.Profiles)
	for name, p := range s.Profiles {
		kept := filter(p.RPMs, func(rpm string) bool { return e.KeepRPM(name, rpm) })
		if len(kept) == 0 && len(p.RPMs) > 0 && e.KeepEmptied != nil && !e.KeepEmptied(name) {
			delete(want.Profiles, name)
			want.Unknown = slices.DeleteFunc(slices.Clone(want.Unknown), func(f UnknownField) bool {
				return strings.HasPrefix(f.Path, "data.profiles."+name+".")
			})
			continue
		}
		p.RPMs = kept
		want.Profiles[name] = p
	}
	return &want
}

func filter(items []string, keep func(string) bool) []string {
	var out []string
	for _, item := range items {
		if keep(item) {
			out = append(out, item)
		}
	}
	return out
}

// editText removes from the text what s has and want has not.
func (s *Stream) editText(want *Stream) ([]byte, error) {
	root, err := parseNode(chunk{text: s.Text, line: s.Line}, Limits{DocumentBytes: len(s.Text)}.withDefaults())
	if err != nil {
		return nil, err
	}
	t := newEditor(s.Text, root)
	data := valueAt(root, "data")
	if err := t.subset(valueAt(data, "artifacts"), "rpms", s.Artifacts, want.Artifacts); err != nil {
		return nil, err
	}
	profiles := valueAt(data, "profiles")
	var dropped []string
	for _, name := range slices.Sorted(maps.Keys(s.Profiles)) {
		p, ok := want.Profiles[name]
		if !ok {
			dropped = append(dropped, name)
			continue
		}
		if err := t.subset(valueAt(profiles, name), "rpms", s.Profiles[name].RPMs, p.RPMs); err != nil {
			return nil, err
		}
	}
	if len(dropped) > 0 {
		keep := func(key *yaml.Node) bool { return !slices.Contains(dropped, key.Value) }
		if err := t.filterEntries(data, "profiles", keep); err != nil {
			return nil, err
		}
	}
	return t.apply(), nil
}

// subset removes from the list under a mapping's key the entries that before
// has and after has not.
func (t *editor) subset(parent *yaml.Node, key string, before, after []string) error {
	if len(before) == len(after) {
		return nil
	}
	kept := make(map[string]bool, len(after))
	for _, item := range after {
		kept[item] = true
	}
	return t.filterEntries(parent, key, func(item *yaml.Node) bool { return kept[item.Value] })
}
