package distgit

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// Ref names in a mirror.
const (
	headsPrefix = "refs/heads/"
	// keepPrefix holds one ref per commit that was ever asked for, named by
	// the commit. It keeps the commit after a force-push or the deletion of
	// its branch, should somebody run git gc.
	keepPrefix = "refs/distbot/keep/"
)

// refSet is the refs of a mirror: full name → commit.
type refSet map[string]plumbing.Hash

// readRefs returns all refs of repo but HEAD.
func readRefs(repo *git.Repository) (refSet, error) {
	iter, err := repo.References()
	if err != nil {
		return nil, err
	}
	refs := make(refSet)
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference && ref.Name() != plumbing.HEAD {
			refs[ref.Name().String()] = ref.Hash()
		}
		return nil
	})
	return refs, err
}

// writeRefs makes refs the refs of the repository at dir, all in one rename of
// git's packed-refs file: a reader, or a restart after a crash, sees all the
// old refs or all the new ones. Ref names never become paths.
func writeRefs(dir string, refs refSet) error {
	return writeFileAtomic(filepath.Join(dir, "packed-refs"), func(w io.Writer) error {
		if _, err := io.WriteString(w, "# pack-refs with: sorted\n"); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(refs)) {
			if _, err := fmt.Fprintf(w, "%s %s\n", refs[name], name); err != nil {
				return err
			}
		}
		return nil
	})
}

// validRef reports whether name may stand in a packed-refs file and in a
// request: git's own rules, no more than 255 bytes.
func validRef(name string) bool {
	return len(name) <= 255 && strings.HasPrefix(name, "refs/") && plumbing.ReferenceName(name).Validate() == nil
}

// writeFileAtomic writes name by way of a temporary file beside it that is
// flushed to the disk and renamed.
func writeFileAtomic(name string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), "tmp_"+filepath.Base(name)+"_*")
	if err != nil {
		return err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name()) // gone already when it was renamed
	}()
	buffered := bufio.NewWriter(file)
	for _, step := range []func() error{
		func() error { return write(buffered) },
		buffered.Flush,
		func() error { return file.Chmod(0o644) },
		file.Sync,
		file.Close,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return os.Rename(file.Name(), name)
}
