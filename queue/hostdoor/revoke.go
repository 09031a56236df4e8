package hostdoor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pki"
)

// RevocationChannel is where the hub's database announces that credentials were
// revoked.
const RevocationChannel = "distbot_host_credentials"

const (
	// compareEvery is how often open connections are compared with the table,
	// announcements or not; this also ends those whose certificate ends.
	compareEvery = 5 * time.Second
	// compareTimeout bounds one comparison.
	compareTimeout = 10 * time.Second
	// listenAgain is the wait after a lost database connection.
	listenAgain = time.Second
)

// watchRevocations closes connections whose credential was revoked, until ctx
// ends.
func (d *Door) watchRevocations(ctx context.Context) {
	for ctx.Err() == nil {
		err := d.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		d.config.Logger.Warn("could not follow the revocation of build hosts' certificates, trying again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// listen compares now, at each announcement and every few seconds, on a
// connection of its own.
func (d *Door) listen(ctx context.Context) error {
	connection, err := pgx.ConnectConfig(ctx, d.config.Pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("hostdoor: connect: %w", err)
	}
	defer func() { _ = connection.Close(context.WithoutCancel(ctx)) }()
	if _, err := connection.Exec(ctx, "listen "+RevocationChannel); err != nil {
		return fmt.Errorf("hostdoor: listen: %w", err)
	}
	for {
		if err := d.compare(ctx, connection); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, compareEvery)
		_, err := connection.WaitForNotification(wait)
		timeUp := wait.Err() != nil
		cancel()
		if err != nil && (ctx.Err() != nil || !timeUp) {
			return fmt.Errorf("hostdoor: wait for revocations: %w", err)
		}
	}
}

// compare closes the open connections whose credential counts no more.
func (d *Door) compare(ctx context.Context, connection *pgx.Conn) error {
	shown := map[pki.Fingerprint]struct{}{}
	d.mu.Lock()
	for c := range d.open {
		shown[c.identity.Fingerprint] = struct{}{}
	}
	d.mu.Unlock()
	if len(shown) == 0 {
		return nil
	}
	fingerprints := make([][]byte, 0, len(shown))
	for fingerprint := range shown {
		fingerprints = append(fingerprints, fingerprint[:])
	}
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	rows, err := db.New(connection).RevokedFingerprints(ctx, fingerprints)
	if err != nil {
		return fmt.Errorf("hostdoor: compare connections with credentials: %w", err)
	}
	revoked := map[pki.Fingerprint]struct{}{}
	for _, row := range rows {
		revoked[pki.Fingerprint(row)] = struct{}{}
	}
	for _, identity := range d.closeThose(func(c *conn) bool {
		_, ok := revoked[c.identity.Fingerprint]
		return ok
	}) {
		d.config.Logger.Info("closed a connection: its certificate counts no more", "host", identity.Host, "fingerprint", identity.Fingerprint.String())
	}
	return nil
}
