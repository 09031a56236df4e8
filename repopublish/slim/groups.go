package slim

import (
	"fmt"
	"slices"

	"github.com/distbot/distbot/internal/repomd"
)

// GroupTypes are the types of records that comps.xml has; the first that a source
// has is read.
func GroupTypes() []string { return []string{"group", "group_gz", "group_xz", "group_zst"} }

// groups makes comps.xml of those of the sources: as profiles, groups lose the
// packages that a client does not find.
func (p *plan) groups() ([]byte, error) {
	here := map[string]bool{}
	for _, a := range p.packages {
		here[a.Name] = true
	}
	isHere := func(name string) bool { return here[name] }
	isThere := func(name string) bool { return len(p.externals.named[name]) > 0 }
	return p.selected("group", GroupTypes(), func(documents []repomd.Source) (text []byte, err error) {
		var ids []string
		text, ids, err = repomd.SelectComps(documents, isThere, isHere)
		p.report.Groups = append(p.report.Groups, ids...)
		return text, err
	})
}

// selected makes a document of those of the sources that have one; nil where
// none has, and where that type is dropped.
func (p *plan) selected(kind string, types []string, unite func([]repomd.Source) ([]byte, error)) (_ []byte, err error) {
	if slices.Contains(p.opts.Drop, kind) {
		return nil, nil
	}
	var documents []repomd.Source
	for _, s := range p.all.sources {
		i := slices.IndexFunc(types, s.Has)
		if i < 0 {
			continue
		}
		r, err := s.Document(types[i])
		if err != nil {
			return nil, fmt.Errorf("slim: %w", err)
		}
		defer r.Close()
		documents = append(documents, repomd.Source{Name: s.Name, Reader: r})
	}
	text, err := unite(documents)
	if err != nil {
		return nil, fmt.Errorf("slim: %w; without it: --drop %s", err, kind)
	}
	return text, nil
}
