package distgit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Bounds of one tree. dist-git trees have tens of files; a few objects that
// refer to each other can spell out billions.
const (
	maxTreeEntries = 20_000
	maxTreeDepth   = 64
	maxPathBytes   = 4096
	maxMessage     = 64 << 10
)

// Tree is the files of one commit, read from a mirror without a work tree.
// Several Trees of one mirror may be used at once; one Tree serves one
// goroutine at a time. There is nothing to close.
type Tree struct {
	commit  Commit
	repo    *git.Repository
	files   []File
	blobs   map[string]plumbing.Hash
	sizes   map[plumbing.Hash]int64
	skipped []Skipped
}

// Commit is what a commit says about itself. Nothing of it is verified: names,
// times and text are whatever its author chose.
type Commit struct {
	// Hash is the full object id.
	Hash string
	// Parents are full object ids, first parent first.
	Parents []string
	// Author is "NAME <MAIL>".
	Author string
	// Committed is the committer's time, the one for SOURCE_DATE_EPOCH.
	Committed time.Time
	// Subject is the message's first line.
	Subject string
	// Message is the whole message, cut at 64 KiB.
	Message string
}

// File is a regular file.
type File struct {
	// Name is the path below the root of the tree, with slashes.
	Name string
	// Size is in bytes.
	Size       int64
	Executable bool
}

// Skipped is a tree entry that a Tree does not show as a file.
type Skipped struct {
	Name   string
	Reason string
}

// Tree opens the tree of commit, which an earlier Fetch brought. Only regular
// files are in it; symbolic links, submodules and names with control characters
// are listed by Skipped. Errors: ErrCommitNotFound, ErrNotAllowed for names
// that are unsafe on a file system, *LimitError.
func (m *Mirrors) Tree(ctx context.Context, remote Remote, commit string) (*Tree, error) {
	repo, found, err := m.openCommit(remote, commit)
	if err != nil {
		return nil, fmt.Errorf("distgit: read the tree of %s of %s: %w", remote.ID, remote.Forge, err)
	}
	t := &Tree{commit: describe(found), repo: repo, blobs: make(map[string]plumbing.Hash), sizes: make(map[plumbing.Hash]int64)}
	left := maxTreeEntries
	if err := t.walk(ctx, found.TreeHash, "", 0, &left); err != nil {
		return nil, fmt.Errorf("distgit: read the tree of %s: %w", commit, err)
	}
	return t, nil
}

// describe copies what we want to know of a commit.
func describe(c *object.Commit) Commit {
	message := c.Message
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	message = strings.ToValidUTF8(message, "\uFFFD")
	subject, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	info := Commit{
		Hash:      c.Hash.String(),
		Author:    strings.ToValidUTF8(fmt.Sprintf("%s <%s>", c.Author.Name, c.Author.Email), "\uFFFD"),
		Committed: c.Committer.When,
		Subject:   strings.TrimSpace(subject),
		Message:   message,
	}
	for _, parent := range c.ParentHashes {
		info.Parents = append(info.Parents, parent.String())
	}
	return info
}

// walk adds the entries of the tree object hash, which is the folder dir. It
// reads tree objects itself: go-git's walker passes over objects that are
// missing, and refuses names that only Windows minds.
func (t *Tree) walk(ctx context.Context, hash plumbing.Hash, dir string, depth int, left *int) error {
	if depth > maxTreeDepth {
		return &LimitError{What: "folders inside one another", Limit: maxTreeDepth}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tree, err := t.repo.TreeObject(hash)
	if err != nil {
		return fmt.Errorf("folder %q: %w", dir, err)
	}
	for _, entry := range tree.Entries {
		if *left--; *left < 0 {
			return &LimitError{What: "entries in the tree", Limit: maxTreeEntries}
		}
		name := path.Join(dir, entry.Name)
		if err := checkEntryName(entry.Name, name); err != nil {
			return err
		}
		if reason := skipReason(entry); reason != "" {
			t.skipped = append(t.skipped, Skipped{Name: strings.ToValidUTF8(name, "\uFFFD"), Reason: reason})
			continue
		}
		if entry.Mode == filemode.Dir {
			if err := t.walk(ctx, entry.Hash, name, depth+1, left); err != nil {
				return err
			}
			continue
		}
		if _, seen := t.sizes[entry.Hash]; !seen {
			if t.sizes[entry.Hash], err = t.repo.Storer.EncodedObjectSize(entry.Hash); err != nil {
				return fmt.Errorf("file %q: %w", name, err)
			}
		}
		if _, twice := t.blobs[name]; twice {
			return fmt.Errorf("name %q: %w: it is there twice", name, ErrNotAllowed)
		}
		t.blobs[name] = entry.Hash
		t.files = append(t.files, File{Name: name, Size: t.sizes[entry.Hash], Executable: entry.Mode == filemode.Executable})
	}
	return nil
}

// checkEntryName refuses what git itself refuses to check out.
func checkEntryName(entry, name string) error {
	if entry == "" || entry == "." || entry == ".." || strings.EqualFold(entry, ".git") || strings.ContainsAny(entry, "/\x00") {
		return fmt.Errorf("name %q: %w in a tree", name, ErrNotAllowed)
	}
	if len(name) > maxPathBytes {
		return &LimitError{What: "bytes in a path", Limit: maxPathBytes}
	}
	return nil
}

// skipReason says why an entry is neither a file nor a folder to us; empty when
// it is one.
func skipReason(entry object.TreeEntry) string {
	switch entry.Mode {
	case filemode.Symlink:
		return "symbolic link"
	case filemode.Submodule:
		return "submodule"
	case filemode.Dir, filemode.Regular, filemode.Deprecated, filemode.Executable:
		if !utf8.ValidString(entry.Name) {
			return "name is not UTF-8"
		}
		if strings.ContainsFunc(entry.Name, unicode.IsControl) {
			return "control character in the name"
		}
		return ""
	}
	return "unknown mode " + entry.Mode.String()
}

// Commit describes the commit.
func (t *Tree) Commit() Commit { return t.commit }

// Files lists the regular files of all folders, in git's order. The caller must
// not change the slice.
func (t *Tree) Files() []File { return t.files }

// Skipped lists what was left out. The caller must not change the slice.
func (t *Tree) Skipped() []Skipped { return t.skipped }

// ReadFile returns the content of one file of at most limit bytes. Errors:
// fs.ErrNotExist when there is no such regular file (a symbolic link is none),
// *LimitError.
func (t *Tree) ReadFile(name string, limit int64) ([]byte, error) {
	content, err := t.readFile(name, limit)
	if err != nil {
		return nil, fmt.Errorf("distgit: read %q at %s: %w", name, t.commit.Hash, err)
	}
	return content, nil
}

func (t *Tree) readFile(name string, limit int64) ([]byte, error) {
	reader, err := t.open(name, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }()
	return io.ReadAll(newCappedReader(reader, limit, "bytes in "+name))
}

// open returns a reader of a file whose size is at most limit.
func (t *Tree) open(name string, limit int64) (io.ReadCloser, error) {
	hash, ok := t.blobs[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if t.sizes[hash] > limit {
		return nil, &LimitError{What: "bytes in " + name, Limit: limit}
	}
	blob, err := t.repo.BlobObject(hash)
	if err != nil {
		return nil, err
	}
	return blob.Reader()
}

// ExportLimits bound what Export writes. All must be set.
type ExportLimits struct {
	// Files is the most files.
	Files int
	// FileBytes is the most bytes in one file, TotalBytes in all.
	FileBytes, TotalBytes int64
}

// Export writes all files below root, which should be empty: a file that is
// there already is an error, whatever it is. Folders get mode 0755, files 0644
// or 0755, as the umask permits. The limits are checked before anything is
// written; what was written before another error stays. Errors: *LimitError,
// *TemporaryError for a full disk.
func (t *Tree) Export(ctx context.Context, root *os.Root, limits ExportLimits) error {
	if err := t.export(ctx, root, limits); err != nil {
		return fmt.Errorf("distgit: export %s: %w", t.commit.Hash, classify(ctx, err))
	}
	return nil
}

func (t *Tree) export(ctx context.Context, root *os.Root, limits ExportLimits) error {
	if len(t.files) > limits.Files {
		return &LimitError{What: "files", Limit: int64(limits.Files)}
	}
	var total int64
	for _, file := range t.files {
		if file.Size > limits.FileBytes {
			return &LimitError{What: "bytes in " + file.Name, Limit: limits.FileBytes}
		}
		if total += file.Size; total > limits.TotalBytes {
			return &LimitError{What: "bytes in all files", Limit: limits.TotalBytes}
		}
	}
	for _, file := range t.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.exportFile(root, file); err != nil {
			return err
		}
	}
	return nil
}

// exportFile writes one file. O_EXCL never follows a link, and root keeps the
// folders inside.
func (t *Tree) exportFile(root *os.Root, file File) (err error) {
	if dir := path.Dir(file.Name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	mode := os.FileMode(0o644)
	if file.Executable {
		mode = 0o755
	}
	reader, err := t.open(file.Name, file.Size)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	out, err := root.OpenFile(file.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, newCappedReader(reader, file.Size, "bytes in "+file.Name))
	return errors.Join(err, out.Close())
}
