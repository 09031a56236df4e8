package repopublish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/internal/store"
)

// RecordImported looks at the signatures that the packages of a build came with,
// and records those that are valid and by a key that is known and not retired: as
// part of the transaction that records the packages, so that whoever sees the
// build sees its signatures. A package with a bad signature of a known key, or
// with another payload than the one that was signed, has none, which warnings
// say; it is imported all the same, and stays out where a signature is needed.
func (s *Signing) RecordImported(ctx context.Context, tx pgx.Tx, buildID int64) (warnings []string, err error) {
	q := db.New(tx)
	keys, err := countingKeys(ctx, q)
	if err != nil || len(keys.public) == 0 {
		return nil, err
	}
	rpms, err := q.RPMsToRecord(ctx, buildID)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list packages of build %d: %w", buildID, err)
	}
	for _, rpm := range rpms {
		_, err := s.recordOwn(ctx, q, keys, db.RPMForSigningRow(rpm))
		if isUnfit(err) {
			warnings = append(warnings, fmt.Sprintf("the signature of %s does not count: %v", path.Base(rpm.Path), err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("repopublish: verify the signatures of %s: %w", path.Base(rpm.Path), err)
		}
	}
	return warnings, nil
}

// Recorded is what RecordTrusted found.
type Recorded struct {
	// Packages were looked at, Signed have a signature of the key.
	Packages int `json:"packages"`
	Signed   int `json:"signed"`
	// Unfit says of which packages a signature does not count, and why; at most
	// maxUnfit.
	Unfit []string `json:"unfit"`
}

const (
	// maxUnfit bounds how many unfit packages are told.
	maxUnfit = 100
	// recordPage is how many packages are asked for at a time.
	recordPage = 1000
)

// RecordTrusted looks at all packages of the distribution that have no signature
// of a key, which became known after they were imported. Of each the headers are
// read, and the rest only where the key signed it. It can be ended at any time,
// and begun again. The error wraps ErrNoKey.
func (s *Signing) RecordTrusted(ctx context.Context, name string) (found Recorded, err error) {
	found.Unfit = []string{}
	q := db.New(s.Pool)
	rows, unknown, err := s.knownNamed(ctx, []string{name})
	if err == nil && len(unknown) > 0 {
		err = ErrNoKey
	}
	if err != nil {
		return found, fmt.Errorf("repopublish: record signatures of %s: %w", name, err)
	}
	keys := countingKeysOf{byFingerprint: map[string]db.SigningKey{}}
	if err := keys.add(rows[0]); err != nil {
		return found, fmt.Errorf("repopublish: record signatures of %s: %w", name, err)
	}
	for after := int64(0); ; {
		page, err := q.RPMsWithoutSignature(ctx, db.RPMsWithoutSignatureParams{After: after, KeyID: rows[0].ID, Max: recordPage})
		if err != nil {
			return found, fmt.Errorf("repopublish: record signatures of %s: %w", name, err)
		}
		if len(page) == 0 {
			return found, nil
		}
		after = page[len(page)-1].ID
		if err := s.recordPage(ctx, q, keys, page, &found); err != nil {
			return found, err
		}
	}
}

// recordPage records the signatures of some packages, a few at a time.
func (s *Signing) recordPage(ctx context.Context, q *db.Queries, keys countingKeysOf, page []db.RPMsWithoutSignatureRow, found *Recorded) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signAtOnce)
	for _, rpm := range page {
		group.Go(func() error {
			names, err := s.recordOwn(ctx, q, keys, db.RPMForSigningRow(rpm))
			unfit := isUnfit(err) || errors.Is(err, fs.ErrNotExist)
			if err != nil && !unfit {
				return fmt.Errorf("repopublish: verify the signatures of %s: %w", path.Base(rpm.Path), err)
			}
			mu.Lock()
			defer mu.Unlock()
			found.Packages++
			found.Signed += len(names)
			if unfit && len(found.Unfit) < maxUnfit {
				found.Unfit = append(found.Unfit, path.Base(rpm.Path)+": "+err.Error())
			}
			return nil
		})
	}
	return group.Wait()
}

// isUnfit says whether an error is the package's fault, and not that of the
// database, the store or the caller.
func isUnfit(err error) bool {
	for _, fault := range []error{
		pgp.ErrBadSignature, pgp.ErrMalformed, rpmfile.ErrDigest, rpmfile.ErrMalformed, rpmfile.ErrTooLarge, rpmsig.ErrMalformed, store.ErrDigest,
	} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

// countingKeysOf are keys whose signatures count.
type countingKeysOf struct {
	public        []*pgp.PublicKey
	byFingerprint map[string]db.SigningKey
}

// add adds a key unless it is retired.
func (k *countingKeysOf) add(row db.SigningKey) error {
	if row.RetiredAt != nil {
		return nil
	}
	public, err := pgp.ParsePublicKeys([]byte(row.PublicKey))
	if err != nil {
		return err
	}
	k.public = append(k.public, public...)
	k.byFingerprint[row.Fingerprint] = row
	return nil
}

// countingKeys are all keys that are known and not retired.
func countingKeys(ctx context.Context, q *db.Queries) (keys countingKeysOf, err error) {
	keys.byFingerprint = map[string]db.SigningKey{}
	rows, err := q.ListSigningKeys(ctx)
	if err != nil {
		return keys, fmt.Errorf("repopublish: list keys: %w", err)
	}
	for _, row := range rows {
		if err := keys.add(row); err != nil {
			return keys, fmt.Errorf("repopublish: read key %s: %w", row.Name, err)
		}
	}
	return keys, nil
}

// recordOwn records the signatures of keys that a package came with, and returns
// the names of the keys: none for a package that is not signed, or by others.
func (s *Signing) recordOwn(ctx context.Context, q *db.Queries, keys countingKeysOf, rpm db.RPMForSigningRow) ([]string, error) {
	file, err := s.Store.OpenBlob(store.Blob{SHA256: rpm.Sha256, Size: rpm.Size})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	verified, err := rpmsig.Verify(ctx, file, keys.public, s.now())
	if errors.Is(err, rpmsig.ErrUnsigned) || errors.Is(err, pgp.ErrUnknownKey) || errors.Is(err, rpmsig.ErrNotCovered) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if verified.SHA256 != rpm.Sha256 {
		return nil, fmt.Errorf("the file in the store has SHA-256 %s: %w", verified.SHA256, store.ErrDigest)
	}
	var names []string
	for _, by := range verified.By {
		key := keys.byFingerprint[by.Key.Fingerprint]
		_, err := q.SaveRPMSignature(ctx, db.SaveRPMSignatureParams{
			RpmID: rpm.ID, KeyID: key.ID, Sha256: rpm.Sha256, Size: rpm.Size, SignedAt: by.At,
		})
		if err != nil {
			return nil, err
		}
		names = append(names, key.Name)
	}
	return names, nil
}
