package modulemd

import (
	"bytes"
	"fmt"
)

// chunk is the text of one document with its markers and the comments around.
type chunk struct {
	text []byte
	line int // of the text's first line, from 1
	// broken says what is wrong with its markers; empty if nothing.
	broken string
}

// split cuts a text at its document markers: lines that begin with "---" or
// "..." and a blank. YAML allows no such line inside a document, not even in a
// block scalar, so no parser is needed. The concatenation of the chunks is the
// text. What stands between a "..." and the next "---" belongs to the next, at
// the end to the last; a text without documents has no chunks.
func split(text []byte, limits Limits) ([]chunk, error) {
	var chunks []chunk
	start, startLine := 0, 1
	content := false // since start: anything but comments, blanks and directives
	broken := ""
	ended := true // a "..." or the beginning: what follows may be directives
	cut := func(at, line int) {
		chunks = append(chunks, chunk{text[start:at:at], startLine, broken})
		start, startLine, content, broken = at, line, false, ""
	}
	for pos, line := 0, 1; pos < len(text); line++ {
		end := len(text)
		if i := bytes.IndexByte(text[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		switch l := text[pos:end]; {
		case isMarker(l, "---"):
			if content {
				cut(pos, line)
			}
			content, ended = true, false
		case isMarker(l, "..."):
			if !content && len(chunks) == 0 {
				content, broken = true, `"..." before the first document`
			}
			ended = true
		case ended && isBetween(l):
			if content {
				cut(pos, line)
			}
		case ended: // a document without "---"
			if content {
				cut(pos, line)
			}
			content, ended = true, false
			if len(chunks) > 0 {
				broken = `no "---" before the document`
			}
		}
		if len(chunks) > limits.Documents {
			return nil, tooManyDocuments(limits)
		}
		pos = end
	}
	switch {
	case content:
		cut(len(text), 0)
		if len(chunks) > limits.Documents {
			return nil, tooManyDocuments(limits)
		}
	case len(chunks) > 0 && start < len(text): // comments at the end
		last := &chunks[len(chunks)-1]
		from := start - len(last.text)
		last.text = text[from:len(text):len(text)]
	}
	if len(chunks) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		last := &chunks[len(chunks)-1]
		last.text = append(last.text, '\n') // into a copy, as its capacity is used up
	}
	return chunks, nil
}

func tooManyDocuments(limits Limits) error {
	return fmt.Errorf("modulemd: read: more than %d documents: %w", limits.Documents, ErrTooLarge)
}

// isMarker reports whether the line is the marker, alone or before a blank.
func isMarker(line []byte, marker string) bool {
	if !bytes.HasPrefix(line, []byte(marker)) {
		return false
	}
	return len(line) == len(marker) || bytes.IndexByte([]byte(" \t\r\n"), line[len(marker)]) >= 0
}

// isBetween reports whether a line outside of documents has no content: it is
// blank, a comment or a directive. A byte order mark counts as blank.
func isBetween(line []byte) bool {
	line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	if len(line) > 0 && line[0] == '%' {
		return true
	}
	line = bytes.TrimLeft(line, " \t\r\n")
	return len(line) == 0 || line[0] == '#'
}
