package remote

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Bounds of the sources of a package.
const (
	maxSourceFiles = 100_000
	maxSourceBytes = 32 << 30
)

// fetchSources brings the sources of a source task to dir.
func (a *attempt) fetchSources(ctx context.Context, dir string) error {
	if err := emptyDir(dir); err != nil {
		return local(err)
	}
	response, err := a.get(ctx, "sources", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, stop := watched(response.Body)
	defer stop()
	return extract(body, dir)
}

// emptyDir removes what an earlier try left in dir.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// local marks an error of this host's disk.
func local(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errLocal, err)
}

// extract writes the directories and regular files of a tar below dir, and
// refuses everything else.
func extract(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return local(err)
	}
	defer root.Close()
	in, left := tar.NewReader(r), int64(maxSourceBytes)
	for n := 0; ; n++ {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("remote: read sources: %w", err)
		}
		if n >= maxSourceFiles {
			return local(fmt.Errorf("the sources are more than %d files", maxSourceFiles))
		}
		if left -= header.Size; left < 0 || header.Size < 0 {
			return local(fmt.Errorf("the sources have more than %d bytes", int64(maxSourceBytes)))
		}
		if err := extractOne(root, in, header); err != nil {
			return err
		}
	}
}

// sparse reports whether a file has holes: small in the tar, it could be huge on
// the disk.
func sparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return header.Typeflag == tar.TypeGNUSparse
}

func extractOne(root *os.Root, in io.Reader, header *tar.Header) error {
	name := strings.TrimSuffix(header.Name, "/")
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00") {
		return local(fmt.Errorf("%.200q among the sources is no path", header.Name))
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return local(root.MkdirAll(name, 0o755))
	case tar.TypeReg:
	default:
		return local(fmt.Errorf("%.200q among the sources is no regular file", header.Name))
	}
	if sparse(header) {
		return local(fmt.Errorf("%.200q among the sources has holes", header.Name))
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return local(err)
	}
	mode := fs.FileMode(0o644)
	if header.Mode&0o100 != 0 {
		mode = 0o755
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return local(err)
	}
	defer file.Close()
	if err := copyTo(file, in); err != nil {
		return err
	}
	// Whatever the umask: builds, which are strangers here, read the sources.
	return local(errors.Join(file.Chmod(mode), root.Chtimes(name, header.ModTime, header.ModTime), file.Close()))
}

// copyTo copies r to a file and tells errors of the file from those of r.
func copyTo(file *os.File, r io.Reader) error {
	_, err := io.Copy(fileWriter{file}, r)
	if err != nil && !errors.Is(err, errLocal) {
		return fmt.Errorf("remote: receive: %w", err)
	}
	return err
}

type fileWriter struct{ file *os.File }

// Write implements io.Writer.
func (w fileWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	return n, local(err)
}

// fetchSourcePackage brings what packages are built from to path. What an
// earlier try has received is not asked for again.
func (a *attempt) fetchSourcePackage(ctx context.Context, path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return local(err)
	}
	defer file.Close()
	have, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return local(err)
	}
	if have < a.work.SRPM.Size {
		if err := a.receiveRest(ctx, file, have); err != nil {
			return err
		}
	}
	if err := a.checkSourcePackage(file); err != nil {
		// The next try begins at the beginning.
		return errors.Join(err, local(file.Truncate(0)))
	}
	return local(errors.Join(file.Chmod(0o644), file.Close()))
}

// receiveRest receives what follows the first have bytes of the source package.
func (a *attempt) receiveRest(ctx context.Context, file *os.File, have int64) error {
	header := http.Header{}
	if have > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(have, 10)+"-")
	}
	response, err := a.get(ctx, "source-package", header)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if have > 0 && response.StatusCode != http.StatusPartialContent {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return local(err)
		}
		have = 0
	}
	body, stop := watched(response.Body)
	defer stop()
	return copyTo(file, io.LimitReader(body, a.work.SRPM.Size-have+1))
}

// checkSourcePackage makes sure that the file is what the work says.
func (a *attempt) checkSourcePackage(file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return local(err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return local(err)
	}
	if n != a.work.SRPM.Size || hex.EncodeToString(sum.Sum(nil)) != a.work.SRPM.SHA256 {
		return fmt.Errorf("remote: %s arrived damaged", a.work.SRPM.Name)
	}
	return nil
}

// watched ends the reading of a body that brings no byte for a minute.
func watched(body io.ReadCloser) (r io.Reader, stop func()) {
	timer := time.AfterFunc(stall, func() { _ = body.Close() })
	return watchedReader{body, timer}, func() { timer.Stop() }
}

type watchedReader struct {
	io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (r watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.timer.Reset(stall)
	return n, err
}
