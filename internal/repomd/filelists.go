package repomd

import (
	"errors"
	"io"
)

// Filelist is what filelists.xml says of one package.
type Filelist struct {
	Checksum string // of the RPM, as in primary.xml
	Files    []string
}

// ReadFilelists calls visit for every package of a decompressed filelists.xml,
// in document order; the paths include directories and ghosts. The slice is
// reused after visit returns. Bounds and errors are those of ReadPrimary.
func ReadFilelists(r io.Reader, visit func(Filelist) error) error {
	const verb = "read filelists.xml"
	s := newScanner(r, MaxDocumentBytes)
	var t tally
	var list Filelist
	var file []byte
	depth, inFile := 0, false
	for {
		e, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil && depth > 1:
			err = t.size(s)
		}
		if err != nil {
			return s.fault(verb, err)
		}
		switch e {
		case startElement:
			depth++
			want := [...]string{"filelists", "package"}
			switch {
			case depth <= len(want) && string(s.name) != want[depth-1]:
				err = malformed("element %.40q", s.name)
			case depth == 2:
				list = Filelist{Checksum: s.attr("pkgid"), Files: list.Files[:0]}
				err = t.begin(s)
			case depth == 3 && string(s.name) == "file":
				inFile, file = true, file[:0]
				err = t.listed()
			}
			if err != nil {
				return s.fault(verb, err)
			}
		case charData:
			if inFile {
				file = append(file, s.text...)
			}
		case endElement:
			if inFile {
				list.Files = append(list.Files, string(file))
				inFile = false
			}
			if depth == 2 {
				if err := visit(list); err != nil {
					return err
				}
			}
			depth--
		}
	}
}
