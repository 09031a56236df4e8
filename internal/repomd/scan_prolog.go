package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// blanks are the characters of XML's S.
const blanks = " \t\r\n"

var (
	// declaration is what may stand in <?xml …?>.
	declaration = regexp.MustCompile(`^[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*("1\.0"|'1\.0')` +
		`([ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*("(?i:utf-8)"|'(?i:utf-8)'))?` +
		`([ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*("(yes|no)"|'(yes|no)'))?[ \t\r\n]*$`)
	// doctype is a document type declared elsewhere.
	doctype = regexp.MustCompile(`^DOCTYPE[ \t\r\n]+([^ \t\r\n]+)([ \t\r\n]+(SYSTEM|PUBLIC[ \t\r\n]+` +
		`("[-a-zA-Z0-9 \r\n'()+,./:=?;!*#@$_%]*"|'[-a-zA-Z0-9 \r\n()+,./:=?;!*#@$_%]*'))` +
		`[ \t\r\n]+("[^"]*"|'[^']*'))?[ \t\r\n]*$`)
)

// begin reads what can stand at the very beginning of a document only: the byte
// order mark and the XML declaration.
func (s *scanner) begin() error {
	s.begun = true
	if s.has("\uFEFF") {
		s.pos += len("\uFEFF")
	}
	const open = "<?xml"
	if !s.has(open) {
		return s.failed()
	}
	text, err := s.until("<?", "?>")
	if err != nil {
		return err
	}
	if len(text) < len(open)-1 || !isBlank(text[3]) {
		return checkInstruction(text)
	}
	if !declaration.Match(text[3:]) {
		return syntaxError(fmt.Sprintf("declaration <?%.80s?>", text))
	}
	return nil
}

// failed is why nothing more can be read; nil at the end of the document.
func (s *scanner) failed() error {
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// documentType reads <!DOCTYPE …>, which stands once, before the root element.
// One that declares something itself is refused: it could declare entities.
func (s *scanner) documentType() error {
	text, err := s.until("<!", ">")
	if err != nil {
		return err
	}
	parts := doctype.FindSubmatch(text)
	if parts == nil || !isName(parts[1]) || s.declared || s.rootEnded || len(s.lengths) > 0 {
		return syntaxError(fmt.Sprintf("directive <!%.40s>", text))
	}
	s.declared = true
	return checkChars(text)
}

// checkInstruction refuses instructions without a name, or with a reserved one.
func checkInstruction(text []byte) error {
	name := text
	if i := bytes.IndexAny(text, blanks); i >= 0 {
		name = text[:i]
	}
	if !isName(name) || bytes.IndexByte(name, ':') >= 0 || bytes.EqualFold(name, []byte("xml")) {
		return syntaxError(fmt.Sprintf("instruction <?%.80s?>", text))
	}
	return checkChars(text)
}

func checkComment(text []byte) error {
	if bytes.Contains(text, []byte("--")) || bytes.HasSuffix(text, []byte("-")) {
		return syntaxError("-- in a comment")
	}
	return checkChars(text)
}
