package modulemd

import (
	"fmt"
	"maps"
	"slices"
)

// mergeDefaults merges a part's defaults document into those of its level, entry
// by entry, as libmodulemd does: an entry that only one has stays; where they
// differ the newer document's wins. Of equal age, two default streams cancel
// each other, and anything else is a conflict. The merged document is as new as
// the newest.
func (m *merger) mergeDefaults(into map[string]merged[*Defaults], part string, from *Defaults) {
	old, twice := into[from.Module]
	if !twice {
		into[from.Module] = merged[*Defaults]{from, part}
		return
	}
	c := defaultsMerge{older: old.document.Modified > from.Modified, newer: from.Modified > old.document.Modified}
	d := &Defaults{
		Module:   from.Module,
		Modified: max(from.Modified, old.document.Modified),
		Stream:   c.stream(old.document.Stream, from.Stream),
		Profiles: c.profiles("profiles", old.document.Profiles, from.Profiles),
		Intents:  c.intents(old.document.Intents, from.Intents),
	}
	if c.streamsClash {
		if m.opts.StrictDefaultStreams {
			c.fields = append(c.fields, fmt.Sprintf("stream (%q and %q)", old.document.Stream, from.Stream))
		}
		m.out.index.Findings = append(m.out.index.Findings, finding(from, Warning, RuleDefaultStreamClash,
			"%q names %q as default stream and %q %q, both modified %d; there is no default stream now",
			old.part, old.document.Stream, part, from.Stream, from.Modified))
	}
	if len(c.fields) > 0 {
		m.conflicts = append(m.conflicts, &ConflictError{from.title(), [2]string{old.part, part}, c.fields})
		return
	}
	// A document that says it all is kept as it was written.
	switch {
	case sameDefaults(d, old.document):
		d = old.document
	case sameDefaults(d, from):
		d = from
	}
	into[from.Module] = merged[*Defaults]{d, part}
}

// defaultsMerge compares two documents, of which the second may be the newer or
// the older.
type defaultsMerge struct {
	newer, older bool
	fields       []string // that conflict
	streamsClash bool
}

func (c *defaultsMerge) stream(into, from string) string {
	switch {
	case from == "" || from == into || c.older && into != "":
		return into
	case into == "" || c.newer:
		return from
	}
	c.streamsClash = true
	return ""
}

func (c *defaultsMerge) profiles(path string, into, from map[string][]string) map[string][]string {
	out := maps.Clone(into)
	for _, stream := range slices.Sorted(maps.Keys(from)) {
		old, ok := into[stream]
		switch {
		case !ok || c.newer:
			if out == nil {
				out = map[string][]string{}
			}
			out[stream] = from[stream]
		case !c.older && !sameSet(old, from[stream]):
			c.fields = append(c.fields, fmt.Sprintf("%s of stream %q", path, stream))
		}
	}
	return out
}

func (c *defaultsMerge) intents(into, from map[string]Intent) map[string]Intent {
	out := maps.Clone(into)
	for _, name := range slices.Sorted(maps.Keys(from)) {
		old, intent := into[name], from[name]
		path := fmt.Sprintf("intent %q", name)
		if old.Stream != "" && intent.Stream != "" && old.Stream != intent.Stream && !c.newer && !c.older {
			c.fields = append(c.fields, path)
			continue
		}
		if out == nil {
			out = map[string]Intent{}
		}
		out[name] = Intent{c.stream(old.Stream, intent.Stream), c.profiles(path+": profiles", old.Profiles, intent.Profiles)}
	}
	return out
}

// sameDefaults reports whether both say the same, unknown fields aside.
func sameDefaults(a, b *Defaults) bool {
	return a.Module == b.Module && a.Modified == b.Modified && a.Stream == b.Stream &&
		sameSets(a.Profiles, b.Profiles) &&
		maps.EqualFunc(a.Intents, b.Intents, func(x, y Intent) bool {
			return x.Stream == y.Stream && sameSets(x.Profiles, y.Profiles)
		})
}
