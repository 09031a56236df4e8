package tagview

import (
	"context"
	"fmt"
)

// The kinds of module documents.
const (
	ModuleStream       = "stream"
	ModuleDefaults     = "defaults"
	ModuleObsoletes    = "obsoletes"
	ModuleTranslations = "translations"
)

// ModuleKinds are all kinds of module documents, in the order in which they are
// listed.
func ModuleKinds() []string {
	return []string{ModuleStream, ModuleDefaults, ModuleObsoletes, ModuleTranslations}
}

// ModuleDocument is a module document that a tag's repository has.
type ModuleDocument struct {
	ID    int64  `json:"-"`
	TagID int64  `json:"tag_id"`
	Tag   string `json:"tag_name"`
	Kind  string `json:"kind"`
	// Name is N:S:V:C:A of a stream, the module of defaults, N:S of
	// translations, N:S[:C]@MODIFIED of obsoletes.
	Name string `json:"name"`
	// Arch is that of a stream document; empty for one that names none, and for
	// other kinds: these are for every architecture.
	Arch   string `json:"arch"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Modules returns the module documents of a tag in the order in which they
// count: its own by kind and name, then those of its parents in the order of the
// walk. The nearest defaults document of a module hides those further away, as
// the nearest setting does. Of other kinds all are returned, also two of one
// name: whether they agree takes their text to see. As with groups, filters and
// noconfig do not touch them.
func (r Reader) Modules(ctx context.Context, tagID int64, inherit bool) ([]ModuleDocument, error) {
	var steps []Step
	if inherit {
		var err error
		if steps, err = r.Inheritance(ctx, tagID); err != nil {
			return nil, err
		}
	}
	list, err := query[ModuleDocument](ctx, r, `select r.id, r.tag_id, t.name, r.kind, r.name, r.arch, r.sha256, octet_length(r.text)::bigint
		from unnest($1::bigint[]) with ordinality as x (tag_id, position)
		join tag_modules r on r.tag_id = x.tag_id join tags t on t.id = r.tag_id
		where `+r.At.valid("r")+` order by x.position, array_position($2::text[], r.kind), r.name collate "C"`, distinct(chain(tagID, steps)), ModuleKinds())
	if err != nil {
		return nil, fmt.Errorf("tagview: read module documents: %w", err)
	}
	seen := map[string]bool{}
	documents := []ModuleDocument{}
	for _, d := range list {
		if d.Kind == ModuleDefaults && seen[d.Name] {
			continue
		}
		seen[d.Name] = seen[d.Name] || d.Kind == ModuleDefaults
		documents = append(documents, d)
	}
	return documents, nil
}

// ModuleTexts returns the texts of module documents, in their order, each byte
// for byte as it was given.
func (r Reader) ModuleTexts(ctx context.Context, documents []ModuleDocument) ([][]byte, error) {
	ids := make([]int64, len(documents))
	for i, d := range documents {
		ids[i] = d.ID
	}
	type row struct{ Text []byte }
	list, err := query[row](ctx, r, `select r.text from unnest($1::bigint[]) with ordinality as x (id, position)
		join tag_modules r on r.id = x.id order by x.position`, ids)
	if err == nil && len(list) != len(ids) {
		err = fmt.Errorf("%d of %d are there", len(list), len(ids))
	}
	if err != nil {
		return nil, fmt.Errorf("tagview: read texts of module documents: %w", err)
	}
	texts := make([][]byte, len(list))
	for i := range list {
		texts[i] = list[i].Text
	}
	return texts, nil
}
