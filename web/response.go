package web

import (
	"io"
	"net/http"
	"time"
)

const (
	// writeTimeout is how long a client may take to accept one write.
	writeTimeout = 30 * time.Second
	// writePiece is the most that one write of a file may be.
	writePiece = 1 << 20
)

// response bounds how long a client may take, however much it gets, and
// remembers what was sent. For one request only.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	started bool
	status  int
	bytes   int64
}

// Unwrap lets http.ResponseController reach what is below.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if !w.started {
		w.started, w.status = true, status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom for http.ServeContent, so that the kernel
// can copy files (sendfile), in pieces with a deadline each.
func (w *response) ReadFrom(src io.Reader) (total int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	for limited.N > 0 {
		w.begin()
		n, err := io.CopyN(w.ResponseWriter, limited.R, min(limited.N, writePiece))
		limited.N -= n
		total, w.bytes = total+n, w.bytes+n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// begin gives the client time for the next write.
func (w *response) begin() {
	if !w.started {
		w.started, w.status = true, http.StatusOK
	}
	// Writers of tests know no deadlines.
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
}

// release takes the deadline from the connection, which may go on to serve
// requests of others who set none.
func (w *response) release() { _ = w.control.SetWriteDeadline(time.Time{}) }
