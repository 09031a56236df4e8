package modulemd

import (
	"bytes"
	"fmt"
)

// Limits bounds what [Read] accepts, so that a hostile text costs little. A
// field that is 0 has the default.
type Limits struct {
	// Bytes is the size of the whole text after decompression. Default 32 MiB;
	// the largest known repositories have less than 10 MiB.
	Bytes int
	// DocumentBytes is the size of one document. Default 2 MiB.
	DocumentBytes int
	// Documents is how many documents a text may hold. Default 20,000.
	Documents int
	// Entries is how many keys and list entries the whole text may hold, as
	// their number bounds time and memory. Counted are the characters that
	// begin them, wherever they stand: line ends, commas, opening brackets, and
	// the first characters of "- " and "? ". Default 2,000,000.
	Entries int
	// Depth is how deep lists and mappings may nest. Default 64.
	Depth int
}

const (
	defaultBytes         = 32 << 20
	defaultDocumentBytes = 2 << 20
	defaultDocuments     = 20_000
	defaultEntries       = 2_000_000
	defaultDepth         = 64
)

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		value *int
		def   int
	}{
		{&l.Bytes, defaultBytes},
		{&l.DocumentBytes, defaultDocumentBytes},
		{&l.Documents, defaultDocuments},
		{&l.Entries, defaultEntries},
		{&l.Depth, defaultDepth},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	return l
}

// checkText checks what concerns the whole text; l must have its defaults.
func (l Limits) checkText(text []byte) error {
	if len(text) > l.Bytes {
		return fmt.Errorf("modulemd: read: %d bytes or more, at most %d: %w", len(text), l.Bytes, ErrTooLarge)
	}
	entries := 0
	for _, s := range []string{"\n", ",", "[", "{", "- ", "? "} {
		entries += bytes.Count(text, []byte(s))
	}
	if entries > l.Entries {
		return fmt.Errorf("modulemd: read: more than %d keys and list entries: %w", l.Entries, ErrTooLarge)
	}
	return nil
}
