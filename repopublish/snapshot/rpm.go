package snapshot

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/distbot/distbot/internal/repomd"
)

// maxRPMBytes bounds an RPM of which primary.xml gives no size.
const maxRPMBytes = 16 << 30

// RPM opens a package of the snapshot, which is checked against its checksum and
// size and stands at its beginning. From the web it is fetched into the cache
// first, where a download that was interrupted goes on where it stopped. The
// error wraps ErrDamaged when it is another file than primary.xml says,
// ErrElsewhere when the repository does not have it itself, fs.ErrNotExist when it
// is gone, ErrDenied when the server does not give it, or is that of the file
// system, network or context. Close the file.
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
	w, err := s.wanted(p)
	if err != nil {
		return nil, err
	}
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

// wanted is the file of a package.
func (s *Snapshot) wanted(p repomd.PrimaryPackage) (wanted, error) {
	if err := s.checkBase(p); err != nil {
		return wanted{}, err
	}
	if !repomd.IsChecksum(p.ChecksumType, p.Checksum) {
		return wanted{}, fmt.Errorf("primary.xml gives neither SHA-256 nor SHA-512 of it, but %.40q: %w", p.ChecksumType, repomd.ErrChecksum)
	}
	limit := int64(maxRPMBytes)
	if p.Size > 0 {
		limit = min(limit, p.Size)
	}
	return wanted{p.Href, p.ChecksumType, p.Checksum, p.Size, limit, "rpms/" + p.Checksum[:2] + "/" + p.ChecksumType + "-" + p.Checksum + ".rpm"}, nil
}

// Find looks whether a package is where the snapshot says, with the size that it
// says, without reading it. Errors are those of RPM.
func (s *Snapshot) Find(ctx context.Context, p repomd.PrimaryPackage) error {
	size := int64(-1)
	err := s.checkBase(p)
	if err == nil {
		size, err = s.origin.size(ctx, p.Href)
	}
	if err == nil && size >= 0 && p.Size > 0 && size != p.Size {
		err = fmt.Errorf("%d bytes, primary.xml says %d: %w", size, p.Size, ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("snapshot: %s: %s at %q: %w", s.Source, p.NEVRA, p.Href, err)
	}
	return nil
}

// checkBase refuses what is in another repository. A base that is the
// repository's own address changes nothing.
func (s *Snapshot) checkBase(p repomd.PrimaryPackage) error {
	if p.Base == "" || s.isOwn(p.Base) {
		return nil
	}
	base := "another address"
	if u, err := url.Parse(p.Base); err == nil { // else it may hold a password
		base = u.Redacted()
	}
	return fmt.Errorf("its xml:base is %.300q: %w", base, ErrElsewhere)
}

// isOwn says whether an address is the snapshot's.
func (s *Snapshot) isOwn(base string) bool {
	own := s.Location
	if !s.IsURL() {
		base = strings.TrimPrefix(base, "file://")
	}
	return strings.TrimRight(base, "/") == strings.TrimRight(own, "/")
}
