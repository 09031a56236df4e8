package snapshot

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/repomd"
)

// Copy writes a package of the snapshot into an empty file: what is checked are the
// bytes that were written, so that it does not matter who changes the original
// meanwhile. Where the file system can, both share their blocks until one is
// changed. Errors are those of RPM, and of the file, of which nothing is known
// then.
func (s *Snapshot) Copy(ctx context.Context, p repomd.PrimaryPackage, to *os.File) error {
	err := s.copy(ctx, p, to)
	if errors.Is(err, repomd.ErrChecksum) {
		err = fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("snapshot: %s: %s at %q: %w", s.Source, p.NEVRA, p.Href, err)
	}
	return nil
}

func (s *Snapshot) copy(ctx context.Context, p repomd.PrimaryPackage, to *os.File) error {
	w, err := s.wanted(p)
	if err != nil {
		return err
	}
	from, err := s.origin.file(ctx, w)
	if err != nil {
		return err
	}
	defer from.Close()
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return check(to, w.kind, w.sum, w.size, w.limit)
	}
	sum, err := repomd.NewHash(w.kind)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(from, w.limit+1))
	if err != nil {
		return err
	}
	return w.compare(n, hex.EncodeToString(sum.Sum(nil)))
}
