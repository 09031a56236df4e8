package tags

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/tagview"
)

const (
	// maxModuleName bounds the names of module documents, in bytes.
	maxModuleName = 1000
	// maxFindings is how many findings a refusal tells.
	maxFindings = 10
)

// moduleDocument is a document that is to be in a tag.
type moduleDocument struct {
	kind, name, arch string
	text             []byte
	// stream is set for a stream document, modified for others.
	stream   *modulemd.Stream
	modified uint64
}

// moduleDocuments are the documents of an index by the names they have in a tag.
func moduleDocuments(x *modulemd.Index) []moduleDocument {
	var all []moduleDocument
	for _, s := range x.Streams {
		all = append(all, moduleDocument{kind: tagview.ModuleStream, name: s.String(), arch: s.Arch, text: s.FormatDocument(nil), stream: s})
	}
	for _, d := range x.Defaults {
		all = append(all, moduleDocument{kind: tagview.ModuleDefaults, name: d.Module, text: d.FormatDocument(nil), modified: d.Modified})
	}
	for _, o := range x.Obsoletes {
		name := o.Module + ":" + o.Stream
		if o.Context != "" {
			name += ":" + o.Context
		}
		all = append(all, moduleDocument{
			kind: tagview.ModuleObsoletes, name: fmt.Sprintf("%s@%d", name, o.Modified), text: o.FormatDocument(nil), modified: o.Modified,
		})
	}
	for _, t := range x.Translations {
		all = append(all, moduleDocument{kind: tagview.ModuleTranslations, name: t.Module + ":" + t.Stream, text: t.FormatDocument(nil), modified: t.Modified})
	}
	return all
}

// AddModules gives a tag module documents, each byte for byte as it was read,
// and returns the names of those that it had not, with their kinds. Documents
// that clients can't use are refused, all or none. One name:stream:version:
// context:architecture has one content, with what the tag inherits, too: another
// content is refused, the same in other words changes nothing. Defaults and
// translations take the place of older ones, by their "modified".
func (e *Edit) AddModules(ctx context.Context, tagName string, x *modulemd.Index) (added []string, err error) {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return nil, err
	}
	if bad := modulemd.AtLeast(x.Findings, modulemd.Error); len(bad) > 0 {
		return nil, refuse(FaultGeneric, "clients can't use these module documents: %s", findingsText(bad))
	}
	documents := moduleDocuments(x)
	if len(documents) == 0 {
		return nil, refuse(FaultGeneric, "there are no module documents in what was given")
	}
	have, err := e.Read().Modules(ctx, tag.ID, true)
	if err != nil {
		return nil, err
	}
	for _, d := range documents {
		if len(d.name) > maxModuleName || !utf8.ValidString(d.name) || strings.ContainsRune(d.name, 0) {
			return nil, refuse(FaultGeneric, "the module document %.80q has no name that can be kept", d.name)
		}
		fresh, err := e.moduleIsNew(ctx, tag, d, have)
		if err != nil {
			return nil, err
		}
		if !fresh {
			continue
		}
		if err := e.writeModule(ctx, tag, d); err != nil {
			return nil, err
		}
		added = append(added, d.kind+" "+d.name)
	}
	return added, nil
}

// findingsText is findings for people, the first of them.
func findingsText(findings []modulemd.Finding) string {
	var list []string
	for _, f := range findings[:min(len(findings), maxFindings)] {
		list = append(list, f.String())
	}
	if n := len(findings) - len(list); n > 0 {
		list = append(list, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(list, "; ")
}

// moduleIsNew compares a document with those of its name that the tag has and
// inherits: it returns false for one that is there, and refuses one that
// contradicts.
func (e *Edit) moduleIsNew(ctx context.Context, tag tagview.Tag, d moduleDocument, have []tagview.ModuleDocument) (bool, error) {
	same := slices.DeleteFunc(slices.Clone(have), func(old tagview.ModuleDocument) bool {
		// What is no stream's counts by tag: nearer ones win, or both are there.
		return old.Kind != d.kind || old.Name != d.name || d.stream == nil && old.TagID != tag.ID
	})
	texts, err := e.Read().ModuleTexts(ctx, same)
	if err != nil {
		return false, err
	}
	fresh := true
	for i, old := range same {
		was, err := modulemd.Read(texts[i], modulemd.ReadOptions{})
		if err != nil {
			return false, fmt.Errorf("tags: read %s %s of %s: %w", old.Kind, old.Name, old.Tag, err)
		}
		switch {
		case string(texts[i]) == string(d.text):
		case d.stream != nil && len(was.Streams) == 1:
			if differing := modulemd.Differences(was.Streams[0], d.stream); len(differing) > 0 {
				return false, refuse(FaultGeneric, "%s has another stream document of %s, which differs in %s: one name:stream:version:context:architecture has one content; "+
					"remove that one, or build the module under another version", inTag(old.Tag, tag.Name), d.name, strings.Join(differing, ", "))
			}
		default:
			if modified := modifiedOf(was); d.modified <= modified {
				return false, refuse(FaultGeneric, "tag %s has other %s of %s, modified %d: what takes their place must be modified after that, not %d; or remove those first",
					tag.Name, d.kind, d.name, modified, d.modified)
			}
			continue
		}
		if old.TagID == tag.ID {
			fresh = false
		}
	}
	return fresh, nil
}

// inTag says where a document is that a tag has or inherits.
func inTag(of, tag string) string {
	if of == tag {
		return "tag " + tag
	}
	return "tag " + of + ", from which " + tag + " inherits,"
}

// modifiedOf is when the only document of an index was modified.
func modifiedOf(x *modulemd.Index) uint64 {
	switch {
	case len(x.Defaults) == 1:
		return x.Defaults[0].Modified
	case len(x.Translations) == 1:
		return x.Translations[0].Modified
	case len(x.Obsoletes) == 1:
		return x.Obsoletes[0].Modified
	}
	return 0
}

func (e *Edit) writeModule(ctx context.Context, tag tagview.Tag, d moduleDocument) error {
	event, err := e.write(ctx, tag.ID)
	if err != nil {
		return err
	}
	if _, err := e.q.RevokeTagModule(ctx, db.RevokeTagModuleParams{TagID: tag.ID, Kind: d.kind, Name: d.name, RevokeEvent: &event}); err != nil {
		return fmt.Errorf("tags: replace %s %s of %s: %w", d.kind, d.name, tag.Name, err)
	}
	sum := sha256.Sum256(d.text)
	err = e.q.InsertTagModule(ctx, db.InsertTagModuleParams{
		TagID: tag.ID, Kind: d.kind, Name: d.name, Arch: d.arch, Sha256: hex.EncodeToString(sum[:]), Text: d.text, CreateEvent: event,
	})
	if err != nil {
		return fmt.Errorf("tags: add %s %s to %s: %w", d.kind, d.name, tag.Name, err)
	}
	return nil
}

// RemoveModules takes module documents of a kind from a tag itself and returns
// their names. A name may be shortened at a colon, or before the @ of obsoletes,
// and then stands for all that begin like that; a stream's has its stream at
// least.
func (e *Edit) RemoveModules(ctx context.Context, tagName, kind string, names ...string) (removed []string, err error) {
	tag, err := e.groupTag(ctx, tagName)
	if err != nil {
		return nil, err
	}
	all, err := e.Read().Modules(ctx, tag.ID, true)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		found, err := SelectModules(all, kind, name)
		if err != nil {
			return nil, err
		}
		own := slices.DeleteFunc(slices.Clone(found), func(d tagview.ModuleDocument) bool { return d.TagID != tag.ID })
		switch {
		case len(found) == 0:
			return nil, refuse(FaultGeneric, "tag %s has no module document %s %q", tagName, kind, name)
		case len(own) == 0:
			return nil, refuse(FaultGeneric, "tag %s inherits %s %s from tag %s: remove it there", tagName, kind, found[0].Name, found[0].Tag)
		}
		for _, d := range own {
			if slices.Contains(removed, d.Name) {
				continue
			}
			event, err := e.write(ctx, tag.ID)
			if err != nil {
				return nil, err
			}
			if _, err := e.q.RevokeTagModule(ctx, db.RevokeTagModuleParams{TagID: tag.ID, Kind: d.Kind, Name: d.Name, RevokeEvent: &event}); err != nil {
				return nil, fmt.Errorf("tags: remove %s %s of %s: %w", d.Kind, d.Name, tagName, err)
			}
			removed = append(removed, d.Name)
		}
	}
	return removed, nil
}

// SelectModules returns the documents of a kind that a name stands for, see
// RemoveModules.
func SelectModules(all []tagview.ModuleDocument, kind, name string) ([]tagview.ModuleDocument, error) {
	if !slices.Contains(tagview.ModuleKinds(), kind) {
		return nil, refuse(FaultGeneric, "%q is no kind of module documents: they are %s", kind, strings.Join(tagview.ModuleKinds(), ", "))
	}
	if kind == tagview.ModuleStream && !strings.Contains(strings.Trim(name, ":"), ":") {
		return nil, refuse(FaultGeneric, "%q names no stream: it is NAME:STREAM[:VERSION[:CONTEXT[:ARCH]]]", name)
	}
	var found []tagview.ModuleDocument
	for _, d := range all {
		if rest, ok := strings.CutPrefix(d.Name, name); d.Kind == kind && name != "" && ok && (rest == "" || rest[0] == ':' || rest[0] == '@') {
			found = append(found, d)
		}
	}
	return found, nil
}
