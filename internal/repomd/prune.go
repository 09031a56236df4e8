package repomd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
)

// documentName is what Write, createrepo_c and modifyrepo_c call documents:
// their checksum, from MD5 to SHA-512, and what they were called by others. The
// second is what Write calls those that it has not finished.
var documentName = regexp.MustCompile(`^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})-.|^\.tmp-.|^\.repomd\.xml$`)

// Prune removes the documents in the repodata of dir that none of the given
// descriptions lists, and what a killed Write left. Files that are not named
// like documents stay. Nobody may be writing there.
func Prune(dir string, listed ...Repomd) error {
	keep := map[string]bool{}
	for _, md := range listed {
		for _, d := range md.Data {
			keep[path.Clean(d.Href)] = true
		}
	}
	root, err := os.OpenRoot(filepath.Join(dir, "repodata"))
	if err != nil {
		return fmt.Errorf("repomd: prune: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("repomd: prune: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !documentName.MatchString(e.Name()) || keep["repodata/"+e.Name()] {
			continue
		}
		if err := root.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("repomd: prune: %w", err)
		}
	}
	return nil
}
