package mock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildlog"
)

// copySources copies a checkout as mock may read it. Owners, modes and times of
// the checkout are this host's matter and do not get into source packages.
// Links stay links.
func copySources(to, from string, epoch time.Time) error {
	source, err := os.OpenRoot(from)
	if err != nil {
		return fmt.Errorf("mock: open sources: %w", err)
	}
	defer source.Close()
	err = fs.WalkDir(source.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		target := filepath.Join(to, name)
		switch {
		case err != nil || name == ".":
			return err
		case entry.IsDir():
			return os.Mkdir(target, 0o755)
		case entry.Type() == fs.ModeSymlink:
			text, err := source.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(text, target)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a directory", name)
		}
		file, err := source.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		return writeCopy(target, file, epoch)
	})
	if err != nil {
		return fmt.Errorf("mock: copy sources: %w", err)
	}
	return nil
}

// copyFile copies one file of this host.
func copyFile(to, from string, epoch time.Time) error {
	file, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("mock: open input: %w", err)
	}
	defer file.Close()
	if err := writeCopy(to, file, epoch); err != nil {
		return fmt.Errorf("mock: copy input: %w", err)
	}
	return nil
}

func writeCopy(to string, from io.Reader, when time.Time) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Chmod(0o644), out.Close(), os.Chtimes(to, when, when))
}

// maxFiles bounds how many packages a build may leave.
const maxFiles = 5000

// collect copies the packages that are asked for to the order's result
// directory. mock leaves nothing but files among its results; the build itself
// can't write there.
func (j *job) collect(t task) error {
	result, err := os.OpenRoot(j.path("result"))
	if err != nil {
		return fmt.Errorf("mock: open results: %w", err)
	}
	defer result.Close()
	entries, err := fs.ReadDir(result.FS(), ".")
	if err != nil {
		return fmt.Errorf("mock: read results: %w", err)
	}
	refuse := func(format string, args ...any) error {
		return &builders.Failure{Phase: builders.PhaseFiles, Reason: fmt.Sprintf(format, args...)}
	}
	left, count := j.driver.config.Disk, 0
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".rpm") || !t.wanted(name) {
			continue
		}
		if !entry.Type().IsRegular() || !printable(name) {
			return refuse("the build left %.100q, which is no regular file with a printable name", name)
		}
		if count++; count > maxFiles {
			return refuse("the build left more than %d packages", maxFiles)
		}
		n, err := takeFile(result, name, filepath.Join(j.order.ResultDir, name), left)
		if err != nil {
			return fmt.Errorf("mock: take %s: %w", name, err)
		}
		if left -= n; left < 0 {
			return refuse("the build left packages of more than %s", buildlog.SizeText(j.driver.config.Disk))
		}
	}
	return nil
}

// takeFile copies a file, and at most one byte more than limit of it.
func takeFile(from *os.Root, name, to string, limit int64) (int64, error) {
	in, err := from.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, limit+1))
	return n, errors.Join(err, out.Close())
}

// printable says whether a name can be shown and stored as it is.
func printable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// maxTail bounds what is read of mock's own messages.
const maxTail = 64 << 10

// readTail reads the end of a file; what can't be read is empty.
func readTail(path string) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > maxTail {
		_, _ = file.Seek(-maxTail, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(file, maxTail))
	return text
}
