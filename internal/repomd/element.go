package repomd

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxElements bounds the elements of a document, or of a part of it, that are
// held in memory at once.
const maxElements = 1 << 20

// Source is a decompressed document of a repository.
type Source struct {
	Name string // of the repository, for errors
	io.Reader
}

// element is a part of a document that is held in memory. Of elements with
// children, text between these is forgotten: nothing in metadata has both.
type element struct {
	name     string // without prefix
	attrs    []elementAttr
	text     string
	children []*element
}

// elementAttr is an attribute; its name has its prefix, as in xml:lang.
type elementAttr struct{ name, value string }

// readElement reads the rest of the element that was just started. Of left,
// which is how many more elements may be held, it takes as many as it read; the
// error wraps ErrTooLarge beyond it.
func readElement(s *scanner, left *int) (*element, error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("more than %d elements: %w", maxElements, ErrTooLarge)
	}
	e := &element{name: string(s.name)}
	for _, a := range s.attrs {
		e.attrs = append(e.attrs, elementAttr{string(a.name), string(a.value)})
	}
	var text []byte
	for {
		found, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case found == charData:
			text = append(text, s.text...)
		case found == endElement:
			if len(e.children) == 0 {
				e.text = string(text)
			}
			return e, nil
		case found == startElement:
			child, err := readElement(s, left)
			if err != nil {
				return nil, err
			}
			e.children = append(e.children, child)
		}
	}
}

// attr is the value of an attribute; empty if there is none.
func (e *element) attr(name string) string {
	for _, a := range e.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// child is the first child of that name; nil if there is none.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// value is the text of the first child of that name, without blanks around it.
func (e *element) value(name string) string {
	if c := e.child(name); c != nil {
		return strings.TrimSpace(c.text)
	}
	return ""
}

// remove removes the children that are unwanted, and says whether there were
// any.
func (e *element) remove(unwanted func(*element) bool) bool {
	n := len(e.children)
	e.children = slices.DeleteFunc(e.children, unwanted)
	return len(e.children) < n
}

// element writes an element with its indentation.
func (d *document) element(indent string, e *element) {
	d.raw(indent + "<" + e.name)
	for _, a := range e.attrs {
		d.proseAttr(a.name, a.value)
	}
	switch {
	case len(e.children) > 0:
		d.raw(">\n")
		for _, c := range e.children {
			d.element(indent+"  ", c)
		}
		d.raw(indent + "</" + e.name + ">\n")
	case e.text == "":
		d.raw("/>\n")
	default:
		d.raw(">")
		d.b = appendText(d.b, prose(e.text))
		d.raw("</" + e.name + ">\n")
	}
}
