package snapshot

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"time"
)

// Open implements fs.FS.
func (s *Snapshot) Open(name string) (fs.File, error) {
	if name == repomdHref {
		return &file{path.Base(name), int64(len(s.text)), bytes.NewReader(s.text)}, nil
	}
	f, ok := s.documents[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &file{path.Base(name), info.Size(), io.NewSectionReader(f, 0, info.Size())}, nil
}

// file is a document as fs.FS gives it; it is its own fs.FileInfo.
type file struct {
	name string
	size int64
	io.Reader
}

// Stat implements fs.File.
func (f *file) Stat() (fs.FileInfo, error) { return f, nil }

// Close implements fs.File. The document stays open for other readers.
func (f *file) Close() error { return nil }

// Name implements fs.FileInfo.
func (f *file) Name() string { return f.name }

// Size implements fs.FileInfo.
func (f *file) Size() int64 { return f.size }

// Mode implements fs.FileInfo.
func (f *file) Mode() fs.FileMode { return 0o444 }

// ModTime implements fs.FileInfo.
func (f *file) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (f *file) IsDir() bool { return false }

// Sys implements fs.FileInfo.
func (f *file) Sys() any { return nil }
