package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Defaults of Mirrors.
const (
	DefaultFetchTimeout   = 10 * time.Minute
	DefaultMaxPackBytes   = 512 << 20
	DefaultMaxObjectBytes = 128 << 20
)

// Mirrors are bare copies of dist-git repositories below one folder, made and
// updated by Fetch. A mirror never loses a commit that was once asked for, and
// has no work tree, hooks or configuration from its origin.
//
// All methods may be called by any number of goroutines, and by several
// processes on the same folder: fetches into one mirror take turns, reading
// needs no lock. Mirrors must not be copied after first use.
type Mirrors struct {
	// Dir is the folder of the mirrors. It is made when missing.
	Dir string
	// Transport does the HTTP requests. Default: http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout bounds one Fetch or Refs. Default: DefaultFetchTimeout.
	Timeout time.Duration
	// MaxPackBytes bounds what one fetch downloads. go-git needs up to twenty
	// times the size of a pack in memory while indexing it. Default:
	// DefaultMaxPackBytes.
	MaxPackBytes int64
	// MaxObjectBytes bounds each object (a file at one commit). Default:
	// DefaultMaxObjectBytes.
	MaxObjectBytes int64

	locks keyedLocks
}

// Want is something a fetch must bring besides the branches.
type Want struct {
	// Ref is the full name of a ref, for example refs/pull/7/head; empty for
	// none. A ref that is gone is not an error.
	Ref string
	// Commit is a full object id that must be in the mirror afterwards and is
	// kept from then on; empty for none.
	Commit string
}

// Fetch brings the mirror of remote up to date: all branches (deleted ones go),
// the refs of wants, and the commits of wants. A commit that no branch or ref
// holds is asked for by its id where the server permits that. When every want
// names a commit and the mirror has them all, the forge is not asked.
//
// A first fetch makes the mirror under a temporary name and renames it, so that
// a crash leaves none or a whole one. Errors: ErrCommitNotFound,
// ErrRepositoryNotFound, ErrNotAllowed, *LimitError, *TemporaryError.
func (m *Mirrors) Fetch(ctx context.Context, remote Remote, wants ...Want) error {
	if err := m.fetch(ctx, remote, wants); err != nil {
		return fmt.Errorf("distgit: fetch %s of %s: %w", remote.ID, remote.Forge, classify(ctx, err))
	}
	return nil
}

func (m *Mirrors) fetch(ctx context.Context, remote Remote, wants []Want) error {
	path, err := remote.mirrorPath(m.Dir)
	if err != nil {
		return err
	}
	if err := checkWants(wants); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, m.timeout())
	defer cancel()
	unlock, err := m.locks.lock(limited, path)
	if err != nil {
		return err
	}
	defer unlock()

	repo, err := git.PlainOpen(path)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return m.create(limited, path, remote, wants)
	}
	if err != nil {
		return fmt.Errorf("open %s (remove it and it is made anew): %w", path, err)
	}
	if len(wants) > 0 && holdsAll(repo, wants) {
		return keep(path, repo, wants)
	}
	sweepTemporary(filepath.Join(path, "objects", "pack"), "tmp_", 0) // the lock is held: nobody writes these
	sweepTemporary(path, "tmp_", 0)
	return m.update(limited, path, remote, wants)
}

// Refs asks the forge for the branches of remote: short branch name → commit.
// An empty repository has none. The mirror is neither used nor changed. Errors
// as for Fetch.
func (m *Mirrors) Refs(ctx context.Context, remote Remote) (map[string]string, error) {
	limited, cancel := context.WithTimeout(ctx, m.timeout())
	defer cancel()
	session, err := m.dial(limited, remote)
	if err != nil {
		return nil, fmt.Errorf("distgit: list the branches of %s of %s: %w", remote.ID, remote.Forge, classify(ctx, err))
	}
	defer func() { _ = session.Close() }()
	branches := make(map[string]string)
	for name, commit := range session.heads() {
		branches[strings.TrimPrefix(name, headsPrefix)] = commit.String()
	}
	return branches, nil
}

// IsAncestor reports whether the commit old is reachable from the commit new,
// or is the same: false after a force-push. Both must be in the mirror, or the
// error is ErrCommitNotFound.
func (m *Mirrors) IsAncestor(ctx context.Context, remote Remote, old, new string) (bool, error) {
	repo, _, err := m.openCommit(remote, old)
	if err != nil {
		return false, fmt.Errorf("distgit: compare commits of %s of %s: %w", remote.ID, remote.Forge, err)
	}
	tip, err := findCommit(repo, new)
	if err != nil {
		return false, fmt.Errorf("distgit: compare commits of %s of %s: %w", remote.ID, remote.Forge, err)
	}
	wanted, found := plumbing.NewHash(old), false
	err = object.NewCommitPreorderIter(tip, nil, nil).ForEach(func(c *object.Commit) error {
		if found = c.Hash == wanted; found {
			return io.EOF
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("distgit: walk from %s to %s in %s of %s: %w", new, old, remote.ID, remote.Forge, err)
	}
	return found, nil
}

// openCommit opens remote's mirror for one use and finds commit in it. go-git
// repositories are not safe for concurrent use, so none is ever shared.
func (m *Mirrors) openCommit(remote Remote, commit string) (*git.Repository, *object.Commit, error) {
	path, err := remote.mirrorPath(m.Dir)
	if err != nil {
		return nil, nil, err
	}
	repo, err := git.PlainOpen(path)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, nil, fmt.Errorf("%w: %s: there is no mirror yet", ErrCommitNotFound, commit)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	found, err := findCommit(repo, commit)
	return repo, found, err
}

// findCommit looks up a commit by its full id.
func findCommit(repo *git.Repository, id string) (*object.Commit, error) {
	if !commitID.MatchString(id) {
		return nil, fmt.Errorf("commit id %.80q: %w", id, ErrNotAllowed)
	}
	commit, err := repo.CommitObject(plumbing.NewHash(id))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%w: %s", ErrCommitNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", id, err)
	}
	return commit, nil
}

func (m *Mirrors) timeout() time.Duration {
	if m.Timeout > 0 {
		return m.Timeout
	}
	return DefaultFetchTimeout
}

func (m *Mirrors) transport() http.RoundTripper {
	if m.Transport != nil {
		return m.Transport
	}
	return http.DefaultTransport
}

func (m *Mirrors) packLimits() packLimits {
	limits := packLimits{packBytes: DefaultMaxPackBytes, objectBytes: DefaultMaxObjectBytes}
	if m.MaxPackBytes > 0 {
		limits.packBytes = m.MaxPackBytes
	}
	if m.MaxObjectBytes > 0 {
		limits.objectBytes = m.MaxObjectBytes
	}
	return limits
}
