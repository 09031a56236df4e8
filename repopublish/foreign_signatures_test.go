package repopublish

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// TestOwnSignatures imports packages that somebody else has signed.
func TestOwnSignatures(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "release")
	fedora, err := pgp.Generate(pgp.Ed25519, "Fedora", time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := fedora.Armored()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	// imported is a package signed by fedora, changed by edit.
	imported := func(edit func([]byte) []byte) int64 {
		n++
		name := "pkg" + string(rune('a'+n))
		build := s.complete(t, n, name, "1", name+".x86_64")
		id := s.rpmsOf(t, build)[name+"-1-1.x86_64.rpm"]
		sha := queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where id = $1", id)
		raw, err := os.ReadFile(s.stage.Store.Path(store.Blob{SHA256: sha}))
		if err != nil {
			t.Fatal(err)
		}
		raw = edit(signOffline(t, raw, fedora))
		blob, err := s.stage.Store.Put(t.Context(), bytes.NewReader(raw), "", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		// As an import would have recorded it in the first place.
		queuetest.Exec(t, s.stage.Pool, "alter table rpms disable trigger rpms_keep_record")
		queuetest.Exec(t, s.stage.Pool, "update rpms set sha256 = $2, size = $3 where id = $1", id, blob.SHA256, blob.Size)
		queuetest.Exec(t, s.stage.Pool, "alter table rpms enable trigger rpms_keep_record")
		return id
	}
	same := func(raw []byte) []byte { return raw }
	id := imported(same)
	if names, err := s.RecordOwnSignatures(t.Context(), id); err != nil || names != nil {
		t.Errorf("by a key nobody trusts: %q, %v", names, err)
	}
	if _, err := s.TrustKey(t.Context(), "fedora", []byte(armored)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if names, err := s.RecordOwnSignatures(t.Context(), id); err != nil || !slices.Equal(names, []string{"fedora"}) {
			t.Errorf("by a key that is trusted: %q, %v", names, err)
		}
	}
	have, err := s.Signatures(t.Context(), []int64{id})
	if err != nil || LackingKeys([]string{"fedora"}, have[id]) != nil || !slices.Equal(LackingKeys([]string{"release"}, have[id]), []string{"release"}) {
		t.Errorf("recorded: %+v, %v", have, err)
	}
	own, err := s.SignedCopy(t.Context(), id, "fedora")
	if err != nil || own.SHA256 != queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where id = $1", id) {
		t.Errorf("the copy that fedora signed is %+v, %v, want the package itself", own, err)
	}
	ours, err := s.SignedCopy(t.Context(), id, "release")
	if err != nil {
		t.Fatal(err)
	}
	s.verifyBlob(t, ours, s.public(t, "release"))

	id = imported(func(raw []byte) []byte {
		raw[len(raw)-10] ^= 1
		return raw
	})
	if names, err := s.RecordOwnSignatures(t.Context(), id); !errors.Is(err, rpmfile.ErrDigest) {
		t.Errorf("with another payload: %q, %v, want %v", names, err, rpmfile.ErrDigest)
	}
	if err := s.RetireTrusted(t.Context(), "fedora"); err != nil {
		t.Fatal(err)
	}
	if names, err := s.RecordOwnSignatures(t.Context(), imported(same)); err != nil || names != nil {
		t.Errorf("by a key that is not trusted any more: %q, %v", names, err)
	}
}

// signOffline signs a package as somebody else does.
func signOffline(t *testing.T, raw []byte, key *pgp.PrivateKey) []byte {
	t.Helper()
	head, err := rpmsig.ReadHead(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := head.Parse(); err != nil {
		t.Fatal(err)
	}
	packet, err := key.Sign(head.Header(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	header, err := head.WithSignature(packet)
	if err != nil {
		t.Fatal(err)
	}
	var to bytes.Buffer
	if err := rpmsig.Copy(t.Context(), &to, bytes.NewReader(raw), header); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}
