package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/distbot/distbot/internal/repomd"
)

// maxRPMBytes bounds an RPM of which primary.xml gives no size.
const maxRPMBytes = 16 << 30

// RPM opens a package of the snapshot, which is checked against its checksum and
// size and stands at its beginning. From the web it is fetched into the cache
// first, where a download that was interrupted goes on where it stopped. The
// error wraps ErrDamaged when it is another file than primary.xml says,
// fs.ErrNotExist when it is gone, or is that of the file system, network or
// context. Close the file.
func (s *Snapshot) RPM(ctx context.Context, p repomd.PrimaryPackage) (*os.File, error) {
	f, err := s.rpm(ctx, p)
	if errors.Is(err, repomd.ErrChecksum) {
		err = fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot: %s: %s at %q: %w", s.Source, p.NEVRA, p.Href, err)
	}
	return f, nil
}

func (s *Snapshot) rpm(ctx context.Context, p repomd.PrimaryPackage) (*os.File, error) {
	if !repomd.IsChecksum(p.ChecksumType, p.Checksum) {
		return nil, fmt.Errorf("primary.xml gives neither SHA-256 nor SHA-512 of it, but %.40q: %w", p.ChecksumType, repomd.ErrChecksum)
	}
	limit := int64(maxRPMBytes)
	if p.Size > 0 {
		limit = min(limit, p.Size)
	}
	w := wanted{p.Href, p.ChecksumType, p.Checksum, p.Size, limit, "rpms/" + p.Checksum[:2] + "/" + p.ChecksumType + "-" + p.Checksum + ".rpm"}
	f, err := s.origin.file(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := check(f, w.kind, w.sum, w.size, w.limit); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Find looks whether a package is where the snapshot says, with the size that it
// says, without reading it. Errors are those of RPM.
func (s *Snapshot) Find(ctx context.Context, p repomd.PrimaryPackage) error {
	size, err := s.origin.size(ctx, p.Href)
	if err == nil && size >= 0 && p.Size > 0 && size != p.Size {
		err = fmt.Errorf("%d bytes, primary.xml says %d: %w", size, p.Size, ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("snapshot: %s: %s at %q: %w", s.Source, p.NEVRA, p.Href, err)
	}
	return nil
}
