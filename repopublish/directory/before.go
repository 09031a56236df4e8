package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/repomd"
)

// before is the repository as it was.
type before struct {
	md     repomd.Repomd
	text   string // of repomd.xml
	signed bool
}

// readBefore reads what is there already.
func readBefore(opts Options) (b before, err error) {
	name := filepath.Join(opts.Dir, "repodata", "repomd.xml")
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b, nil
	case err != nil:
		return b, fmt.Errorf("directory: %w", err)
	}
	defer f.Close()
	var text strings.Builder
	if b.md, err = repomd.ReadRepomd(io.TeeReader(f, &text)); err != nil {
		return b, fmt.Errorf("directory: the repository of before: %w; remove %s to begin anew", err, filepath.Dir(name))
	}
	b.text = text.String()
	_, err = os.Lstat(name + ".asc")
	b.signed = err == nil
	return b, nil
}

// made are the types of documents that every run makes, and those of other
// programs that would not fit the new ones.
func made(kind string) bool {
	base, _, _ := strings.Cut(kind, "_")
	return slices.Contains([]string{"primary", "filelists", "other", "filelists-ext"}, base)
}

// keep are the records that stay, of documents that are there and are what
// repomd.xml says.
func (b before) keep(opts Options) ([]repomd.Data, error) {
	var keep []repomd.Data
	for _, d := range b.md.Data {
		base, _, _ := strings.Cut(d.Type, "_")
		given := base == "group" && opts.Comps != nil || base == "modules" && opts.Modules != nil || base == "updateinfo" && opts.Updateinfo != nil
		if made(d.Type) || given || slices.Contains(opts.Drop, base) {
			continue
		}
		if err := check(opts.Dir, &d); err != nil {
			return nil, fmt.Errorf("directory: keep %s of before: %w; give another one, or drop it", base, err)
		}
		keep = append(keep, d)
	}
	return keep, nil
}

// unsign removes a signature that fits no more.
func (b before) unsign(dir string, changed bool) error {
	if !b.signed || !changed {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, "repodata", "repomd.xml.asc")); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}

// check reads a document. One that is described by another checksum gets its
// SHA-256.
func check(dir string, d *repomd.Data) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.Open(d.Href)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	got := hex.EncodeToString(sum.Sum(nil))
	if d.SHA256 != "" && d.SHA256 != got {
		return fmt.Errorf("%s: %w", d.Href, repomd.ErrChecksum)
	}
	d.SHA256, d.Size = got, size
	return nil
}
