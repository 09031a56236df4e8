package modulemd_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/modulemd"
)

func TestMergeOfObsoletesAndTranslations(t *testing.T) {
	t.Parallel()
	obsoletes := func(rest string) string {
		return "---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {module: demo, stream: 1, modified: 2020-01-01T00:00Z, " + rest + "}\n"
	}
	translations := func(rest string) string {
		return "---\ndocument: modulemd-translations\nversion: 1\ndata: {module: demo, stream: 1, " + rest + "}\n"
	}
	for what, c := range map[string]struct {
		documents []string
		fields    []string // of the conflict
		title     string
		count     int // of documents that are left
	}{
		"equal obsoletes":                    {[]string{obsoletes("message: m, reset: true"), obsoletes("reset: 'true', message: \"m\"")}, nil, "", 1},
		"other messages":                     {[]string{obsoletes("message: m"), obsoletes("message: n")}, []string{"message"}, "modulemd-obsoletes demo:1", 0},
		"one takes back what the other says": {[]string{obsoletes("message: m"), obsoletes("message: m, reset: true")}, []string{"reset"}, "modulemd-obsoletes demo:1", 0},
		"other dates and successors":         {[]string{obsoletes("message: m"), obsoletes("message: m, eol_date: 2021-01-01T00:00Z, obsoleted_by: {module: demo, stream: 2}")}, []string{"eol_date", "obsoleted_by"}, "modulemd-obsoletes demo:1", 0},
		"a field that only one has":          {[]string{obsoletes("message: m"), obsoletes("message: m, surprise: 1")}, []string{"data.surprise"}, "modulemd-obsoletes demo:1", 0},
		"obsoletes of two contexts":          {[]string{obsoletes("message: m, context: a"), obsoletes("message: n, context: b")}, nil, "", 2},
		"equal translations":                 {[]string{translations("modified: 1, translations: {de: {summary: s}}"), translations("translations: {'de': {summary: s}}, modified: 1")}, nil, "", 1},
		"other texts of the same age":        {[]string{translations("modified: 1, translations: {de: {summary: s}}"), translations("modified: 1, translations: {de: {summary: t}}")}, []string{"translations.de"}, "modulemd-translations demo:1", 0},
		"other languages of the same age":    {[]string{translations("modified: 1, translations: {de: {summary: s}}"), translations("modified: 1, translations: {fr: {summary: s}}")}, []string{"translations.de", "translations.fr"}, "modulemd-translations demo:1", 0},
		"a newer text":                       {[]string{translations("modified: 1, translations: {de: {summary: s}}"), translations("modified: 2, translations: {de: {summary: t}}")}, nil, "", 1},
		"a newer text than two that contradict": {[]string{
			translations("modified: 1, translations: {de: {summary: s}}"), translations("modified: 1, translations: {de: {summary: t}}"), translations("modified: 2, translations: {de: {summary: u}}"),
		}, nil, "", 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for order := range permutations(len(c.documents)) {
				var parts []modulemd.Part
				for _, i := range order {
					parts = append(parts, part(t, string(rune('a'+i)), c.documents[i]))
				}
				x, err := modulemd.Merge(parts, modulemd.MergeOptions{})
				if c.fields == nil {
					if err != nil {
						t.Fatal(err)
					}
					if got := len(x.Obsoletes) + len(x.Translations); got != c.count {
						t.Errorf("order %v: %d documents, want %d", order, got, c.count)
					}
					for _, left := range x.Translations {
						if newest := slices.Max(ages(t, parts)); left.Modified != newest {
							t.Errorf("order %v: the one of %d is left, want that of %d", order, left.Modified, newest)
						}
					}
					continue
				}
				var conflict *modulemd.ConflictError
				if !errors.As(err, &conflict) || !errors.Is(err, modulemd.ErrConflict) {
					t.Fatalf("order %v: error %v, want a conflict", order, err)
				}
				want := modulemd.ConflictError{Document: c.title, Parts: [2]string{parts[0].Name, parts[1].Name}, Fields: conflict.Fields}
				if diff := cmp.Diff(want, *conflict); diff != "" {
					t.Errorf("order %v: conflict (-want +got):\n%s", order, diff)
				}
				if order[0] == 0 {
					if diff := cmp.Diff(c.fields, conflict.Fields); diff != "" {
						t.Errorf("fields (-want +got):\n%s", diff)
					}
				}
			}
		})
	}
}

// ages are those of all translations.
func ages(t *testing.T, parts []modulemd.Part) (all []uint64) {
	t.Helper()
	for _, p := range parts {
		for _, d := range p.Index.Translations {
			all = append(all, d.Modified)
		}
	}
	return all
}
