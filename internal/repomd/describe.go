package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/distbot/distbot/internal/rpmfile"
)

// Describe says whether a package can be in a repository, and how: it makes the
// fragments of p as Render does and reads them again as a reader of the
// repository will, in each Compression. Who accepts packages that somebody will
// publish, and who publishes them, ask the same: a package that is refused only
// when it is published keeps every repository from being made that has it.
//
// The item is what is known of the package, and where it is to lie; its place
// does not change the answer. The error wraps ErrUnprintable for names that XML
// cannot express, ErrTooLarge for more than readers take, and ErrMalformed for
// anything else than the item.
func Describe(p *rpmfile.Package, item Item) (Fragments, error) {
	f, err := Render(p, item.File)
	if err != nil {
		return Fragments{}, err
	}
	if err := f.Check(item); err != nil {
		return Fragments{}, err
	}
	for _, doc := range packageDocuments {
		for _, compression := range []Compression{Gzip, Zstd} {
			if err := compression.checkProportion(doc.of(f)); err != nil {
				return Fragments{}, fmt.Errorf("repomd: check %s of %s: %w", doc.name, item.NEVRA, err)
			}
		}
	}
	return f, nil
}

// checkProportion returns an error wrapping ErrTooLarge for a text that
// Decompress refuses when it is compressed: one of so much of the same that it
// is not told from what is made to fill memories. A text of up to 64 MiB may be
// anything.
func (c Compression) checkProportion(text []byte) (err error) {
	if len(text) <= freeOfCare {
		return nil
	}
	member, err := c.member(text)
	if err != nil {
		return err
	}
	plain, err := Decompress("member"+c.suffix(), bytes.NewReader(member))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	_, err = io.Copy(io.Discard, plain)
	return err
}
