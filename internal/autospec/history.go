package autospec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of a history.
const (
	// MaxCommits is the most commits.
	MaxCommits = 30_000
	// MaxBytes is the most bytes of all files together.
	MaxBytes = 256 << 20
	// MaxMessage is the most bytes of a commit's message.
	MaxMessage = 64 << 10
)

// History is all that a package's commits say about its releases and changes.
// It is made where the repository is, and computed with where specs may be
// evaluated.
type History struct {
	// Spec is the spec's file name at the root of the tree.
	Spec string `json:"spec"`
	// Commits has each commit once, the newest first. All parents are in it.
	Commits []Commit `json:"commits"`
	// Blobs holds contents by their ids in Commit and File.
	Blobs map[string][]byte `json:"blobs"`
	// Trees holds, by Commit.Tree, the files of the trees whose spec may read
	// other files.
	Trees map[string][]File `json:"trees,omitempty"`
}

// Commit is one commit.
type Commit struct {
	// ID names it in Parents.
	ID      string   `json:"id"`
	Parents []string `json:"parents,omitempty"`
	// Tree is the same for commits with the same files.
	Tree string `json:"tree"`
	// SpecBlob and ChangelogBlob are the ids of the spec and of the file
	// changelog at the root; empty when the tree has no such file.
	SpecBlob      string `json:"spec_blob,omitempty"`
	ChangelogBlob string `json:"changelog_blob,omitempty"`
	// Author is "NAME <MAIL>".
	Author string `json:"author"`
	// Time is the committer's, in seconds since 1970 UTC.
	Time int64 `json:"time"`
	// Message is in UTF-8, cut at MaxMessage.
	Message string `json:"message"`
}

// File is a regular file of a tree.
type File struct {
	// Name is the path below the root, with slashes.
	Name string `json:"name"`
	Blob string `json:"blob"`
}

// Encode writes the history.
func (h *History) Encode(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(h); err != nil {
		return fmt.Errorf("autospec: write history: %w", err)
	}
	return nil
}

// Decode reads what Encode wrote and checks that it is whole.
func Decode(r io.Reader) (*History, error) {
	// Contents are in base64, and messages may be escaped to six times their
	// length, which real ones are not.
	limited := &io.LimitedReader{R: r, N: 2*MaxBytes + 1}
	h := new(History)
	decoder := json.NewDecoder(limited)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(h)
	if limited.N <= 0 {
		err = fmt.Errorf("it has more than %d bytes", 2*MaxBytes)
	}
	if err == nil {
		_, err = h.index()
	}
	if err != nil {
		return nil, fmt.Errorf("autospec: read history: %w", err)
	}
	return h, nil
}

// index finds commits by their ids, and checks that nothing is missing.
func (h *History) index() (map[string]int, error) {
	if len(h.Commits) == 0 {
		return nil, errors.New("it has no commits")
	}
	if len(h.Commits) > MaxCommits {
		return nil, fmt.Errorf("it has more than %d commits", MaxCommits)
	}
	byID := make(map[string]int, len(h.Commits))
	for i, commit := range h.Commits {
		byID[commit.ID] = i
	}
	if len(byID) != len(h.Commits) {
		return nil, errors.New("a commit is there twice")
	}
	for i, commit := range h.Commits {
		for _, parent := range commit.Parents {
			if at, ok := byID[parent]; !ok || at <= i {
				return nil, fmt.Errorf("the parent %s of commit %s does not follow it", parent, commit.ID)
			}
		}
		for _, blob := range []string{commit.SpecBlob, commit.ChangelogBlob} {
			if _, ok := h.Blobs[blob]; blob != "" && !ok {
				return nil, fmt.Errorf("commit %s: the content of %s is missing", commit.ID, blob)
			}
		}
		for _, file := range h.Trees[commit.Tree] {
			if _, ok := h.Blobs[file.Blob]; !ok {
				return nil, fmt.Errorf("commit %s: the content of %q is missing", commit.ID, file.Name)
			}
		}
	}
	return byID, nil
}
