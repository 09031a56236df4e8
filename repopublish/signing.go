package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/repopublish/signer"
)

var (
	// ErrNoKey is wrapped when a key is not known, neither here nor to the
	// signer.
	ErrNoKey = errors.New("there is no such key")

	// ErrNoSigner is wrapped when something would have to be signed and the
	// installation has no signer.
	ErrNoSigner = errors.New("this installation has no signer")
)

// Signer makes signatures: *signer.Client.
type Signer interface {
	SignRPM(ctx context.Context, key string, rpm *os.File, digest string) (*signer.Signature, error)
	SignRepomd(ctx context.Context, key string, document []byte) (*signer.Signature, error)
	Keys(ctx context.Context) ([]signer.Key, error)
}

// Signing has packages and repositories signed and keeps the signatures: those
// of packages apart from the packages, as Koji does, so that an unsigned package
// stays what it is and a signed copy can be made again. Safe for concurrent use,
// by any number of processes.
type Signing struct {
	Pool  *pgxpool.Pool
	Store *store.Store
	// Signer is nil for an installation without one: what was signed before stays
	// signed.
	Signer Signer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger is told of keys of the signer that can't be used; nil for nobody.
	Logger *slog.Logger
}

// signAtOnce is how many packages are signed at the same time.
const signAtOnce = 4

// headerRoom is by how much a signed copy may be larger than the package.
const headerRoom = 1 << 20

func (s *Signing) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.New(slog.DiscardHandler)
}

func (s *Signing) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// SignedCopies returns the copies of packages that are signed with a key, by the
// ids of the packages, and makes them where there are none: one package and one
// key have one copy, for ever. It lies in the store and below
// packages/…/data/signed/KEYID, its signature header in
// packages/…/data/sigcache/KEYID, as Koji's do.
//
// Errors wrap ErrNoKey, ErrNoSigner, signer.ErrUnreachable, *signer.RefusedError,
// pgx.ErrNoRows (no such package), or are those of the store and the database.
// To call it again after an error is safe.
func (s *Signing) SignedCopies(ctx context.Context, rpmIDs []int64, key string) (map[int64]store.Blob, error) {
	rows, err := db.New(s.Pool).SignaturesOfRPMs(ctx, rpmIDs)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list signatures: %w", err)
	}
	copies := make(map[int64]store.Blob, len(rpmIDs))
	for _, row := range rows {
		if row.Name == key && s.has(row.Sha256, row.Size) {
			copies[row.RpmID] = store.Blob{SHA256: row.Sha256, Size: row.Size}
		}
	}
	made := make([]store.Blob, len(rpmIDs))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(signAtOnce)
	for i, id := range rpmIDs {
		if _, there := copies[id]; there {
			continue
		}
		group.Go(func() (err error) {
			made[i], err = s.signedCopy(groupCtx, id, key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, id := range rpmIDs {
		if made[i].SHA256 != "" {
			copies[id] = made[i]
		}
	}
	return copies, nil
}

// has says whether the store has a file.
func (s *Signing) has(sha256 string, size int64) bool {
	blob, err := s.Store.Stat(sha256)
	return err == nil && blob.Size == size
}

// signedCopy makes a signed copy: again, where its signature is recorded and the
// copy is gone, or for the first time.
func (s *Signing) signedCopy(ctx context.Context, rpmID int64, key string) (store.Blob, error) {
	q := db.New(s.Pool)
	rpm, err := q.RPMForSigning(ctx, rpmID)
	if err != nil {
		return store.Blob{}, fmt.Errorf("repopublish: sign package %d: %w", rpmID, err)
	}
	file := path.Base(rpm.Path)
	recorded, err := q.RPMSignature(ctx, db.RPMSignatureParams{RpmID: rpmID, KeyName: key})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		blob, err := s.signFirst(ctx, rpm, key)
		if err != nil {
			return store.Blob{}, fmt.Errorf("repopublish: sign %s with the key %s: %w", file, key, err)
		}
		return blob, nil
	case err != nil:
		return store.Blob{}, fmt.Errorf("repopublish: sign %s: %w", file, err)
	case recorded.Header == nil:
		// It came with the signature; its bytes are gone from the store.
		_, err := s.Store.Stat(rpm.Sha256)
		return store.Blob{SHA256: rpm.Sha256, Size: rpm.Size}, err
	}
	blob, err := s.copyWith(ctx, rpm, recorded.Header, recorded.Sha256)
	if err == nil {
		err = s.link(ctx, rpm, recorded.Fingerprint, recorded.Header, blob)
	}
	if err != nil {
		return store.Blob{}, fmt.Errorf("repopublish: make the signed copy of %s again: %w", file, err)
	}
	return blob, nil
}

// signFirst has a package signed for the first time. The record comes last: what
// was interrupted is done again, with the same result.
func (s *Signing) signFirst(ctx context.Context, rpm db.RPMForSigningRow, name string) (store.Blob, error) {
	key, public, err := s.ownKey(ctx, name)
	if err != nil {
		return store.Blob{}, err
	}
	signature, header, err := s.headerFor(ctx, rpm, name, public)
	if err != nil {
		return store.Blob{}, err
	}
	blob, err := s.copyWith(ctx, rpm, header, "")
	if err != nil {
		return store.Blob{}, err
	}
	if err := s.link(ctx, rpm, key.Fingerprint, header, blob); err != nil {
		return store.Blob{}, err
	}
	_, err = db.New(s.Pool).SaveRPMSignature(ctx, db.SaveRPMSignatureParams{
		RpmID: rpm.ID, KeyID: key.ID, Header: header, Sha256: blob.SHA256, Size: blob.Size, SignedAt: signature.SignedAt,
		AuditSeq: &signature.Receipt.Seq, AuditHash: &signature.Receipt.Hash,
	})
	return blob, err
}

// headerFor asks the signer and makes a signature header of the answer, which is
// verified before.
func (s *Signing) headerFor(ctx context.Context, rpm db.RPMForSigningRow, key string, public *pgp.PublicKey) (*signer.Signature, []byte, error) {
	file, err := s.Store.OpenBlob(store.Blob{SHA256: rpm.Sha256, Size: rpm.Size})
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	head, err := rpmsig.ReadHead(io.NewSectionReader(file, 0, rpm.Size))
	if err != nil {
		return nil, nil, err
	}
	if _, err := head.Parse(); err != nil {
		return nil, nil, err
	}
	signature, err := s.Signer.SignRPM(ctx, key, file, rpm.Sha256)
	if err != nil {
		return nil, nil, err
	}
	if err := s.verify(signature.Packet, head.Header(), public); err != nil {
		return nil, nil, err
	}
	header, err := head.WithSignature(signature.Packet)
	return signature, header, err
}

// verify checks a signature of ours.
func (s *Signing) verify(packet, content []byte, public *pgp.PublicKey) error {
	signature, err := pgp.ParseSignature(packet)
	if err != nil {
		return err
	}
	_, err = signature.Verify(content, []*pgp.PublicKey{public}, s.now())
	return err
}

// copyWith puts the copy of a package with another signature header into the
// store; want is its SHA-256 where that is known.
func (s *Signing) copyWith(ctx context.Context, rpm db.RPMForSigningRow, header []byte, want string) (store.Blob, error) {
	file, err := s.Store.OpenBlob(store.Blob{SHA256: rpm.Sha256, Size: rpm.Size})
	if err != nil {
		return store.Blob{}, err
	}
	defer file.Close()
	from, to := io.Pipe()
	go func() { to.CloseWithError(rpmsig.Copy(ctx, to, file, header)) }()
	defer from.Close()
	return s.Store.Put(ctx, from, want, rpm.Size+headerRoom)
}

// link names a signed copy and its signature header as Koji does.
func (s *Signing) link(ctx context.Context, rpm db.RPMForSigningRow, fingerprint string, header []byte, signed store.Blob) error {
	kept, err := s.putBytes(ctx, header)
	if err != nil {
		return err
	}
	if strings.Count(rpm.Path, "/") != 5 || !strings.HasPrefix(rpm.Path, "packages/") {
		return fmt.Errorf("its place is %s, not packages/NAME/VERSION/RELEASE/ARCH/FILE", rpm.Path)
	}
	id, file := fingerprint[len(fingerprint)-8:], path.Base(rpm.Path)
	arch := path.Dir(rpm.Path) // packages/N/V/R/ARCH
	data := path.Join(path.Dir(arch), "data")
	return s.Store.LinkAll(ctx, []store.Place{
		{Blob: kept, Name: path.Join(data, "sigcache", id, path.Base(arch), file+".sig")},
		{Blob: signed, Name: path.Join(data, "signed", id, path.Base(arch), file)},
	})
}
