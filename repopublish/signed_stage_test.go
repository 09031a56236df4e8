package repopublish

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/repopublish/signer"
)

const passphrase = "correct horse battery"

// signed is a stage with a signer.
type signed struct {
	*stage
	*Signing
	// dir is the signer's.
	dir string
}

// newSigned starts a signer with keys of these names, beside a stage.
func newSigned(t *testing.T, keys ...string) *signed {
	t.Helper()
	s := &signed{stage: newStage(t, "x86_64")}
	dir, err := os.MkdirTemp("", "signer") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.dir = dir
	if err := os.WriteFile(filepath.Join(dir, "passphrase"), []byte(passphrase), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range keys {
		algorithm := pgp.Ed25519
		if strings.HasPrefix(name, "rsa") {
			algorithm = pgp.RSA4096
		}
		if _, err := signer.CreateKey(s.keyDir(), []byte(passphrase), name, name, algorithm, time.Now().Add(-time.Hour), 0); err != nil {
			t.Fatal(err)
		}
	}
	s.serve(t)
	s.Signing = &Signing{Pool: s.stage.Pool, Store: s.stage.Store, Signer: &signer.Client{Socket: filepath.Join(dir, "socket")}}
	return s
}

func (s *signed) keyDir() string { return filepath.Join(s.dir, "keys") }

// serve runs the signer until the test ends.
func (s *signed) serve(t *testing.T) {
	t.Helper()
	url, err := signer.SetRole(t.Context(), s.stage.Pool)
	if err != nil {
		t.Fatal(err)
	}
	record, err := signer.OpenDatabase(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := signer.OpenKeys(s.keyDir(), filepath.Join(s.dir, "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	audit, err := signer.OpenAudit(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	server := &signer.Server{Keys: keys, Record: record, Audit: audit, Allow: []uint32{uint32(os.Geteuid())}, Logger: slog.New(slog.DiscardHandler)}
	listener, err := signer.Listen(filepath.Join(s.dir, "socket"), 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, audit.Close()); err != nil {
			t.Errorf("signer: %v", err)
		}
		record.Close()
	})
}

// rpmsOf are the ids of a build's packages by file name.
func (s *signed) rpmsOf(t *testing.T, build int64) map[string]int64 {
	t.Helper()
	rows, err := db.New(s.stage.Pool).RPMsOfBuild(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int64{}
	for _, row := range rows {
		ids[filepath.Base(row.Path)] = row.ID
	}
	return ids
}

// receipts are the hub's, and must be in the signer's log.
func (s *signed) auditIsWhole(t *testing.T) {
	t.Helper()
	rows, err := db.New(s.stage.Pool).SigningReceipts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var receipts []signer.Receipt
	for _, row := range rows {
		receipts = append(receipts, signer.Receipt{Seq: row.AuditSeq, Hash: row.AuditHash})
	}
	report, err := signer.VerifyAudit(s.dir, receipts, nil)
	if err != nil || len(report.Problems) > 0 || len(receipts) == 0 {
		t.Errorf("the signer's log: %+v, %v, with %d receipts", report, err, len(receipts))
	}
}

// public is a key of the signer.
func (s *signed) public(t *testing.T, name string) *pgp.PublicKey {
	t.Helper()
	text, err := s.PublicKeyFile(t.Context(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgp.ParsePublicKeys([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}

// verifyBlob checks by whom a file of the store is signed.
func (s *signed) verifyBlob(t *testing.T, blob store.Blob, key *pgp.PublicKey) {
	t.Helper()
	file, err := s.stage.Store.OpenBlob(blob)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	verified, err := rpmsig.Verify(t.Context(), file, []*pgp.PublicKey{key}, time.Now())
	if err != nil || verified.SHA256 != blob.SHA256 || verified.Size != blob.Size {
		t.Errorf("signed copy: %+v, %v", verified, err)
	}
}
