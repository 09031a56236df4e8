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

// documentName is what Write and createrepo_c call documents.
var documentName = regexp.MustCompile(`^[0-9a-f]{32,128}-[\w.-]+\.(xml|yaml|sqlite|txt)(\.(gz|xz|bz2|zst|zck))?$`)

// Prune removes the documents in the repodata of dir that none of the given
// descriptions lists. Files that are not named like documents stay.
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
