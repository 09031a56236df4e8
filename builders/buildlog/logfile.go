package buildlog

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/distbot/distbot/builders/diagnosis"
)

// File is a log that people follow while it grows, up to a size. It takes
// one Write at a time.
type File struct {
	file *os.File
	left int64
	size int64
}

// Create makes an empty log at path that takes size bytes.
func Create(path string, size int64) (*File, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("buildlog: create log: %w", err)
	}
	return &File{file: file, left: size, size: size}, nil
}

// Write implements io.Writer. At the end of the log it returns a
// *diagnosis.Limit, which ends the run that printed.
func (l *File) Write(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.full()
	}
	n, err := l.file.Write(p[:min(int64(len(p)), l.left)])
	if err != nil {
		return n, fmt.Errorf("buildlog: write log: %w", err)
	}
	if l.left -= int64(n); n < len(p) {
		l.left = -1
		fmt.Fprintf(l.file, "\n[this log ends here: more than %s were printed]\n", SizeText(l.size))
		return n, l.full()
	}
	return n, nil
}

func (l *File) full() error {
	return &diagnosis.Limit{Kind: diagnosis.KindLogSize, Reason: fmt.Sprintf("more than %s were printed to %s", SizeText(l.size), filepath.Base(l.file.Name()))}
}

// Close closes the file. Nothing is lost by an error of it: what could not be
// written, Write has told.
func (l *File) Close() { l.file.Close() }
