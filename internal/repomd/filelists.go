package repomd

import (
	"encoding/xml"
	"errors"
	"fmt"
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
	d := newDecoder(r, MaxDocumentBytes)
	var list Filelist
	var file []byte
	depth, inFile, inRoot := 0, false, false
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && inRoot:
			return nil
		case err != nil:
			return d.fault("read filelists.xml", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			depth++
			inRoot = true
			want := [...]string{"filelists", "package"}
			switch {
			case depth <= len(want) && t.Name.Local != want[depth-1]:
				return fmt.Errorf("repomd: read filelists.xml: element %.40q: %w", t.Name.Local, ErrMalformed)
			case depth == 2:
				list = Filelist{Checksum: attr(t.Attr, "pkgid"), Files: list.Files[:0]}
			case depth == 3 && t.Name.Local == "file":
				inFile, file = true, file[:0]
			}
		case xml.CharData:
			if inFile {
				file = append(file, t...)
			}
		case xml.EndElement:
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
