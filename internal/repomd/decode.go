package repomd

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxDecoded bounds the elements of a document that is held in memory whole:
// each may cost some hundred bytes. A comps.xml of two megabytes, with
// translations, has some 50,000.

const maxDecoded = 1 << 18

// decode reads a document of at most limit bytes into a struct, as encoding/xml
// does from what a scanner finds.
func decode(verb string, r io.Reader, limit int64, into any) error {
	s := newScanner(r, limit)
	if err := xml.NewTokenDecoder(&tokens{s: s}).Decode(into); err != nil {
		return s.fault(verb, err)
	}
	// Behind the root element there is nothing but what is passed over.
	if _, err := s.next(); !errors.Is(err, io.EOF) {
		return s.fault(verb, err)
	}
	return nil
}

// tokens gives encoding/xml what a scanner finds.
type tokens struct {
	s        *scanner
	elements int
}

// Token implements xml.TokenReader.
func (t *tokens) Token() (xml.Token, error) {
	e, err := t.s.next()
	switch {
	case err != nil:
		return nil, err
	case e == charData:
		return xml.CharData(t.s.text), nil
	case e == endElement:
		return xml.EndElement{Name: xmlName(t.s.full)}, nil
	}
	if t.elements++; t.elements > maxDecoded {
		return nil, fmt.Errorf("more than %d elements: %w", maxDecoded, ErrTooLarge)
	}
	start := xml.StartElement{Name: xmlName(t.s.full)}
	for _, a := range t.s.attrs {
		start.Attr = append(start.Attr, xml.Attr{Name: xmlName(a.name), Value: string(a.value)})
	}
	return start, nil
}

// xmlName has the prefix of a name where xml.Decoder expects it.
func xmlName(full []byte) xml.Name {
	prefix, local, ok := strings.Cut(string(full), ":")
	if !ok {
		return xml.Name{Local: prefix}
	}
	return xml.Name{Space: prefix, Local: local}
}

// number is a non-negative integer. Fractions are cut off: repomd.xml of old
// createrepo has timestamps such as "1300000000.12".
type number int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *number) UnmarshalText(text []byte) error {
	whole, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	v, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || v < 0 {
		return fmt.Errorf("number %.40q: %w", text, ErrMalformed)
	}
	*n = number(v)
	return nil
}
