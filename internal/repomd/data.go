package repomd

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// dataFile is one document on its way into repodata: hashed before and after
// compression, under a temporary name until its checksum is known.
type dataFile struct {
	root         *os.Root
	f            *os.File
	name, suffix string // "primary", ".xml" or ".xml.gz"
	packed       bool
	closed, open counter
	buffer       *bufio.Writer
	done         bool
}

// createData begins a document. What an interrupted writer left under its
// temporary name is removed: who writes into a directory has it alone.
func createData(root *os.Root, name, suffix string, packed bool) (*dataFile, error) {
	d := &dataFile{
		root: root, name: name, suffix: suffix, packed: packed,
		closed: newCounter(), open: newCounter(),
	}
	if err := root.Remove(d.tmp()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("repomd: write %s: %w", name, err)
	}
	var err error
	d.f, err = root.OpenFile(d.tmp(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("repomd: write %s: %w", name, err)
	}
	d.buffer = bufio.NewWriterSize(io.MultiWriter(d.f, &d.closed), 256<<10)
	return d, nil
}

func (d *dataFile) tmp() string { return ".tmp-" + d.name + d.suffix }

// text adds uncompressed text, whose compressed form is added by member.
func (d *dataFile) text(p []byte) {
	_, _ = d.open.Write(p) // a hash never fails
}

// member adds bytes as they stand in the file. Errors are sticky and come back
// from finish.
func (d *dataFile) member(p []byte) {
	_, _ = d.buffer.Write(p)
}

// finish syncs the file and gives it the name that carries its checksum.
func (d *dataFile) finish() (Data, error) {
	d.done = true
	if err := errors.Join(d.buffer.Flush(), d.f.Sync(), d.f.Close()); err != nil {
		return Data{}, fmt.Errorf("repomd: write %s: %w", d.name, errors.Join(err, d.root.Remove(d.tmp())))
	}
	data := Data{Type: d.name, SHA256: hex.EncodeToString(d.closed.Sum(nil)), Size: d.closed.n}
	if d.packed {
		data.OpenSHA256, data.OpenSize = hex.EncodeToString(d.open.Sum(nil)), d.open.n
	}
	file := data.SHA256 + "-" + d.name + d.suffix
	data.Href = "repodata/" + file
	// A file of this name has these bytes.
	if err := d.root.Rename(d.tmp(), file); err != nil {
		return Data{}, fmt.Errorf("repomd: write %s: %w", d.name, err)
	}
	return data, nil
}

// abort closes and removes a file that was not finished; nil and finished ones
// are left.
func (d *dataFile) abort() {
	if d != nil && !d.done {
		d.done = true
		_ = errors.Join(d.f.Close(), d.root.Remove(d.tmp())) // the error that led here is told
	}
}

// writeData writes a whole document, compressed where a compression is given.
func writeData(root *os.Root, name, suffix string, compression Compression, text []byte) (Data, error) {
	packed, member := compression != "", text
	if packed {
		suffix += compression.suffix()
		var err error
		if member, err = compression.member(text); err != nil {
			return Data{}, err
		}
	}
	d, err := createData(root, name, suffix, packed)
	if err != nil {
		return Data{}, err
	}
	defer d.abort()
	d.text(text)
	d.member(member)
	return d.finish()
}
