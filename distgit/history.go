package distgit

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/distbot/distbot/internal/autospec"
)

// changelogFile is the file at the root that %autochangelog ends with.
const changelogFile = "changelog"

// Bounds of what a history holds besides specs: files that specs may include.
const (
	maxIncludedBytes  = 256 << 10
	maxIncludedTotal  = 64 << 20
	maxChangelogBytes = 16 << 20
)

// ErrShallow says that the forge's own copy of a repository has not all of its
// history, so that releases can't be counted.
var ErrShallow = errors.New("the repository is a shallow clone at the forge")

// History reads what %autorelease and %autochangelog are computed from: all
// commits that lead to commit, with the spec called spec at each. An earlier
// Fetch brought it; fetches are never shallow. Errors: ErrCommitNotFound,
// ErrShallow, *LimitError.
func (m *Mirrors) History(ctx context.Context, remote Remote, commit, spec string) (*autospec.History, error) {
	return m.history(ctx, remote, commit, spec, autospec.MaxCommits)
}

// history is History with a limit of commits.
func (m *Mirrors) history(ctx context.Context, remote Remote, commit, spec string, limit int) (*autospec.History, error) {
	repo, head, err := m.openCommit(remote, commit)
	if err == nil {
		var h *autospec.History
		if h, err = readHistory(ctx, repo, head, spec, limit); err == nil {
			return h, nil
		}
	}
	return nil, fmt.Errorf("distgit: read the history of %s of %s: %w", remote.ID, remote.Forge, err)
}

func readHistory(ctx context.Context, repo *git.Repository, head *object.Commit, spec string, limit int) (*autospec.History, error) {
	commits, err := ancestors(ctx, repo, head, limit)
	if err != nil {
		return nil, err
	}
	r := &historyReader{
		ctx: ctx, repo: repo, left: autospec.MaxBytes, leftIncluded: maxIncludedTotal, trees: make(map[plumbing.Hash]rootFiles),
		history: &autospec.History{Spec: spec, Blobs: make(map[string][]byte), Trees: make(map[string][]autospec.File)},
	}
	for _, commit := range commits {
		if err := r.add(commit); err != nil {
			return nil, fmt.Errorf("commit %s: %w", commit.Hash, err)
		}
	}
	return r.history, nil
}

// ancestors are a commit and all commits before it, children before their
// parents and otherwise the newest first.
func ancestors(ctx context.Context, repo *git.Repository, head *object.Commit, limit int) ([]*object.Commit, error) {
	found := map[plumbing.Hash]*object.Commit{head.Hash: head}
	children := make(map[plumbing.Hash]int)
	for queue := []*object.Commit{head}; len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, hash := range queue[0].ParentHashes {
			children[hash]++
			if found[hash] != nil {
				continue
			}
			if len(found) >= limit {
				return nil, &LimitError{What: "commits", Limit: int64(limit)}
			}
			parent, err := repo.CommitObject(hash)
			if errors.Is(err, plumbing.ErrObjectNotFound) {
				return nil, fmt.Errorf("%w: it does not have %s, the parent of %s", ErrShallow, hash, queue[0].Hash)
			}
			if err != nil {
				return nil, err
			}
			found[hash] = parent
			queue = append(queue, parent)
		}
	}
	var list []*object.Commit
	for ready := (newestFirst{head}); len(ready) > 0; {
		commit, _ := heap.Pop(&ready).(*object.Commit)
		list = append(list, commit)
		for _, hash := range commit.ParentHashes {
			if children[hash]--; children[hash] == 0 {
				heap.Push(&ready, found[hash])
			}
		}
	}
	return list, nil
}

// newestFirst is a heap of commits.
type newestFirst []*object.Commit

// Len implements heap.Interface.
func (n newestFirst) Len() int { return len(n) }

// Swap implements heap.Interface.
func (n newestFirst) Swap(i, j int) { n[i], n[j] = n[j], n[i] }

// Less implements heap.Interface.
func (n newestFirst) Less(i, j int) bool {
	newer := n[j].Committer.When.Compare(n[i].Committer.When)
	return cmp.Or(newer, cmp.Compare(n[i].Hash.String(), n[j].Hash.String())) < 0
}

// Push implements heap.Interface.
func (n *newestFirst) Push(x any) { *n = append(*n, x.(*object.Commit)) }

// Pop implements heap.Interface.
func (n *newestFirst) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}

// historyReader collects a history.
type historyReader struct {
	ctx     context.Context //nolint:containedctx // one reader serves one call
	repo    *git.Repository
	history *autospec.History
	trees   map[plumbing.Hash]rootFiles
	// left are the bytes that still may be read, leftIncluded those of files
	// that are neither spec nor changelog.
	left, leftIncluded int64
}

// rootFiles are the blobs of a tree that matter; empty where there is none.
type rootFiles struct{ spec, changelog string }

// add adds a commit.
func (r *historyReader) add(commit *object.Commit) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	files, seen := r.trees[commit.TreeHash]
	if !seen {
		var err error
		if files, err = r.readTree(commit.TreeHash); err != nil {
			return err
		}
		r.trees[commit.TreeHash] = files
	}
	info := describe(commit)
	r.history.Commits = append(r.history.Commits, autospec.Commit{
		ID: info.Hash, Parents: info.Parents, Tree: commit.TreeHash.String(), SpecBlob: files.spec, ChangelogBlob: files.changelog,
		Author: info.Author, Time: info.Committed.Unix(), Message: info.Message,
	})
	return nil
}

// mayRead is what a spec has that reads other files of its package when it is
// parsed.
var mayRead = regexp.MustCompile(`%include|%\{?load|%\(|%\{?lua|%\{?uncompress|%\[`)

// readTree reads the root of a tree, and all of it if the spec may read other
// files.
func (r *historyReader) readTree(hash plumbing.Hash) (files rootFiles, err error) {
	tree, err := r.repo.TreeObject(hash)
	if err != nil {
		return files, err
	}
	for _, entry := range tree.Entries {
		if entry.Mode != filemode.Regular && entry.Mode != filemode.Executable && entry.Mode != filemode.Deprecated {
			continue
		}
		switch entry.Name {
		case r.history.Spec:
			files.spec = entry.Hash.String()
			err = r.readBlob(entry.Hash, maxSpecBytes)
		case changelogFile:
			files.changelog = entry.Hash.String()
			err = r.readBlob(entry.Hash, maxChangelogBytes)
		}
		if err != nil {
			return files, fmt.Errorf("file %s: %w", entry.Name, err)
		}
	}
	if files.spec == "" || !mayRead.Match(r.history.Blobs[files.spec]) {
		return files, nil
	}
	return files, r.readIncluded(hash)
}

// readBlob puts a content of at most limit bytes into the history.
func (r *historyReader) readBlob(hash plumbing.Hash, limit int64) error {
	if _, ok := r.history.Blobs[hash.String()]; ok {
		return nil
	}
	blob, err := r.repo.BlobObject(hash)
	if err != nil {
		return err
	}
	if blob.Size > limit {
		return &LimitError{What: "bytes in the file", Limit: limit}
	}
	if r.left -= blob.Size; r.left < 0 {
		return &LimitError{What: "bytes in all versions of the spec", Limit: autospec.MaxBytes}
	}
	reader, err := blob.Reader()
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	content, err := io.ReadAll(newCappedReader(reader, limit, "bytes in the file"))
	r.history.Blobs[hash.String()] = content
	return err
}

// readIncluded reads the files of a tree that its spec may read: all that are
// not too big, as long as there is room. What is left out may make an old spec
// one that can't be parsed, which rpmautospec's rules put up with.
func (r *historyReader) readIncluded(hash plumbing.Hash) error {
	tree := &Tree{repo: r.repo, blobs: make(map[string]plumbing.Hash), sizes: make(map[plumbing.Hash]int64)}
	left := maxTreeEntries
	if err := tree.walk(r.ctx, hash, "", 0, &left); err != nil {
		return err
	}
	list := []autospec.File{}
	for _, file := range tree.files {
		blob := tree.blobs[file.Name]
		if file.Size > maxIncludedBytes || strings.HasSuffix(file.Name, ".spec") {
			continue
		}
		if _, ok := r.history.Blobs[blob.String()]; !ok {
			if r.leftIncluded < file.Size {
				continue
			}
			r.leftIncluded -= file.Size
		}
		if err := r.readBlob(blob, maxIncludedBytes); err != nil {
			return fmt.Errorf("file %q: %w", file.Name, err)
		}
		list = append(list, autospec.File{Name: file.Name, Blob: blob.String()})
	}
	r.history.Trees[hash.String()] = list
	return nil
}
