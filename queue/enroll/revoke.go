package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue"
)

// endTimeout bounds the wait for the end of a host's sessions.
const endTimeout = 10 * time.Second

// Revoked is what a revocation ended.
type Revoked struct {
	HostID int64
	// Certificates is how many were in force.
	Certificates int64
}

// Revoke ends all access of a host, at once: its certificates count no more, the
// hubs close its connections, its PostgreSQL role can't log in, its sessions
// end, what was delivered to it is dropped, and the role removed. A host that is
// revoked already is fine. It returns ErrNoHost for one that is unknown. What it
// worked on starts again elsewhere.
func (r *Registrar) Revoke(ctx context.Context, host, by, reason string) (Revoked, error) {
	var done Revoked
	err := pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) (err error) {
		queries := db.New(tx)
		if done.HostID, err = r.lock(ctx, queries, host); err != nil {
			return err
		}
		if done.Certificates, err = r.revoke(ctx, queries, done.HostID, by, reason); err != nil {
			return err
		}
		if err := queue.RemoveHolder(ctx, tx, done.HostID, "the builder's credentials were revoked"); err != nil {
			return err
		}
		return r.Queue.LockRole(ctx, tx, done.HostID)
	})
	if err != nil {
		return Revoked{}, err
	}
	ending, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if err := r.Queue.EndSessions(ending, r.Pool, done.HostID); err != nil {
		return done, err
	}
	if err := r.Queue.Drop(ctx, done.HostID); err != nil {
		return done, err
	}
	return done, pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		queries := db.New(tx)
		if _, err := r.lock(ctx, queries, host); err != nil {
			return err
		}
		// Somebody may have enrolled it again meanwhile.
		inForce, err := queries.CredentialsInForce(ctx, done.HostID)
		if err != nil || len(inForce) > 0 {
			return err
		}
		return r.Queue.DropRole(ctx, tx, done.HostID)
	})
}

// lock makes those who change one host take turns, and returns its id.
func (r *Registrar) lock(ctx context.Context, queries *db.Queries, host string) (int64, error) {
	row, err := queries.LockHost(ctx, host)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("%w: %s", ErrNoHost, host)
	}
	if err != nil {
		return 0, fmt.Errorf("enroll: lock host %s: %w", host, err)
	}
	if !row.Remote {
		return 0, fmt.Errorf("%w: %s", ErrEmbedded, host)
	}
	return row.ID, nil
}

// Credential is a certificate on record.
type Credential struct {
	ID          int64
	HostID      int64
	Host        string
	Fingerprint pki.Fingerprint
	Created     time.Time
	CreatedBy   string
	NotAfter    time.Time
	// Expired tells that NotAfter has passed, by the database's clock.
	Expired bool
	// Revoked and LastUsed are nil where they never happened; LastUsed may be a
	// minute old.
	Revoked, LastUsed *time.Time
	// RevokedBy and Reason are empty unless it was revoked.
	RevokedBy, Reason string
}

// Credentials lists the certificates of a host, or of all for "", by the host's
// name, the oldest first.
func (r *Registrar) Credentials(ctx context.Context, host string) ([]Credential, error) {
	var only *string
	if host != "" {
		only = &host
	}
	rows, err := db.New(r.Pool).ListCredentials(ctx, only)
	if err != nil {
		return nil, fmt.Errorf("enroll: list certificates: %w", err)
	}
	all := make([]Credential, len(rows))
	for i, row := range rows {
		all[i] = Credential{
			ID: row.ID, HostID: row.HostID, Host: row.Host, Fingerprint: pki.Fingerprint(row.Fingerprint), Created: row.CreatedAt,
			CreatedBy: row.CreatedBy, NotAfter: row.NotAfter, Expired: row.Expired, Revoked: row.RevokedAt, LastUsed: row.LastUsedAt,
		}
		if row.RevokedAt != nil {
			all[i].RevokedBy, all[i].Reason = *row.RevokedBy, *row.RevokeReason
		}
	}
	return all, nil
}
