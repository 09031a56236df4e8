package repomd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// events are what the scanner finds, one in each line; text in a row is one.
func events(r io.Reader, limit int64) (string, error) {
	var b, text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			fmt.Fprintf(&b, "text %q\n", text.String())
			text.Reset()
		}
	}
	s := newScanner(r, limit)
	for {
		e, err := s.next()
		if e != charData {
			flush()
		}
		switch {
		case errors.Is(err, io.EOF):
			return b.String(), nil
		case err != nil:
			return b.String(), s.fault("scan", err)
		case e == charData:
			text.Write(s.text)
		case e == endElement:
			fmt.Fprintf(&b, "end %s\n", s.name)
		default:
			fmt.Fprintf(&b, "start %s", s.name)
			for _, a := range s.attrs {
				fmt.Fprintf(&b, " %s=%q", local(a.name), a.value)
			}
			b.WriteByte('\n')
		}
	}
}

// theirEvents are what encoding/xml finds.
func theirEvents(text []byte) (string, error) {
	var b, run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			fmt.Fprintf(&b, "text %q\n", run.String())
			run.Reset()
		}
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	depth := 0
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return b.String(), nil
		case err != nil:
			return b.String(), err
		}
		switch t := t.(type) {
		case xml.CharData:
			if depth > 0 {
				run.Write(t)
			}
		case xml.StartElement:
			flush()
			depth++
			fmt.Fprintf(&b, "start %s", t.Name.Local)
			for _, a := range t.Attr {
				fmt.Fprintf(&b, " %s=%q", a.Name.Local, a.Value)
			}
			b.WriteByte('\n')
		case xml.EndElement:
			flush()
			depth--
			fmt.Fprintf(&b, "end %s\n", t.Name.Local)
		case xml.Comment, xml.ProcInst, xml.Directive:
		}
	}
}

// scanned are documents that the scanner accepts.
var scanned = []string{
	`<a/>`, `<a></a>`, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n</a>\n", `<a b="c" d='e'>f</a>`, `<r:a xmlns:r="u" r:b="c" b="d"><r:d/></r:a>`,
	`<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x41;</a>`, `<a b="&lt;&#10;"/>`, "<a>x\r\ny\rz</a>", `<a><![CDATA[<b>&amp;]]></a>`, `<a><!-- c --><?p i?>t</a>`,
	`<!DOCTYPE a SYSTEM "x"><a/>`, `<!DOCTYPE a PUBLIC "-//x//y" 'z'><a/>`, `<!DOCTYPE a ><a/>`, "<a b = \"c\"\n/>", `<a><b><c/></b>d</a>`, "\uFEFF<a/>",
	"\uFEFF<?xml version = '1.0'?><a/>", `<a>ü€𝄞</a>`, `<a b=">"/>`, `<a></a >`, "<a b='x\ty\r\nz\rw&#9;'/>", `<?p?><!-- c --><a/><!-- d --><?q r?>` + "\n",
	"<a>\uFEFF</a>", `<?xml-stylesheet a?><a/>`, `<?xml version="1.0" encoding="utf-8" standalone="yes" ?><a/>`,
}

// refused are documents that are not XML, or that the scanner alone refuses.
var refused = []string{
	``, `<a>`, `</a>`, `<a></b>`, `<a/><b/>`, `<a/>x`, `x<a/>`, `<a b=c/>`, `<a b/>`, `<a b="<"/>`, `<a>&b;</a>`, `<a>&lt</a>`, `<a>]]></a>`, "<a>\x01</a>", "<a>\xff</a>",
	`<a>&#0;</a>`, `<a>&#xD800;</a>`, `<a>&#+65;</a>`, `<!DOCTYPE a [<!ENTITY b "c">]><a/>`, `<!ENTITY a "b"><a/>`, `<a><!-- -- --></a>`, `<a><!--->`, `<a><![CDATA[`,
	`<?xml version="1.0" encoding="latin1"?><a/>`, `<1/>`, `< a/>`, `<a`, `<a b="`, `<a:b:c/>`, `<ü/>`, "<a><", `<a//>`, `<a b="c"/ >`, `<a/b="c">`, `<??><a/>`, `<?xml version="2.0"?><a/>`, `<!DOCTYPE"><a/>`,
	// What encoding/xml accepts.
	`<a b="c" b="d"/>`, `<a b="c"d="e"/>`, `<a b="c"b="d"/>`, `<?xml version="1.0"?><?xml version="1.0"?><a/>`, `<a/><?xml version="1.0"?>`, `<a><?xml version="1.0"?></a>`,
	"\n<?xml version=\"1.0\"?><a/>", `<!-- --><?xml version="1.0"?><a/>`, `<?XML version="1.0"?><a/>`, `<?xml?><a/>`, `<a/><!DOCTYPE a>`, `<a><!DOCTYPE a></a>`,
	`<!DOCTYPE a><!DOCTYPE a><a/>`, `<!DOCTYPE><a/>`, `<!DOCTYPE a b><a/>`, `<!DOCTYPE a PUBLIC "x"><a/>`, "<a/>\uFEFF", "\uFEFF\uFEFF<a/>", "<a><!-- \x01 --></a>", "<a><!-- \xff --></a>",
	"<a><?p \x01?></a>", `<:a/>`, `<a:/>`, `<a:1/>`, `<?p:q?><a/>`, `<a/>&#32;`, `<a/><![CDATA[]]>`, `<a/> garbage <`,
}

// agree fails unless what the scanner accepts encoding/xml accepts, with the
// same result, however it is read.
func agree(t *testing.T, text []byte) (accepted bool) {
	t.Helper()
	got, err := events(bytes.NewReader(text), 1<<30)
	slow, slowErr := events(iotest.OneByteReader(bytes.NewReader(text)), 1<<30)
	if got != slow || (err == nil) != (slowErr == nil) {
		t.Errorf("%q: at once\n%s%v\nbyte by byte\n%s%v", text, got, err, slow, slowErr)
	}
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
		return false
	}
	want, err := theirEvents(text)
	// That package leaves the blanks in attributes as they are.
	blank := strings.NewReplacer(`\r\n`, " ", `\t`, " ", `\n`, " ", `\r`, " ")
	if err != nil || blank.Replace(got) != blank.Replace(want) {
		t.Errorf("%q: got\n%swant\n%s%v", text, got, want, err)
	}
	return true
}

func TestScannerAgreesWithEncodingXML(t *testing.T) {
	t.Parallel()
	for _, text := range scanned {
		if !agree(t, []byte(text)) {
			t.Errorf("%q is refused", text)
		}
	}
	for _, text := range refused {
		if agree(t, []byte(text)) {
			t.Errorf("%q is accepted", text)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range slices.Concat(scanned, refused) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}

func TestScannerHasBounds(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		text  io.Reader
		limit int64
		want  error
	}{
		"depth":         {strings.NewReader(strings.Repeat("<a>", maxDepth+1)), 1 << 30, ErrMalformed},
		"a long text":   {io.MultiReader(strings.NewReader("<a>"), &endless{'x'}), 1 << 40, ErrTooLarge},
		"a long tag":    {io.MultiReader(strings.NewReader("<a b=\""), &endless{'x'}), 1 << 40, ErrTooLarge},
		"a long remark": {io.MultiReader(strings.NewReader("<!--"), &endless{'x'}), 1 << 40, ErrTooLarge},
		"the document":  {strings.NewReader("<a>" + strings.Repeat("<b/>", 1000) + "</a>"), 1000, ErrTooLarge},
		"a bad reader":  {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("<a></a>"))), 1000, iotest.ErrTimeout},
	} {
		if _, err := events(test.text, test.limit); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
	}
}

// endless is a reader without end.
type endless struct{ b byte }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}
