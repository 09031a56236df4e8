package distgit

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a sources file.
const (
	maxSourcesBytes = 1 << 20
	maxSources      = 5000
	maxFileName     = 255
)

// SourcesFile is the name of the file, at the root of a dist-git tree.
const SourcesFile = "sources"

// HashType is a hash algorithm by the name that sources files use.
type HashType string

// The hash types of sources files. MD5 only says which file is meant; it does
// not protect against a file made to have the same hash.
const (
	SHA512 HashType = "SHA512"
	SHA384 HashType = "SHA384"
	SHA256 HashType = "SHA256"
	SHA224 HashType = "SHA224"
	SHA1   HashType = "SHA1"
	MD5    HashType = "MD5"
)

// hexDigits is the length of each type's hash in hexadecimal digits.
func (h HashType) hexDigits() int {
	switch h {
	case SHA512:
		return 128
	case SHA384:
		return 96
	case SHA256:
		return 64
	case SHA224:
		return 56
	case SHA1:
		return 40
	case MD5:
		return 32
	}
	return 0
}

// Weak reports whether files with a given hash can be made to order.
func (h HashType) Weak() bool { return h == MD5 || h == SHA1 }

// SourceFile is one line of a sources file: a file in the lookaside.
type SourceFile struct {
	// Name is a base name without control characters that does not begin with
	// a dot or a dash.
	Name string
	Type HashType
	// Hash is in lower-case hexadecimal, of the length Type has.
	Hash string
	// Line is from 1.
	Line int
}

// SourcesError says what is wrong with a sources file, at which line.
type SourcesError struct {
	Line   int
	Reason string
}

// Error implements error.
func (e *SourcesError) Error() string {
	return fmt.Sprintf("distgit: sources:%d: %s", e.Line, e.Reason)
}

// Both forms of a line: the new one, as sha512sum --tag writes it, and the old
// one of a hash, which is always MD5, and a name.
var (
	newSource = regexp.MustCompile(`^([A-Za-z0-9]+) \((.+)\) = ([0-9A-Fa-f]+)$`)
	oldSource = regexp.MustCompile(`^([0-9A-Fa-f]{32})[ \t]+[*]?(.+)$`)
)

// ParseSources reads a sources file. Blank lines and lines that begin with #
// are legal. A file that exists in two lines is an error, also under two
// spellings of the same hash. Errors: *SourcesError.
func ParseSources(data []byte) ([]SourceFile, error) {
	if len(data) > maxSourcesBytes {
		return nil, &SourcesError{Line: 1, Reason: fmt.Sprintf("the file has more than %d bytes", maxSourcesBytes)}
	}
	var sources []SourceFile
	lines := make(map[string]int)
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		source, wrong := parseSource(text)
		source.Line = number
		switch first := lines[source.Name]; {
		case wrong != "":
			return nil, &SourcesError{Line: number, Reason: wrong}
		case first > 0:
			return nil, &SourcesError{Line: number, Reason: fmt.Sprintf("file %q is there twice, first at line %d", source.Name, first)}
		case len(sources) >= maxSources:
			return nil, &SourcesError{Line: number, Reason: fmt.Sprintf("there are more than %d files", maxSources)}
		}
		lines[source.Name] = number
		sources = append(sources, source)
	}
	return sources, nil
}

// parseSource reads one line, or says what is wrong with it.
func parseSource(text string) (source SourceFile, wrong string) {
	if match := newSource.FindStringSubmatch(text); match != nil {
		source = SourceFile{Type: HashType(strings.ToUpper(match[1])), Name: match[2], Hash: strings.ToLower(match[3])}
	} else if match := oldSource.FindStringSubmatch(text); match != nil {
		source = SourceFile{Type: MD5, Name: match[2], Hash: strings.ToLower(match[1])}
	} else {
		return source, "the line is neither TYPE (FILE) = HASH nor MD5 FILE"
	}
	digits := source.Type.hexDigits()
	if digits == 0 {
		return source, fmt.Sprintf("hash type %.20q is not known", source.Type)
	}
	if len(source.Hash) != digits {
		return source, fmt.Sprintf("a %s hash has %d digits, not %d", source.Type, digits, len(source.Hash))
	}
	return source, wrongFileName(source.Name)
}

// wrongFileName says what is wrong with the name of a source; empty when it is
// safe as a base name, as a command's argument and in a URL once escaped.
func wrongFileName(name string) string {
	switch {
	case name == "":
		return "the file has no name"
	case len(name) > maxFileName:
		return fmt.Sprintf("the file name has more than %d bytes", maxFileName)
	case !utf8.ValidString(name):
		return "the file name is not UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("file name %q has a control character", name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Sprintf("file name %q is not a base name", name)
	case slices.Contains([]byte{'.', '-'}, name[0]):
		return fmt.Sprintf("file name %q begins with %q", name, name[:1])
	case strings.TrimSpace(name) != name:
		return fmt.Sprintf("file name %q begins or ends with white space", name)
	}
	return ""
}
