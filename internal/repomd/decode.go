package repomd

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxDepth bounds the nesting of elements; primary.xml needs 5.
const maxDepth = 32

// maxTokenBytes bounds one tag or one run of text, which encoding/xml holds in
// memory whole.
const maxTokenBytes = 16 << 20

// decoder reads hostile XML. encoding/xml expands no entities but the five of
// XML; an internal DTD subset, which declares others, is refused, and so are
// deep nesting and huge tokens.
type decoder struct {
	*xml.Decoder
	in *boundedReader
}

// newDecoder reads from r, at most limit bytes of it.
func newDecoder(r io.Reader, limit int64) decoder {
	in := &boundedReader{r: r, left: limit, burst: maxTokenBytes}
	return decoder{xml.NewTokenDecoder(&guard{d: xml.NewDecoder(in), in: in}), in}
}

// fault says what err, returned by the decoder, means: the reader's own error,
// a bound, or malformed XML.
func (d decoder) fault(verb string, err error) error {
	if d.in.err != nil {
		return fmt.Errorf("repomd: %s: %w", verb, d.in.err)
	}
	return fmt.Errorf("repomd: %s: %w: %w", verb, err, ErrMalformed)
}

// guard passes raw tokens on and refuses what no metadata needs.
type guard struct {
	d     *xml.Decoder
	in    *boundedReader
	depth int
}

// Token implements xml.TokenReader.
func (g *guard) Token() (xml.Token, error) {
	g.in.burst = maxTokenBytes
	t, err := g.d.RawToken()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case xml.Directive:
		if strings.Contains(string(t), "[") || !strings.HasPrefix(string(t), "DOCTYPE") {
			return nil, fmt.Errorf("directive <!%.40s>", t)
		}
	case xml.StartElement:
		if g.depth++; g.depth > maxDepth {
			return nil, fmt.Errorf("elements nested deeper than %d", maxDepth)
		}
	case xml.EndElement:
		g.depth--
	}
	return t, nil
}

// boundedReader fails where io.LimitReader would feign the end, and remembers
// why reading failed.
type boundedReader struct {
	r           io.Reader
	left, burst int64 // bytes that may still be read at all, and for this token
	err         error // of r, or ErrTooLarge; never io.EOF
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	b.burst -= int64(n)
	if b.left < 0 || b.burst < 0 {
		err = ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
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
