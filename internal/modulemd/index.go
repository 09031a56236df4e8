package modulemd

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// Index is the module documents of one repository, each kind in the order of
// [Index.Write]. Only documents that libmodulemd would use are in it.
type Index struct {
	Streams      []*Stream
	Defaults     []*Defaults
	Obsoletes    []*Obsoletes
	Translations []*Translations
	// Findings are what was remarked when the documents were read or merged, in
	// the order of the text. [Index.Check] adds what takes several documents
	// to see.
	Findings []Finding
}

// ReadOptions says how to read.
type ReadOptions struct {
	// Source names the text in findings, such as a repository and file.
	Source string
	// Strict makes unknown keys errors. dnf and createrepo_c are not strict.
	Strict bool
	Limits Limits

	author bool // a stream document may be incomplete
}

// ReadFrom reads all of in, which must not be compressed, and hands it to
// [Read]. It stops at the limit of bytes.
func ReadFrom(in io.Reader, opts ReadOptions) (*Index, error) {
	limit := opts.Limits.withDefaults().Bytes
	text, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("modulemd: read: %w", err)
	}
	return Read(text, opts)
}

// Read reads a text of any number of documents. What is wrong with one is in
// Findings, and if it cannot be used it is not in the index; only a text that
// exceeds a limit as a whole is an error, which wraps [ErrTooLarge]. Callers who
// want all or nothing ask [Index.Err].
//
// As in libmodulemd, the first of two stream documents of one N:S:V:C:A stays,
// and the last defaults, obsoletes or translations of the same stream; a finding
// says so. A document's Text is part of text, which must not change any more.
func Read(text []byte, opts ReadOptions) (*Index, error) {
	opts.Limits = opts.Limits.withDefaults()
	if err := opts.Limits.checkText(text); err != nil {
		return nil, err
	}
	chunks, err := split(text, opts.Limits)
	if err != nil {
		return nil, err
	}
	b := newBuilder()
	for i, c := range chunks {
		d, r, err := readDocument(c, opts)
		if p, ok := d.(*Packager); err == nil && ok {
			err = &rejection{Error, RulePackager, 1, "a document for authors (" + p.title() + ") has no place in a repository and is ignored"}
		}
		if err != nil {
			var why *rejection
			if !errors.As(err, &why) {
				return nil, err
			}
			b.index.Findings = append(b.index.Findings, why.finding(opts.Source, "document "+strconv.Itoa(i+1), c.line))
			continue
		}
		b.index.Findings = append(b.index.Findings, r.findings(d)...)
		b.add(d)
	}
	return b.finish(), nil
}

// Err is nil if no finding is an Error or Fatal, else a *[FindingsError] with
// those.
func (x *Index) Err() error {
	if bad := AtLeast(x.Findings, Error); len(bad) > 0 {
		return &FindingsError{bad}
	}
	return nil
}

// finding is the rejection as a finding about a document that begins at line.
func (r *rejection) finding(source, document string, line int) Finding {
	if r.line > 0 {
		line += r.line - 1
	}
	return Finding{r.severity, r.rule, source, document, line, r.message}
}

// findings are the remarks as findings about d.
func (r *reader) findings(d document) []Finding {
	var out []Finding
	for i := range r.remarks {
		out = append(out, r.remarks[i].finding(d.origin().Source, d.title(), d.origin().Line))
	}
	return out
}

// builder puts documents into an index, one for each key.
type builder struct {
	index        *Index
	streams      map[NSVCA]int
	byName       map[string][]int // of streams, by N:S
	incomplete   map[string][]int // those that lack something
	defaults     map[string]int
	obsoletes    map[obsoletesKey]int
	translations map[translationsKey]int
}

// obsoletesKey is what distinguishes obsoletes documents.
type obsoletesKey struct {
	module, stream, context string
	modified                uint64
}

type translationsKey struct{ module, stream string }

func newBuilder() *builder {
	return &builder{
		&Index{}, map[NSVCA]int{}, map[string][]int{}, map[string][]int{}, map[string]int{}, map[obsoletesKey]int{}, map[translationsKey]int{},
	}
}

// add adds a document by the rules of one text, see [Read].
func (b *builder) add(d document) {
	switch d := d.(type) {
	case *Stream:
		i, twice := b.streams[d.NSVCA]
		if !twice {
			b.addStream(d)
			return
		}
		if differing := Differences(b.index.Streams[i], d); len(differing) > 0 {
			b.index.Findings = append(b.index.Findings, finding(d, Error, RuleDuplicateStream,
				"the document in line %d has the same N:S:V:C:A but differs in %s; clients use that one",
				b.index.Streams[i].Line, list(differing)))
		}
	case *Defaults:
		put(b, &b.index.Defaults, b.defaults, d.Module, d)
	case *Obsoletes:
		key := obsoletesKey{d.Module, d.Stream, d.Context, d.Modified}
		put(b, &b.index.Obsoletes, b.obsoletes, key, d)
		b.moveObsoletesLast(key)
	case *Translations:
		put(b, &b.index.Translations, b.translations, translationsKey{d.Module, d.Stream}, d)
	}
}

// addStream adds a document whose N:S:V:C:A is not there yet. Where it lacks
// version, context or architecture libmodulemd takes it for any document of the
// stream that has one, and refuses it; but only if that one came before. As the
// order of documents is not kept, it is refused in either.
func (b *builder) addStream(d *Stream) {
	name := d.NameStream()
	others := b.incomplete[name]
	if isIncomplete(d) {
		others = b.byName[name]
	}
	for _, i := range others {
		if old := b.index.Streams[i]; standsFor(d, old) || standsFor(old, d) {
			b.index.Findings = append(b.index.Findings, finding(d, Error, RuleDuplicateStream,
				"it cannot be told from %s in line %d, as one of them lacks version, context or architecture; clients use that one", old, old.Line))
			return
		}
	}
	at := len(b.index.Streams)
	b.streams[d.NSVCA] = at
	b.byName[name] = append(b.byName[name], at)
	if isIncomplete(d) {
		b.incomplete[name] = append(b.incomplete[name], at)
	}
	b.index.Streams = append(b.index.Streams, d)
}

func isIncomplete(d *Stream) bool { return d.Version == 0 || d.Context == "" || d.Arch == "" }

// standsFor reports whether libmodulemd takes d for other, which is of the same
// stream.
func standsFor(d, other *Stream) bool {
	return (d.Version == 0 || d.Version == other.Version) && (d.Context == "" || d.Context == other.Context) &&
		(d.Arch == "" || d.Arch == other.Arch)
}

// put adds a document, in the place of an earlier one with the same key.
func put[K comparable, D document](b *builder, to *[]D, byKey map[K]int, key K, d D) {
	i, twice := byKey[key]
	if !twice {
		byKey[key] = len(*to)
		*to = append(*to, d)
		return
	}
	b.index.Findings = append(b.index.Findings, finding((*to)[i], Warning, RuleSuperseded,
		"the document in line %d is about the same and takes its place", d.origin().Line))
	(*to)[i] = d
}

// moveObsoletesLast moves a document that took the place of another to the end
// of the list, where libmodulemd puts it.
func (b *builder) moveObsoletesLast(key obsoletesKey) {
	i := b.obsoletes[key]
	d := b.index.Obsoletes[i]
	b.index.Obsoletes = append(slices.Delete(b.index.Obsoletes, i, i+1), d)
	for k, j := range b.obsoletes {
		if j > i {
			b.obsoletes[k] = j - 1
		}
	}
	b.obsoletes[key] = len(b.index.Obsoletes) - 1
}

// finish sorts the documents as they are written.
func (b *builder) finish() *Index {
	x := b.index
	slices.SortStableFunc(x.Streams, func(a, b *Stream) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.String(), b.String()))
	})
	slices.SortStableFunc(x.Defaults, func(a, b *Defaults) int { return cmp.Compare(a.Module, b.Module) })
	slices.SortStableFunc(x.Obsoletes, func(a, b *Obsoletes) int { return cmp.Compare(a.Module, b.Module) })
	slices.SortStableFunc(x.Translations, func(a, b *Translations) int {
		return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.Stream, b.Stream))
	})
	return x
}

// NewIndex makes an index of documents that were read or made, by the rules of
// [Read]. Of a nil document it takes no notice.
func NewIndex(streams []*Stream, defaults []*Defaults, obsoletes []*Obsoletes, translations []*Translations) *Index {
	b := newBuilder()
	addAll(b, streams)
	addAll(b, defaults)
	addAll(b, obsoletes)
	addAll(b, translations)
	return b.finish()
}

func addAll[D interface {
	comparable
	document
}](b *builder, documents []D,
) {
	var none D
	for _, d := range documents {
		if d != none {
			b.add(d)
		}
	}
}

// DefaultsOf is the module's defaults document, nil if there is none.
func (x *Index) DefaultsOf(module string) *Defaults {
	i, ok := slices.BinarySearchFunc(x.Defaults, module, func(d *Defaults, m string) int { return cmp.Compare(d.Module, m) })
	if !ok {
		return nil
	}
	return x.Defaults[i]
}

// Modules are the names of all modules that a document is about, sorted.
func (x *Index) Modules() []string {
	var names []string
	for _, d := range x.documents() {
		names = append(names, d.module())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// documents are all documents in the order they are written in: by module, and
// of each module defaults, obsoletes, translations and streams.
func (x *Index) documents() []document {
	var out []document
	for _, d := range x.Defaults {
		out = append(out, d)
	}
	for _, d := range x.Obsoletes {
		out = append(out, d)
	}
	for _, d := range x.Translations {
		out = append(out, d)
	}
	for _, d := range x.Streams {
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b document) int { return cmp.Compare(a.module(), b.module()) })
	return out
}

// Write writes the documents as they were read, byte for byte, in the order of
// libmodulemd: modules by name; of each module defaults, obsoletes,
// translations, and streams by the text of N:S:V:C:A. Documents that were made
// are written in canonical style. An empty index writes nothing.
func (x *Index) Write(out io.Writer) error {
	var b []byte
	for _, d := range x.documents() {
		b = appendText(b[:0], d)
		if _, err := out.Write(b); err != nil {
			return fmt.Errorf("modulemd: write: %w", err)
		}
	}
	return nil
}
