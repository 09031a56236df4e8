package tasklog

import (
	"bufio"
	"errors"
	"io"
)

// pieceSize is the longest line that is made printable as a whole.
const pieceSize = 64 << 10

// Reader returns what r gives as Printable makes it, line by line. Lines
// longer than 64 KiB are treated in pieces.
func Reader(r io.Reader) io.Reader {
	return &reader{lines: bufio.NewReaderSize(r, pieceSize)}
}

type reader struct {
	lines *bufio.Reader
	ready []byte
	err   error
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		line, err := r.lines.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			r.err = err
		}
		r.ready = append(r.ready[:0], Printable(string(line))...)
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}
