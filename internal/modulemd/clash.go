package modulemd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Clashes looks for documents of several repositories that contradict each
// other when a client enables them all. dnf unites defaults of all repositories;
// if two documents of equal age differ in an entry it loses the defaults of
// every module, or, for the default stream, of that module. Parts of different
// priority do not clash. Documents of one index are looked at by [Index.Check].
//
// A clash is reported if any order of the repositories makes it one, as users
// choose the order.
func Clashes(parts []Part) []Finding {
	var out []Finding
	type level struct {
		module   string
		priority int
	}
	defaults := map[level][]partDefaults{}
	var levels []level
	for _, p := range parts {
		for _, d := range p.Index.Defaults {
			l := level{d.Module, p.Priority}
			if defaults[l] == nil {
				levels = append(levels, l)
			}
			defaults[l] = append(defaults[l], partDefaults{p.Name, d, d.entries()})
		}
	}
	for _, l := range levels {
		out = append(out, clashesOf(defaults[l])...)
	}
	return append(out, streamClashes(parts)...)
}

// partDefaults is a defaults document of a repository.
type partDefaults struct {
	part    string
	doc     *Defaults
	entries map[string]string
}

const streamEntry = "the default stream"

// entries are what libmodulemd merges one by one, each in words.
func (d *Defaults) entries() map[string]string {
	out := map[string]string{}
	put := func(key, stream string, profiles map[string][]string) {
		if stream != "" {
			out[key] = stream
		}
		for s, names := range profiles {
			text := fmt.Sprintf("the default profiles of stream %q", s)
			if key != streamEntry {
				text += " in " + strings.TrimPrefix(key, "the default stream in ")
			}
			out[text] = strings.Join(asSet(names), ", ")
		}
	}
	put(streamEntry, d.Stream, d.Profiles)
	for name, i := range d.Intents {
		put(fmt.Sprintf("the default stream in intent %q", name), i.Stream, i.Profiles)
	}
	return out
}

// clashesOf finds the entries on which documents of one module clash.
func clashesOf(docs []partDefaults) []Finding {
	entries := map[string]bool{}
	for _, d := range docs {
		for entry := range d.entries {
			entries[entry] = true
		}
	}
	var out []Finding
	for _, entry := range slices.Sorted(maps.Keys(entries)) {
		a, b, because := clash(docs, entry)
		if a == nil {
			continue
		}
		severity, rule, result := Fatal, RuleDefaultsClash, "dnf loses the defaults of all modules"
		if entry == streamEntry {
			severity, rule, result = Error, RuleDefaultStreamClash, "the module has no default stream then"
		}
		f := finding(b.doc, severity, rule, "%s is %q in %q and %q in %q%s; %s",
			entry, a.entries[entry], a.part, b.entries[entry], b.part, because, result)
		f.Source = cmp.Or(f.Source, b.part)
		out = append(out, f)
	}
	return out
}

// clash finds two documents whose values of the entry meet as equally old in
// some order of merging. The merged document is as new as the newest so far,
// even where an entry is from an older one. So y meets another value as equal if
// a third document, or the other itself, is as old as y, and that third has no
// value to put in the other's place.
func clash(docs []partDefaults, entry string) (x, y *partDefaults, because string) {
	for i := range docs {
		y := &docs[i]
		want, ok := y.entries[entry]
		if !ok {
			continue
		}
		for j := range docs {
			z := &docs[j]
			if i == j || z.doc.Modified != y.doc.Modified {
				continue
			}
			got, ok := z.entries[entry]
			if ok && got != want {
				return &docs[min(i, j)], &docs[max(i, j)], fmt.Sprintf(", both modified %d", y.doc.Modified)
			}
			if ok {
				continue
			}
			for k := range docs {
				x := &docs[k]
				got, ok := x.entries[entry]
				if ok && got != want && x.doc.Modified < y.doc.Modified {
					return x, y, fmt.Sprintf("; united with the document of %q, which is modified %d, the first counts as new as the second", z.part, z.doc.Modified)
				}
			}
		}
	}
	return nil, nil, ""
}

// streamClashes notes stream documents that differ between repositories.
func streamClashes(parts []Part) []Finding {
	var out []Finding
	seen := map[NSVCA]merged[*Stream]{}
	for _, p := range parts {
		for _, s := range p.Index.Streams {
			old, twice := seen[s.NSVCA]
			if !twice {
				seen[s.NSVCA] = merged[*Stream]{s, p.Name}
				continue
			}
			differing := Differences(old.document, s)
			if len(differing) == 0 {
				continue
			}
			severity := Warning
			if IsPartOf(s, old.document) || IsPartOf(old.document, s) {
				severity = Note // as a slim repository's
			}
			f := finding(s, severity, RuleDuplicateStream, "the documents of %q and %q have the same N:S:V:C:A but differ in %s; dnf uses both", old.part, p.Name, list(differing))
			f.Source = cmp.Or(f.Source, p.Name)
			out = append(out, f)
		}
	}
	return out
}
