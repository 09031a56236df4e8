package modulemd

import (
	"errors"
	"maps"
	"slices"
	"strconv"
)

// ErrEmpty is returned by [Index.Dump] when there is nothing to write:
// libmodulemd refuses that, too.
var ErrEmpty = errors.New("index contains no modules")

// Dump is all documents in libmodulemd 2.15's canonical style and order (see
// [Index.Write]). If any stream has format 2, or there are obsoletes, all
// streams are written in format 2. Unknown fields are lost, and so are entries
// of lists in XMD that are of another kind than the first. Use Write to keep
// documents as they were.
func (x *Index) Dump() ([]byte, error) {
	if len(x.documents()) == 0 {
		return nil, ErrEmpty
	}
	format := 1
	if len(x.Obsoletes) > 0 {
		format = 2
	}
	for _, s := range x.Streams {
		format = max(format, s.Format)
	}
	var b []byte
	for _, d := range x.documents() {
		if s, ok := d.(*Stream); ok {
			b = appendCanonical(b, s.canonicalAs(format))
			continue
		}
		b = appendCanonical(b, d.canonical())
	}
	return b, nil
}

// documentNode is the outermost mapping.
func documentNode(kind string, version int, data *emitNode) *emitNode {
	n := mapping()
	n.put("document", plain(kind))
	n.put("version", plain(strconv.Itoa(version)))
	n.put("data", data)
	return n
}

// putMap adds a mapping with one entry for each key of values, sorted, unless
// there are none.
func putMap[V any](n *emitNode, key string, values map[string]V, make func(V) *emitNode) {
	if len(values) > 0 {
		n.put(key, mapNode(values, make))
	}
}

func mapNode[V any](values map[string]V, make func(V) *emitNode) *emitNode {
	n := mapping()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		n.putNode(str(key), make(values[key]))
	}
	return n
}

func flowSet(items []string) *emitNode { return stringList(asSet(items), true) }

func (d *Defaults) canonical() *emitNode {
	data := mapping()
	data.put("module", str(d.Module))
	if d.Modified != 0 {
		data.put("modified", plain(strconv.FormatUint(d.Modified, 10)))
	}
	if d.Stream != "" {
		data.put("stream", quoted(d.Stream))
	}
	putMap(data, "profiles", d.Profiles, flowSet)
	putMap(data, "intents", d.Intents, func(i Intent) *emitNode {
		n := mapping()
		if i.Stream == "" { // libmodulemd loses the profiles of such an intent
			putMap(n, "profiles", i.Profiles, flowSet)
			return n
		}
		n.put("stream", quoted(i.Stream))
		n.put("profiles", mapNode(i.Profiles, flowSet))
		return n
	})
	return documentNode(typeDefaults, 1, data)
}

func (o *Obsoletes) canonical() *emitNode {
	data := mapping()
	data.put("modified", plain(formatMinute(o.Modified)))
	if o.Reset {
		data.put("reset", plain("true"))
	}
	data.put("module", str(o.Module))
	data.put("stream", quoted(o.Stream))
	data.putText("context", o.Context)
	if o.EOLDate != 0 {
		data.put("eol_date", plain(formatMinute(o.EOLDate)))
	}
	data.put("message", str(o.Message))
	if o.ByModule != "" {
		by := mapping()
		by.put("module", str(o.ByModule))
		by.put("stream", quoted(o.ByStream))
		data.put("obsoleted_by", by)
	}
	return documentNode(typeObsoletes, 1, data)
}

func (t *Translations) canonical() *emitNode {
	data := mapping()
	data.put("module", str(t.Module))
	data.put("stream", quoted(t.Stream))
	data.put("modified", plain(strconv.FormatUint(t.Modified, 10)))
	putMap(data, "translations", t.Locales, func(l Translation) *emitNode {
		n := mapping()
		n.putText("summary", l.Summary)
		n.putText("description", l.Description)
		putMap(n, "profiles", l.Profiles, str)
		return n
	})
	return documentNode(typeTranslations, 1, data)
}

// valueNode is extra metadata as libmodulemd writes it.
func valueNode(v Value) *emitNode {
	switch v.Kind {
	case Map:
		return mapNode(v.Map, valueNode)
	case List:
		n := &emitNode{kind: emitList}
		for _, item := range v.List {
			if variantType(item) == variantType(v.List[0]) {
				n.items = append(n.items, valueNode(item))
			}
		}
		return n
	case Text, None:
	}
	return str(v.Text)
}
