package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// create makes the mirror under a temporary name and moves it to path.
func (m *Mirrors) create(ctx context.Context, path string, remote Remote, wants []Want) error {
	dir, base := filepath.Split(path)
	sweepTemporary(dir, ".new-"+base+"-", 0)
	fresh, err := os.MkdirTemp(dir, ".new-"+base+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }() // gone already when it was renamed
	if _, err := git.PlainInit(fresh, true); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(fresh, "objects", "pack"), 0o755); err != nil {
		return err
	}
	// A mirror without the commit that was asked for is still a mirror.
	updateErr := m.update(ctx, fresh, remote, wants)
	if updateErr != nil && !errors.Is(updateErr, ErrCommitNotFound) {
		return updateErr
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return updateErr
}

// update fetches into the repository at dir, whose lock is held.
func (m *Mirrors) update(ctx context.Context, dir string, remote Remote, wants []Want) error {
	session, err := m.dial(ctx, remote)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()

	fetched := session.heads()
	for _, want := range wants {
		if commit, ok := session.advertised.References[want.Ref]; ok {
			fetched[want.Ref] = commit
		}
	}
	if err := m.bring(ctx, session, dir, fetched); err != nil {
		return err
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		return err
	}
	refs, err := readRefs(repo)
	if err != nil {
		return err
	}
	for name := range refs {
		if strings.HasPrefix(name, headsPrefix) && fetched[name].IsZero() {
			delete(refs, name)
		}
	}
	for name, commit := range fetched {
		refs[name] = commit
	}
	missing := missingCommits(repo, wants)
	for _, want := range wants {
		if want.Commit != "" && !missing[want.Commit] {
			refs[keepPrefix+want.Commit] = plumbing.NewHash(want.Commit)
		}
	}
	if err := writeRefs(dir, refs); err != nil {
		return err
	}
	return m.bringByID(ctx, remote, dir, missing)
}

// bring downloads those of refs whose objects are not in the repository at dir.
func (m *Mirrors) bring(ctx context.Context, session *session, dir string, refs refSet) error {
	repo, err := git.PlainOpen(dir)
	if err != nil {
		return err
	}
	var wants []plumbing.Hash
	seen := make(map[plumbing.Hash]bool)
	for _, commit := range refs {
		if seen[commit] {
			continue
		}
		seen[commit] = true
		if _, err := repo.Storer.EncodedObject(plumbing.AnyObject, commit); errors.Is(err, plumbing.ErrObjectNotFound) {
			wants = append(wants, commit)
		} else if err != nil {
			return err
		}
	}
	if len(wants) == 0 {
		return nil
	}
	haves, err := knownCommits(repo, session)
	if err != nil {
		return err
	}
	return session.download(ctx, dir, wants, haves, m.packLimits())
}

// bringByID asks for commits by their id, each in a session of its own, since
// one that the server does not have spoils the whole request.
func (m *Mirrors) bringByID(ctx context.Context, remote Remote, dir string, missing map[string]bool) error {
	for commit := range missing {
		session, err := m.dial(ctx, remote)
		if err != nil {
			return err
		}
		if !session.offersAnyCommit() {
			_ = session.Close()
			return fmt.Errorf("%w: %s is on no branch, and the forge does not give out commits by id", ErrCommitNotFound, commit)
		}
		err = m.bring(ctx, session, dir, refSet{keepPrefix + commit: plumbing.NewHash(commit)})
		_ = session.Close()
		if err != nil {
			return refusedCommit(ctx, commit, err)
		}
		repo, err := git.PlainOpen(dir)
		if err != nil {
			return err
		}
		if err := keep(dir, repo, []Want{{Commit: commit}}); err != nil {
			return err
		}
	}
	return nil
}

// refusedCommit tells a server's "not our ref" from trouble with the network or
// the disk. The answer is free text, so everything that is not trouble counts
// as a refusal.
func refusedCommit(ctx context.Context, commit string, err error) error {
	var temporary *TemporaryError
	var limit *LimitError
	err = classify(ctx, err)
	if ctx.Err() != nil || errors.As(err, &temporary) || errors.As(err, &limit) || errors.Is(err, ErrNotAllowed) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrCommitNotFound, commit, err)
}

// Bounds of the negotiation: how many ancestors of a ref that moved are named
// to the server, and how many commits in all.
const (
	maxHavesPerRef = 100
	maxHaves       = 2000
)

// knownCommits are commits to name as "here already". What the server
// advertises is named as it is; a ref that moved is named with some of its
// ancestors, because after a force-push the server may not know its tip.
func knownCommits(repo *git.Repository, session *session) ([]plumbing.Hash, error) {
	refs, err := readRefs(repo)
	if err != nil {
		return nil, err
	}
	common := make(map[plumbing.Hash]bool)
	for _, commit := range session.advertised.References {
		common[commit] = true
	}
	seen := make(map[plumbing.Hash]bool)
	var haves []plumbing.Hash
	for name, tip := range refs {
		if strings.HasPrefix(name, keepPrefix) {
			continue
		}
		commit, err := repo.CommitObject(tip)
		if err != nil {
			continue // not a commit: nothing to negotiate about
		}
		left := maxHavesPerRef
		err = object.NewCommitPreorderIter(commit, seen, nil).ForEach(func(c *object.Commit) error {
			seen[c.Hash] = true
			haves = append(haves, c.Hash)
			if left--; left == 0 || common[c.Hash] || len(haves) >= maxHaves {
				return io.EOF
			}
			return nil
		})
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(haves) >= maxHaves {
			break
		}
	}
	return haves, nil
}

// checkWants refuses what could not stand in a request or a ref.
func checkWants(wants []Want) error {
	for _, want := range wants {
		if want.Ref != "" && !validRef(want.Ref) {
			return fmt.Errorf("ref %.80q: %w", want.Ref, ErrNotAllowed)
		}
		if want.Commit != "" && !commitID.MatchString(want.Commit) {
			return fmt.Errorf("commit id %.80q: %w", want.Commit, ErrNotAllowed)
		}
	}
	return nil
}

// holdsAll reports whether every want names a commit that repo has.
func holdsAll(repo *git.Repository, wants []Want) bool {
	for _, want := range wants {
		if want.Commit == "" {
			return false
		}
	}
	return len(missingCommits(repo, wants)) == 0
}

// missingCommits are the wanted commits that repo does not have.
func missingCommits(repo *git.Repository, wants []Want) map[string]bool {
	missing := make(map[string]bool)
	for _, want := range wants {
		if want.Commit == "" {
			continue
		}
		if _, err := repo.CommitObject(plumbing.NewHash(want.Commit)); err != nil {
			missing[want.Commit] = true
		}
	}
	return missing
}

// keep makes sure that each wanted commit has its ref; all must be in repo.
func keep(dir string, repo *git.Repository, wants []Want) error {
	refs, err := readRefs(repo)
	if err != nil {
		return err
	}
	changed := false
	for _, want := range wants {
		name, commit := keepPrefix+want.Commit, plumbing.NewHash(want.Commit)
		if refs[name] != commit {
			refs[name], changed = commit, true
		}
	}
	if !changed {
		return nil
	}
	return writeRefs(dir, refs)
}

// sweepTemporary removes what killed processes left in dir: the entries whose
// name begins with prefix and that nobody wrote to for at least age.
func sweepTemporary(dir, prefix string, age time.Duration) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // whoever uses dir next will say what is wrong with it
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) >= age {
			_ = os.RemoveAll(filepath.Join(dir, entry.Name()))
		}
	}
}
