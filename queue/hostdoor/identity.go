package hostdoor

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pki"
)

// Identity is whose certificate a connection showed.
type Identity struct {
	CredentialID int64
	HostID       int64
	// Host is the host's name.
	Host        string
	Fingerprint pki.Fingerprint
	NotAfter    time.Time
}

// ErrNoCredential says that a certificate does not count: it is not in the
// table, was revoked, or ended.
var ErrNoCredential = errors.New("hostdoor: " + noCredential)

// noCredential is what hosts are told that are nobody.
const noCredential = "the certificate belongs to no host: it was revoked, has ended, or was never enrolled here"

// lookup finds whose certificate this is: one query by a unique index, and once
// a minute another that notes the use.
func (d *Door) lookup(ctx context.Context, fingerprint pki.Fingerprint) (Identity, error) {
	queries := db.New(d.config.Pool)
	row, err := queries.HostByFingerprint(ctx, fingerprint[:])
	if errors.Is(err, pgx.ErrNoRows) {
		return Identity{}, ErrNoCredential
	}
	if err != nil {
		return Identity{}, err
	}
	if row.Unnoted {
		if err := queries.NoteCredentialUse(ctx, row.ID); err != nil {
			return Identity{}, err
		}
	}
	return Identity{CredentialID: row.ID, HostID: row.HostID, Host: row.Name, Fingerprint: fingerprint, NotAfter: row.NotAfter}, nil
}

// identityKey is the key of the Identity in a request's context.
type identityKey struct{}

// IdentityOf returns who sent the request whose context this is, and false
// outside of handlers that Identify wraps.
func IdentityOf(ctx context.Context) (Identity, bool) {
	identity, ok := ctx.Value(identityKey{}).(Identity)
	return identity, ok
}

// Identify wraps the handler behind Door.HTTP: it finds out, for each request,
// whose certificate the connection showed, and answers 403 where it does not
// count.
func (d *Door) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "a client certificate is required", http.StatusForbidden)
			return
		}
		identity, err := d.lookup(r.Context(), pki.FingerprintOf(r.TLS.PeerCertificates[0]))
		if errors.Is(err, ErrNoCredential) {
			w.Header().Set("Connection", "close")
			http.Error(w, noCredential, http.StatusForbidden)
			return
		}
		if err != nil {
			d.config.Logger.Error("could not look up a build host's certificate", "err", err)
			http.Error(w, "the hub's database does not answer", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, identity)))
	})
}
