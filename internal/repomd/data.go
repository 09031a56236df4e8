package repomd

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// dataFile is one document on its way into repodata: hashed before and after
// compression, under a temporary name until its checksum is known.
type dataFile struct {
	root         *os.Root
	f            *os.File
	name, suffix string // "primary", ".xml" or ".xml.gz"
	closed, open counter
	buffer       *bufio.Writer
	gzip         *gzip.Writer // nil when not compressed
	done         bool
}

// counter hashes and counts what is written to it.
type counter struct {
	hash.Hash
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Hash.Write(p)
	c.n += int64(n)
	return n, err
}

func createData(root *os.Root, name, suffix string, compress bool) (*dataFile, error) {
	d := &dataFile{root: root, name: name, suffix: suffix, closed: counter{Hash: sha256.New()}, open: counter{Hash: sha256.New()}}
	var err error
	d.f, err = root.OpenFile(d.tmp(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("repomd: write %s: %w", name, err)
	}
	d.buffer = bufio.NewWriterSize(io.MultiWriter(d.f, &d.closed), 64<<10)
	if compress {
		d.suffix += ".gz"
		// The zero header has neither name nor modification time.
		d.gzip = gzip.NewWriter(d.buffer)
	}
	return d, nil
}

func (d *dataFile) tmp() string { return ".tmp-" + d.name }

// Write adds uncompressed bytes; errors are sticky and come back from finish.
func (d *dataFile) Write(p []byte) (int, error) {
	if _, err := d.open.Write(p); err != nil {
		return 0, err
	}
	if d.gzip != nil {
		return d.gzip.Write(p)
	}
	return d.buffer.Write(p)
}

// finish syncs the file and gives it the name that carries its checksum.
func (d *dataFile) finish() (Data, error) {
	var err error
	if d.gzip != nil {
		err = d.gzip.Close()
	}
	d.done = true
	if err := errors.Join(err, d.buffer.Flush(), d.f.Sync(), d.f.Close()); err != nil {
		return Data{}, fmt.Errorf("repomd: write %s: %w", d.name, err)
	}
	data := Data{Type: d.name, SHA256: hex.EncodeToString(d.closed.Sum(nil)), Size: d.closed.n}
	if d.gzip != nil {
		data.OpenSHA256, data.OpenSize = hex.EncodeToString(d.open.Sum(nil)), d.open.n
	}
	file := data.SHA256 + "-" + d.name + d.suffix
	data.Href = "repodata/" + file
	if err := d.root.Rename(d.tmp(), file); err != nil {
		return Data{}, fmt.Errorf("repomd: write %s: %w", d.name, err)
	}
	return data, nil
}

// abort closes a file that was not finished; nil and finished ones are left.
func (d *dataFile) abort() {
	if d != nil && !d.done {
		d.f.Close()
	}
}

func writeData(root *os.Root, name, suffix string, compress bool, text []byte) (Data, error) {
	d, err := createData(root, name, suffix, compress)
	if err != nil {
		return Data{}, err
	}
	defer d.abort()
	if _, err := d.Write(text); err != nil {
		return Data{}, fmt.Errorf("repomd: write %s: %w", name, err)
	}
	return d.finish()
}
