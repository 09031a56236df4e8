package repopublish

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue"
)

// RecordedSignature is a signature of a package that was made here, or came with
// the package and was verified: the only ways into the record.
type RecordedSignature struct {
	RPMID int64
	// Key and Fingerprint name the key.
	Key, Fingerprint string
	SignedAt         time.Time
	// Copy is the file that has the signature.
	Copy store.Blob
}

// LackingKeys returns which of the needed keys did not sign a package, in their
// order: none when it may go to a tag that needs them all. Keys are given by
// name or full fingerprint; an id of 8 digits is nobody's alone and satisfies
// nothing.
func LackingKeys(need []string, have []RecordedSignature) (lacking []string) {
	for _, key := range need {
		if !slices.ContainsFunc(have, func(s RecordedSignature) bool { return s.Key == key || s.Fingerprint == key }) {
			lacking = append(lacking, key)
		}
	}
	return lacking
}

// PublishSigned has the repositories of all tags that require signatures made
// anew: builds that were signed meanwhile get there. A held repository stays what
// it is.
func PublishSigned(ctx context.Context, pool *pgxpool.Pool, jobs queue.Inserter) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		tags, err := q.TagsWithExtra(ctx, NeedSignaturesExtra)
		if err != nil || len(tags) == 0 {
			return err
		}
		if _, err := q.LockTagsByID(ctx, tags); err != nil {
			return err
		}
		if _, err := q.RaiseRevs(ctx, db.RaiseRevsParams{Ids: tags}); err != nil {
			return err
		}
		return queue.WantRepositories(ctx, tx, jobs, tags)
	})
	if err != nil {
		return fmt.Errorf("repopublish: want repositories of what was signed: %w", err)
	}
	return nil
}

// Signatures returns the recorded signatures of packages, by the packages' ids.
func (s *Signing) Signatures(ctx context.Context, rpmIDs []int64) (map[int64][]RecordedSignature, error) {
	rows, err := db.New(s.Pool).SignaturesOfRPMs(ctx, rpmIDs)
	if err != nil {
		return nil, fmt.Errorf("repopublish: list signatures: %w", err)
	}
	all := make(map[int64][]RecordedSignature, len(rows))
	for _, row := range rows {
		all[row.RpmID] = append(all[row.RpmID], RecordedSignature{
			RPMID: row.RpmID, Key: row.Name, Fingerprint: row.Fingerprint, SignedAt: row.SignedAt,
			Copy: store.Blob{SHA256: row.Sha256, Size: row.Size},
		})
	}
	return all, nil
}

// MissingSignature is a package of a build that lacks the signature of a key.
type MissingSignature struct {
	RPMID, BuildID int64
	NEVRA          rpmfile.NEVRA
	Key            string
}

// MissingSignatures lists which packages of builds, source packages too, lack the
// signatures of which of the keys, given by name or full fingerprint.
func (s *Signing) MissingSignatures(ctx context.Context, builds []int64, keys []string) ([]MissingSignature, error) {
	rows, err := db.New(s.Pool).MissingSignatures(ctx, db.MissingSignaturesParams{BuildIds: builds, Keys: keys})
	if err != nil {
		return nil, fmt.Errorf("repopublish: list missing signatures: %w", err)
	}
	missing := make([]MissingSignature, len(rows))
	for i, row := range rows {
		missing[i] = MissingSignature{
			RPMID: row.ID, BuildID: row.BuildID, Key: row.Key,
			NEVRA: rpmfile.NEVRA{Name: row.Name, Epoch: int(row.Epoch), Version: row.Version, Release: row.Release, Arch: row.Arch},
		}
	}
	return missing, nil
}
