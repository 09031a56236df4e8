package repomd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Check reads the fragments as a client would and returns an error unless they
// describe the item: its NEVRA, checksum, location and size.
func (f Fragments) Check(item Item) error {
	for i, doc := range packageDocuments {
		text := io.MultiReader(
			bytes.NewReader(fmt.Appendf(nil, "%s<%s %s packages=\"1\">\n", xmlHeader, doc.root, doc.namespaces)),
			bytes.NewReader(doc.of(f)), bytes.NewReader([]byte("</"+doc.root+">")))
		n := 0
		if i > 0 {
			err := ReadIDs(doc.name, text, func(id string) error {
				if n++; id != item.SHA256 {
					return fmt.Errorf("it describes another package: %w", ErrMalformed)
				}
				return nil
			})
			if err == nil && n != 1 {
				err = fmt.Errorf("it describes %d packages: %w", n, ErrMalformed)
			}
			if err != nil {
				return fmt.Errorf("repomd: check %s of %s: %w", doc.name, item.NEVRA, err)
			}
			continue
		}
		err := ReadPrimary(text, func(p PrimaryPackage) error {
			n++
			if p.NEVRA != item.NEVRA || p.Checksum != item.SHA256 || p.Href != item.Href || p.Size != item.Size {
				return fmt.Errorf("it says %s (%.12s, %d bytes) at %q: %w", p.NEVRA, p.Checksum, p.Size, p.Href, ErrMalformed)
			}
			return nil
		})
		if err == nil && n != 1 {
			err = fmt.Errorf("it describes %d packages: %w", n, ErrMalformed)
		}
		if err != nil {
			return fmt.Errorf("repomd: check primary of %s: %w", item.NEVRA, err)
		}
	}
	return nil
}

// CheckWritten reads every document that md lists from the repository in dir,
// and returns an error wrapping ErrChecksum, or that of the file system, unless
// each is what md says.
func CheckWritten(dir string, md Repomd) error {
	for _, d := range md.Data {
		if err := d.checkFile(dir); err != nil {
			return fmt.Errorf("repomd: check %s: %w", d.Href, err)
		}
	}
	return nil
}

func (d Data) checkFile(dir string) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(d.Href)))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != d.SHA256 || size != d.Size {
		return fmt.Errorf("%d bytes with SHA-256 %s, repomd.xml says %d with %s: %w", size, got, d.Size, d.SHA256, ErrChecksum)
	}
	return nil
}
