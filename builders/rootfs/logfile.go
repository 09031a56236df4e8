package rootfs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/distbot/distbot/builders"
)

// logFile is a log that people follow while it grows, up to a size. It takes
// one Write at a time.
type logFile struct {
	file *os.File
	left int64
	size int64
}

func createLog(path string, size int64) (*logFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("rootfs: create log: %w", err)
	}
	return &logFile{file: file, left: size, size: size}, nil
}

// Write implements io.Writer. At the end of the log it returns a
// *builders.Failure, which ends the run that printed.
func (l *logFile) Write(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.full()
	}
	n, err := l.file.Write(p[:min(int64(len(p)), l.left)])
	if err != nil {
		return n, fmt.Errorf("rootfs: write log: %w", err)
	}
	if l.left -= int64(n); n < len(p) {
		l.left = -1
		fmt.Fprintf(l.file, "\n[this log ends here: more than %s were printed]\n", sizeText(l.size))
		return n, l.full()
	}
	return n, nil
}

func (l *logFile) full() error {
	return &builders.Failure{Reason: fmt.Sprintf("more than %s were printed to %s", sizeText(l.size), filepath.Base(l.file.Name()))}
}

// close closes the file. Nothing is lost by an error of it: what could not be
// written, Write has told.
func (l *logFile) close() { l.file.Close() }
