// Package enroll makes build hosts known to a hub, and unknown again.
//
// It knows the order in which certificate, table, PostgreSQL role and files come
// into being, so that a crash at any moment leaves nothing that counts by half.
// It refuses to know what a host is asked to do.
//
// # The order
//
// All of an enrolment that counts is one transaction of the hub's database: the
// host, its credential and its PostgreSQL role. The files are written before it is
// committed. Killed before that, enrolling leaves files with a certificate that
// no table knows, and the next enrolment into the same directory replaces them;
// killed after it, nothing is missing.
//
// Revoking commits first what keeps a host out, and then ends what is in.
// Killed in between, it is done again by the same command.
package enroll

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pki"
	"github.com/distbot/distbot/queue/hostqueue"
)

// hostName is what a host may be called: the bound is that of a certificate's
// common name (ub-common-name, RFC 5280 appendix A.1).
var hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// archName is an architecture by RPM's name.
var archName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// channelName is what a channel may be called.
var channelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// maxCapacity bounds a host's capacity.
const maxCapacity = 1000

// ErrEmbedded says that a name is that of a host which is part of a hub.
var ErrEmbedded = errors.New("enroll: a host of this name is part of a hub's process: choose another name")

// ErrNoHost says that a host was never enrolled.
var ErrNoHost = errors.New("enroll: there is no such host")

// ErrNotEnrolled says that a host has no certificate that could be renewed.
var ErrNotEnrolled = errors.New("enroll: the host has no certificate in force: enroll it without --renew")

// EnrolledError says that a host has a certificate already.
type EnrolledError struct {
	Host            string
	Since, NotAfter time.Time
	// Dir is the directory asked for if it has all the files of that.
	Dir string
}

// Error implements error.
func (e *EnrolledError) Error() string {
	if e.Dir != "" {
		return fmt.Sprintf("enroll: host %s was enrolled on %s, until %s, and %s has all that it needs: there is nothing to do",
			e.Host, e.Since.Format(time.DateOnly), e.NotAfter.Format(time.DateOnly), e.Dir)
	}
	return fmt.Sprintf("enroll: host %s was enrolled on %s, until %s: --renew gives it a new certificate beside the old, --force revokes the old one",
		e.Host, e.Since.Format(time.DateOnly), e.NotAfter.Format(time.DateOnly))
}

// Registrar enrols and revokes. Its methods may be called by several goroutines
// and several processes at once: those about one host take turns.
type Registrar struct {
	// Pool is connected to the hub's database.
	Pool  *pgxpool.Pool
	Queue *hostqueue.Hub
	CA    *pki.CA
	// HubURL is where hosts reach the hub, https.
	HubURL string
}

// Request asks for an enrolment.
type Request struct {
	// Host is the host's name; the host is made when there is none.
	Host string
	// Dir is where the files go, see Files. It is made, with mode 0700, when it
	// does not exist.
	Dir string
	// Arches, Channels and Capacity are what the host may take. What is empty, or
	// 0, stays as it is; of a new host channels are the default one, and the rest
	// is decided by what it says when it connects for the first time. Arches go
	// into builder.yaml, too.
	Arches, Channels []string
	Capacity         float32
	// Validity of the certificate; 0 means pki.HostValidity.
	Validity time.Duration
	// By is who asks, for the record.
	By string
	// Force revokes the certificates that the host has, and replaces files.
	Force bool
	// Renew makes a new certificate beside the one in force, which counts until
	// the new one is used for the first time. The password stays if Dir has it.
	Renew bool
}

// Enrolled is what came of it.
type Enrolled struct {
	HostID      int64
	Fingerprint pki.Fingerprint
	NotAfter    time.Time
	// Replaced is how many certificates were revoked for this one.
	Replaced int64
	// Password tells that the host's role has a new one, which the host must get
	// together with the certificate.
	Password bool
}

// Enroll makes a certificate, and what else a host needs to reach the hub, and
// writes it to files. It returns an *EnrolledError, ErrNotEnrolled, or a
// *FilesError when files are in the way; then nothing has changed.
func (r *Registrar) Enroll(ctx context.Context, request Request) (Enrolled, error) {
	if err := request.check(); err != nil {
		return Enrolled{}, err
	}
	dir, err := openBundle(request.Dir)
	if err != nil {
		return Enrolled{}, err
	}
	defer dir.close()
	var done Enrolled
	err = pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) (err error) {
		done, err = r.enroll(ctx, tx, dir, request)
		return err
	})
	if err != nil {
		dir.discard()
		return Enrolled{}, err
	}
	if request.Force {
		// Its tunnels are closed by the hubs; this ends what no hub leads.
		return done, r.Queue.EndSessions(ctx, r.Pool, done.HostID)
	}
	return done, nil
}

// check refuses what makes no sense.
func (r Request) check() error {
	if !hostName.MatchString(r.Host) {
		return fmt.Errorf("enroll: %q is no name of a host: letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit", r.Host)
	}
	for _, arch := range r.Arches {
		if !archName.MatchString(arch) {
			return fmt.Errorf("enroll: %q is no architecture", arch)
		}
	}
	for _, channel := range r.Channels {
		if !channelName.MatchString(channel) {
			return fmt.Errorf("enroll: %q is no name of a channel", channel)
		}
	}
	if !(r.Capacity >= 0 && r.Capacity <= maxCapacity) {
		return fmt.Errorf("enroll: a capacity of %v is not between 0 and %d", r.Capacity, maxCapacity)
	}
	return nil
}

// allow notes what the host may take.
func (r Request) allow(ctx context.Context, queries *db.Queries, hostID int64) error {
	allowed := db.AllowHostParams{ID: hostID, Arches: r.Arches, Channels: r.Channels}
	if r.Capacity > 0 {
		allowed.Capacity = &r.Capacity
	}
	if err := queries.AllowHost(ctx, allowed); err != nil {
		return fmt.Errorf("enroll: allow host %s: %w", r.Host, err)
	}
	return nil
}

// enroll is Enroll inside its transaction.
func (r *Registrar) enroll(ctx context.Context, tx pgx.Tx, dir *bundle, request Request) (Enrolled, error) {
	queries := db.New(tx)
	if err := queries.EnsureHost(ctx, request.Host); err != nil {
		return Enrolled{}, fmt.Errorf("enroll: make host %s: %w", request.Host, err)
	}
	hostID, err := r.lock(ctx, queries, request.Host)
	if err != nil {
		return Enrolled{}, err
	}
	inForce, err := queries.CredentialsInForce(ctx, hostID)
	if err != nil {
		return Enrolled{}, fmt.Errorf("enroll: read certificates of %s: %w", request.Host, err)
	}
	if err := r.check(ctx, queries, dir, request, inForce); err != nil {
		return Enrolled{}, err
	}
	if err := request.allow(ctx, queries, hostID); err != nil {
		return Enrolled{}, err
	}
	issued, err := r.CA.IssueHost(request.Host, request.Validity)
	if err != nil {
		return Enrolled{}, err
	}
	done := Enrolled{HostID: hostID, Fingerprint: issued.Fingerprint, NotAfter: issued.NotAfter}
	if request.Force {
		if done.Replaced, err = r.revoke(ctx, queries, hostID, request.By, "enrolled again"); err != nil {
			return Enrolled{}, err
		}
	}
	_, err = queries.AddCredential(ctx, db.AddCredentialParams{
		HostID: hostID, Fingerprint: issued.Fingerprint[:], NotAfter: issued.NotAfter, CreatedBy: request.By,
	})
	if err != nil {
		return Enrolled{}, fmt.Errorf("enroll: note certificate of %s: %w", request.Host, err)
	}
	var password string
	if !request.Renew || !dir.has(FilePassword) {
		password, done.Password = rand.Text(), true
		if err := r.Queue.SetRole(ctx, tx, hostID, password); err != nil {
			return Enrolled{}, err
		}
	}
	return done, dir.write(contents{
		host: request.Host, hub: r.HubURL, arches: request.Arches, issued: issued, ca: r.CA.Certificate(), password: password,
	})
}

// check decides whether the request fits what is there.
func (r *Registrar) check(ctx context.Context, queries *db.Queries, dir *bundle, request Request, inForce []db.CredentialsInForceRow) error {
	switch {
	case request.Force:
		return nil
	case request.Renew && len(inForce) == 0:
		return ErrNotEnrolled
	case !request.Renew && len(inForce) > 0:
		return r.enrolled(dir, request, inForce)
	}
	present := dir.present()
	if len(present) == 0 {
		return nil
	}
	fingerprint, err := dir.certificate(r.CA)
	if err != nil {
		return &FilesError{Dir: dir.path, Files: present}
	}
	if request.Renew {
		if slices.ContainsFunc(inForce, func(c db.CredentialsInForceRow) bool { return pki.Fingerprint(c.Fingerprint) == fingerprint }) {
			return nil
		}
		return &FilesError{Dir: dir.path, Files: present}
	}
	// A certificate of ours that counts nowhere is what a killed enrolment left,
	// or what was revoked: of no use to anybody.
	known, err := queries.CredentialKnown(ctx, fingerprint[:])
	if err != nil {
		return fmt.Errorf("enroll: look for certificate: %w", err)
	}
	if known {
		return &FilesError{Dir: dir.path, Files: present}
	}
	return nil
}

// enrolled says that a host is enrolled already, perhaps by a command that was
// killed when all was done.
func (r *Registrar) enrolled(dir *bundle, request Request, inForce []db.CredentialsInForceRow) *EnrolledError {
	err := &EnrolledError{Host: request.Host, Since: inForce[0].CreatedAt, NotAfter: inForce[0].NotAfter}
	if len(dir.present()) < len(Files()) {
		return err
	}
	if fingerprint, certErr := dir.certificate(r.CA); certErr == nil && slices.ContainsFunc(inForce, func(c db.CredentialsInForceRow) bool {
		return pki.Fingerprint(c.Fingerprint) == fingerprint
	}) {
		err.Dir = dir.path
	}
	return err
}

// revoke ends all certificates of a host and tells the hubs.
func (r *Registrar) revoke(ctx context.Context, queries *db.Queries, hostID int64, by, reason string) (int64, error) {
	n, err := queries.RevokeCredentials(ctx, db.RevokeCredentialsParams{HostID: hostID, RevokedBy: by, Reason: reason})
	if err == nil {
		err = queries.AnnounceRevocation(ctx, fmt.Sprint(hostID))
	}
	if err != nil {
		return 0, fmt.Errorf("enroll: revoke certificates of host %d: %w", hostID, err)
	}
	return n, nil
}
