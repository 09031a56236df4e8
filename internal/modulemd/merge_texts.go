package modulemd

import (
	"cmp"
	"maps"
	"slices"
)

// mergedTranslations are the newest translations of a stream so far. Which of two
// equally old ones is used can't be told, so they must be equal; what a newer one
// replaces may contradict itself.
type mergedTranslations struct {
	merged[*Translations]
	conflicts []error
}

// mergeTranslations keeps the newest of each stream.
func (m *merger) mergeTranslations(part string, t *Translations) {
	key := translationsKey{t.Module, t.Stream}
	old, twice := m.translations[key]
	switch {
	case !twice || t.Modified > old.document.Modified:
		m.translations[key] = mergedTranslations{merged: merged[*Translations]{t, part}}
	case t.Modified == old.document.Modified:
		if differing := translationsDifferences(old.document, t); len(differing) > 0 {
			old.conflicts = append(old.conflicts, &ConflictError{t.title(), [2]string{old.part, part}, differing})
			m.translations[key] = old
		}
	}
}

// finishTranslations puts them into the index, in the order of their streams.
func (m *merger) finishTranslations() {
	keys := slices.SortedFunc(maps.Keys(m.translations), func(a, b translationsKey) int {
		return cmp.Or(cmp.Compare(a.module, b.module), cmp.Compare(a.stream, b.stream))
	})
	for _, key := range keys {
		m.out.add(m.translations[key].document)
		m.conflicts = append(m.conflicts, m.translations[key].conflicts...)
	}
}

// mergeObsoletes keeps all; of equal ones of the same stream, context and time the
// last, which is where libmodulemd puts it.
func (m *merger) mergeObsoletes(part string, o *Obsoletes) {
	key := obsoletesKey{o.Module, o.Stream, o.Context, o.Modified}
	old, twice := m.obsoletes[key]
	if !twice {
		m.obsoletes[key] = merged[*Obsoletes]{o, part}
		m.out.add(o)
		return
	}
	if differing := obsoletesDifferences(old.document, o); len(differing) > 0 {
		m.conflicts = append(m.conflicts, &ConflictError{o.title(), [2]string{old.part, part}, differing})
		return
	}
	m.out.index.Obsoletes[m.out.obsoletes[key]] = o
	m.out.moveObsoletesLast(key)
	m.obsoletes[key] = merged[*Obsoletes]{o, part}
}

// translationsDifferences are the fields in which two documents of one stream and
// age differ; none if they mean the same.
func translationsDifferences(a, b *Translations) (fields []string) {
	for _, locale := range slices.Sorted(maps.Keys(a.Locales)) {
		if other, ok := b.Locales[locale]; !ok || !sameTranslation(a.Locales[locale], other) {
			fields = append(fields, "translations."+locale)
		}
	}
	for _, locale := range slices.Sorted(maps.Keys(b.Locales)) {
		if _, ok := a.Locales[locale]; !ok {
			fields = append(fields, "translations."+locale)
		}
	}
	return append(fields, unknownDifferences(a.Unknown, b.Unknown)...)
}

func sameTranslation(a, b Translation) bool {
	return a.Summary == b.Summary && a.Description == b.Description && maps.Equal(a.Profiles, b.Profiles)
}

// obsoletesDifferences are the fields in which two documents of one stream, context
// and age differ; none if they mean the same.
func obsoletesDifferences(a, b *Obsoletes) (fields []string) {
	for _, f := range []struct {
		name  string
		equal bool
	}{
		{"message", a.Message == b.Message},
		{"eol_date", a.EOLDate == b.EOLDate},
		{"reset", a.Reset == b.Reset},
		{"obsoleted_by", a.ByModule == b.ByModule && a.ByStream == b.ByStream},
	} {
		if !f.equal {
			fields = append(fields, f.name)
		}
	}
	return append(fields, unknownDifferences(a.Unknown, b.Unknown)...)
}
