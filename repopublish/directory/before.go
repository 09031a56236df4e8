package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/repomd"
)

// before is the repository as it was.
type before struct {
	md     repomd.Repomd
	text   []byte // of repomd.xml
	signed bool
}

// readBefore reads what is there already. The error wraps repomd.ErrMalformed or
// repomd.ErrTooLarge, or is that of the file system.
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
	if b.text, err = io.ReadAll(io.LimitReader(f, repomd.MaxRepomdBytes+1)); err != nil {
		return b, fmt.Errorf("directory: %w", err)
	}
	if b.md, err = repomd.ReadRepomd(bytes.NewReader(b.text)); err != nil {
		return b, fmt.Errorf("directory: the repository of before: %w; remove %s to begin anew", err, filepath.Dir(name))
	}
	_, err = os.Lstat(name + ".asc")
	b.signed = err == nil
	return b, nil
}

// stamp is the revision and the timestamp of a repository with these documents,
// whose newest package was built at a time. They are that time, unless they
// would stand still or go back where the documents change: clients keep what
// they have when newly fetched metadata is not newer. A revision that is given
// stays as it is.
func (b before) stamp(documents repomd.Repomd, newest int64, revision string) (string, int64) {
	changed := documents.Identity() != b.md.Identity()
	timestamp := newest
	for _, d := range b.md.Data {
		timestamp = max(timestamp, following(d.Timestamp, changed))
	}
	if revision == "" {
		number := timestamp
		if n, err := strconv.ParseInt(b.md.Revision, 10, 64); err == nil {
			number = max(number, following(n, changed))
		}
		revision = strconv.FormatInt(number, 10)
	}
	return revision, timestamp
}

// following is the number after n where something changed, n otherwise.
func following(n int64, changed bool) int64 {
	if changed && n < math.MaxInt64 {
		return n + 1
	}
	return n
}

// base is what documents of one kind have in common: group and group_gz, primary
// and primary_db.
func base(kind string) string {
	base, _, _ := strings.Cut(kind, "_")
	return base
}

// made are the types of documents that every run makes, and those of other
// programs that would not fit the new ones.
func made(kind string) bool {
	return slices.Contains([]string{"primary", "filelists", "other", "filelists-ext"}, base(kind))
}

// keep are the records that stay, of documents that are there and are what
// repomd.xml says. The error wraps repomd.ErrChecksum, or is that of the file
// system.
func (b before) keep(opts Options) ([]repomd.Data, error) {
	var keep []repomd.Data
	dropped := func(kind string) bool {
		return slices.ContainsFunc(opts.Drop, func(drop string) bool { return base(drop) == base(kind) })
	}
	for _, d := range b.md.Data {
		kind := base(d.Type)
		given := kind == "group" && opts.Comps != nil || kind == "modules" && opts.Modules != nil || kind == "updateinfo" && opts.Updateinfo != nil
		if made(d.Type) || given || dropped(d.Type) {
			continue
		}
		kept, err := verified(opts.Dir, d)
		if err != nil {
			return nil, fmt.Errorf("directory: keep %s of before: %w; give another one, or drop it", kind, err)
		}
		keep = append(keep, kept)
	}
	return keep, nil
}

// checkDrop refuses to drop what every repository has, and warns of types that
// nobody has heard of. Those that the repository might have had are dropped
// already.
func (b before) checkDrop(opts Options) (warnings []string, err error) {
	known := []string{"group", "modules", "updateinfo", "productid", "prestodelta", "deltainfo"}
	for _, drop := range opts.Drop {
		there := slices.ContainsFunc(b.md.Data, func(d repomd.Data) bool { return base(d.Type) == base(drop) })
		switch {
		case slices.Contains([]string{"primary", "filelists", "other"}, drop):
			return nil, fmt.Errorf("directory: drop %s: every repository has it: %w", drop, ErrDrop)
		case !there && !slices.Contains(known, base(drop)) && !made(drop):
			warnings = append(warnings, fmt.Sprintf("nothing to drop: the repository has no %q", drop))
		}
	}
	return warnings, nil
}

// verified reads a document and compares it with what repomd.xml says of it. A
// record with another checksum that is trusted gets its SHA-256.
func verified(dir string, d repomd.Data) (repomd.Data, error) {
	kind, want, err := d.Checksum()
	if err != nil {
		return d, err
	}
	sum, err := repomd.NewHash(kind)
	if err != nil {
		return d, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return d, err
	}
	defer root.Close()
	f, err := root.Open(d.Href)
	if err != nil {
		return d, err
	}
	defer f.Close()
	ours := sha256.New()
	size, err := io.Copy(io.MultiWriter(sum, ours), f)
	if err != nil {
		return d, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return d, fmt.Errorf("%s has %s %s, repomd.xml says %s: %w", d.Href, kind, got, want, repomd.ErrChecksum)
	}
	if d.Size != 0 && d.Size != size {
		return d, fmt.Errorf("%s has %d bytes, repomd.xml says %d: %w", d.Href, size, d.Size, repomd.ErrChecksum)
	}
	d.SHA256, d.Size = hex.EncodeToString(ours.Sum(nil)), size
	return d, nil
}
