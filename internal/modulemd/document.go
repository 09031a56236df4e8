package modulemd

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"
)

// The document types.
const (
	typeStream       = "modulemd"
	typeStreamAlias  = "modulemd-stream"
	typePackager     = "modulemd-packager"
	typeDefaults     = "modulemd-defaults"
	typeObsoletes    = "modulemd-obsoletes"
	typeTranslations = "modulemd-translations"
)

// Origin is where a document was read and the text it was.
type Origin struct {
	// Source names the text, as given to [Read].
	Source string
	// Line is the first line of Text in it, from 1.
	Line int
	// Text is the document byte for byte, with its markers and the comments
	// around it, and a line end where the text ended without. It is empty for
	// a document that was made, not read; such a one is written in canonical
	// style. Callers must not change it.
	Text []byte
}

// document is what all kinds of documents have in common.
type document interface {
	origin() *Origin
	// title says which document it is, for people.
	title() string
	// module is the module the document is about.
	module() string
	// canonical is the tree that libmodulemd would write.
	canonical() *emitNode
}

func (o *Origin) origin() *Origin { return o }

// header is the outermost mapping of a document.
type header struct {
	kind    string
	version uint64
	data    *yaml.Node
}

// readHeader reads the outermost mapping. Unknown types and broken versions
// make libmodulemd lose the rest of the text as well, so they are Fatal.
func (r *reader) readHeader(root *yaml.Node) (header, error) {
	var h header
	if root.Kind != yaml.MappingNode {
		return h, &rejection{Fatal, RuleHeader, root.Line, "the document is not a mapping"}
	}
	seenVersion := false
	strict := r.strict
	defer func() { r.strict = strict }()
	err := r.fields(root, "the document", func(key string, value *yaml.Node) (bool, error) {
		var err error
		switch key {
		case "document":
			if h.kind != "" {
				return true, fatal(reject(value, RuleDuplicateKey, "document type occurs twice"))
			}
			h.kind, err = r.text(value, "document")
			if err == nil && !isDocumentType(h.kind) {
				err = reject(value, RuleHeader, "unknown document type %q", h.kind)
			}
			return true, fatal(err)
		case "version":
			if seenVersion && h.version != 0 {
				return true, fatal(reject(value, RuleDuplicateKey, "format version occurs twice"))
			}
			seenVersion = true
			h.version, err = r.number(value, "version")
			return true, fatal(err)
		case "data":
			if h.data == nil { // libmodulemd looks at nothing that follows
				h.data = value
				r.strict = false
			}
			return true, nil
		}
		return false, nil
	})
	switch {
	case err != nil:
		return h, err
	case h.kind == "":
		return h, reject(root, RuleHeader, "no document type")
	case h.version == 0:
		return h, reject(root, RuleHeader, "no format version")
	case h.kind == typePackager && h.version < 2:
		return h, reject(root, RuleHeader, "packager documents have format version 2 or 3, not %d", h.version)
	case h.data == nil:
		return h, reject(root, RuleHeader, "no data")
	}
	return h, nil
}

func isDocumentType(kind string) bool {
	switch kind {
	case typeStream, typeStreamAlias, typePackager, typeDefaults, typeObsoletes, typeTranslations:
		return true
	}
	return false
}

// fatal raises a rejection's severity.
func fatal(err error) error {
	if r, ok := err.(*rejection); ok { //nolint:errorlint // reject is the only maker and does not wrap
		r.severity = Fatal
	}
	return err
}

// readDocument reads the document of a chunk: a *Stream, *Defaults, *Obsoletes,
// *Translations or *Packager.
func readDocument(c chunk, opts ReadOptions) (document, *reader, error) {
	r := &reader{strict: opts.Strict}
	if c.broken != "" {
		return nil, r, &rejection{Fatal, RuleYAML, 1, "broken YAML: " + c.broken}
	}
	root, err := parseNode(c, opts.Limits)
	if err != nil {
		return nil, r, err
	}
	h, err := r.readHeader(root)
	if err != nil {
		return nil, r, err
	}
	from := Origin{opts.Source, c.line, c.text}
	switch {
	case h.kind == typePackager:
		return r.packager(h, from)
	case h.kind == typeDefaults && h.version == 1:
		return r.defaults(h.data, from)
	case h.kind == typeObsoletes && h.version == 1:
		return r.obsoletes(h.data, from)
	case h.kind == typeTranslations && h.version == 1:
		return r.translations(h.data, from)
	case (h.kind == typeStream || h.kind == typeStreamAlias) && h.version <= 2:
		return r.stream(h, from, opts.author)
	}
	return nil, r, reject(root, RuleHeader, "unknown format version %d of %s", h.version, h.kind)
}

// appendText appends the document as it was read, with a "---" before, which
// the first document of a text may lack. A document that was made is appended in canonical style.
func appendText(b []byte, d document) []byte {
	text := d.origin().Text
	if len(text) == 0 {
		return appendCanonical(b, d.canonical())
	}
	if !hasMarker(text) {
		b = append(b, "---\n"...)
	}
	return append(b, text...)
}

// hasMarker reports whether the first line with content is a "---".
func hasMarker(text []byte) bool {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		switch {
		case isMarker(line, "---"):
			return true
		case !isBetween(line) && !isMarker(line, "..."):
			return false
		}
		text = text[len(line):]
	}
	return false
}

// finding makes a finding about the document.
func finding(d document, severity Severity, rule Rule, format string, args ...any) Finding {
	return Finding{
		Severity: severity, Rule: rule, Source: d.origin().Source, Document: d.title(),
		Line: d.origin().Line, Message: fmt.Sprintf(format, args...),
	}
}
