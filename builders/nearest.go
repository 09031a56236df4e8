package builders

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/solv"
)

// Nearest finds what comes close to missing requirements in repositories of this
// host. Repositories that were read stay in memory, a few at a time. Safe for
// concurrent use; one question is answered at a time.
type Nearest struct {
	// turn holds one value while nobody asks.
	turn  chan struct{}
	pools []nearestPool // the last used comes last
}

// nearestPool is a set of repositories as it was read.
type nearestPool struct {
	key  [sha256.Size]byte
	pool *solv.Pool
}

// maxPools bounds how many sets of repositories are kept.
const maxPools = 2

// NewNearest makes a Nearest that has read nothing.
func NewNearest() *Nearest {
	n := &Nearest{turn: make(chan struct{}, 1)}
	n.turn <- struct{}{}
	return n
}

// Close lets go of what was read. Nobody may ask any more.
func (n *Nearest) Close() {
	<-n.turn
	for _, kept := range n.pools {
		kept.pool.Close()
	}
	n.pools = nil
}

// Use reads the repositories in the given directories, where it has not, and
// asks them. Errors are ask's, the context's and those of reading repositories.
func (n *Nearest) Use(ctx context.Context, arch string, dirs []string, ask func(diagnosis.Providers) error) error {
	if len(dirs) == 0 {
		return nil
	}
	select {
	case <-n.turn:
		defer func() { n.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("builders: wait for repositories: %w", ctx.Err())
	}
	pool, err := n.load(ctx, arch, dirs)
	if err != nil {
		return err
	}
	return ask(pool)
}

// load returns the pool of what the repositories hold now.
func (n *Nearest) load(ctx context.Context, arch string, dirs []string) (*solv.Pool, error) {
	key, err := contentOf(arch, dirs)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(n.pools, func(kept nearestPool) bool { return kept.key == key }); i >= 0 {
		kept := n.pools[i]
		n.pools = append(slices.Delete(n.pools, i, i+1), kept)
		return kept.pool, nil
	}
	if len(n.pools) >= maxPools { // before more is read
		n.pools[0].pool.Close()
		n.pools = slices.Delete(n.pools, 0, 1)
	}
	pool, err := solv.LoadDir(ctx, arch, dirs...)
	if err != nil {
		return nil, fmt.Errorf("builders: read repositories: %w", err)
	}
	n.pools = append(n.pools, nearestPool{key: key, pool: pool})
	return pool, nil
}

// maxRepomd bounds what is read of a repomd.xml.
const maxRepomd = 1 << 20

// contentOf names the content of repositories: repomd.xml holds the digests of
// all that they are made of.
func contentOf(arch string, dirs []string) (key [sha256.Size]byte, err error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", arch)
	for _, dir := range dirs {
		file, err := os.Open(filepath.Join(dir, "repodata", "repomd.xml"))
		if errors.Is(err, fs.ErrNotExist) {
			return key, fmt.Errorf("builders: read repository: %s is gone", dir)
		}
		if err != nil {
			return key, fmt.Errorf("builders: read repository: %w", err)
		}
		fmt.Fprintf(sum, "%q\n", dir)
		_, err = io.Copy(sum, io.LimitReader(file, maxRepomd))
		file.Close()
		if err != nil {
			return key, fmt.Errorf("builders: read repository: %w", err)
		}
	}
	return [sha256.Size]byte(sum.Sum(nil)), nil
}
