package repopublish

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// completeSigned is the nth build, of one package that came signed by key and
// changed by edit; nil leaves it as it is.
func (s *signed) completeSigned(t *testing.T, n int, name string, key *pgp.PrivateKey, edit func([]byte)) (build int64) {
	t.Helper()
	build = s.complete(t, n, name, "1", name+".x86_64")
	sha := queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where build_id = $1", build)
	raw, err := os.ReadFile(s.stage.Store.Path(store.Blob{SHA256: sha}))
	if err != nil {
		t.Fatal(err)
	}
	raw = signOffline(t, raw, key)
	if edit != nil {
		edit(raw)
	}
	blob, err := s.stage.Store.Put(t.Context(), bytes.NewReader(raw), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	// As an import would have recorded it in the first place.
	queuetest.Tx(t, s.stage.Pool, func(tx pgx.Tx) error {
		for _, statement := range []string{"set local session_replication_role = replica", "update rpms set sha256 = $2, size = $3 where build_id = $1"} {
			var args []any
			if strings.Contains(statement, "$1") {
				args = []any{build, blob.SHA256, blob.Size}
			}
			if _, err := tx.Exec(t.Context(), statement, args...); err != nil {
				return err
			}
		}
		return nil
	})
	return build
}

func otherPayload(raw []byte) { raw[len(raw)-10] ^= 1 }

func TestSignaturesOfAnImport(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "release")
	fedora, armored := foreignKey(t, "Fedora")
	record := func(build int64) (warnings []string) {
		t.Helper()
		queuetest.Tx(t, s.stage.Pool, func(tx pgx.Tx) (err error) {
			warnings, err = s.RecordImported(t.Context(), tx, build)
			return err
		})
		return warnings
	}
	have := func(build int64) []string {
		return queuetest.Values[string](t, s.stage.Pool, `select k.name from rpm_signatures s join rpms r on r.id = s.rpm_id join signing_keys k on k.id = s.key_id
			where r.build_id = $1 and s.sha256 = r.sha256 and s.header is null`, build)
	}
	good := s.completeSigned(t, 1, "good", fedora, nil)
	if warnings := record(good); warnings != nil || len(have(good)) > 0 {
		t.Errorf("by a key that nobody trusts: %q, %q", have(good), warnings)
	}
	if _, err := s.TrustKey(t.Context(), "fedora", armored); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if warnings := record(good); warnings != nil || !slices.Equal(have(good), []string{"fedora"}) {
			t.Errorf("by a key that is trusted: %q, %q", have(good), warnings)
		}
	}
	bad := s.completeSigned(t, 2, "bad", fedora, otherPayload)
	if warnings := record(bad); len(warnings) != 1 || !strings.HasPrefix(warnings[0], "the signature of bad-1-1.x86_64.rpm does not count") || len(have(bad)) > 0 {
		t.Errorf("with another payload: %q, %q", have(bad), warnings)
	}
	plain := s.complete(t, 3, "plain", "1", "plain.x86_64")
	if warnings := record(plain); warnings != nil || len(have(plain)) > 0 {
		t.Errorf("unsigned: %q, %q", have(plain), warnings)
	}
}

// TestAKeyIsTrustedAfterItsPackagesCame looks back, and publishes what it found.
func TestAKeyIsTrustedAfterItsPackagesCame(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "release")
	fedora, armored := foreignKey(t, "Fedora")
	other, _ := foreignKey(t, "Other")
	good := s.completeSigned(t, 1, "good", fedora, nil)
	s.completeSigned(t, 2, "bad", fedora, otherPayload)
	s.completeSigned(t, 3, "other", other, nil)
	plain := s.complete(t, 4, "plain", "1", "plain.x86_64", "plain.src")
	gone := s.completeSigned(t, 5, "gone", fedora, nil)
	if err := os.Remove(s.stage.Store.Path(store.Blob{SHA256: queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where build_id = $1", gone)})); err != nil {
		t.Fatal(err)
	}
	scratch := s.completeSigned(t, 6, "scratch", fedora, nil)
	queuetest.Exec(t, s.stage.Pool, "update builds set scratch = true where id = $1", scratch)
	if _, err := s.RecordTrusted(t.Context(), "fedora"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is not known: got %v, want %v", err, ErrNoKey)
	}
	if _, err := s.TrustKey(t.Context(), "fedora", armored); err != nil {
		t.Fatal(err)
	}
	s.Signing.Now = func() time.Time { return time.Now().Add(time.Minute) }
	found, err := s.RecordTrusted(t.Context(), "fedora")
	slices.Sort(found.Unfit)
	if err != nil || found.Packages != 6 || found.Signed != 1 || len(found.Unfit) != 2 ||
		!strings.HasPrefix(found.Unfit[0], "bad-1-1.x86_64.rpm: ") || !strings.HasPrefix(found.Unfit[1], "gone-1-1.x86_64.rpm: ") {
		t.Fatalf("found %+v, %v", found, err)
	}
	if again, err := s.RecordTrusted(t.Context(), "fedora"); err != nil || again.Packages != 5 || again.Signed != 0 {
		t.Errorf("once more it found %+v, %v", again, err)
	}
	s.setExtra(t, NeedSignaturesExtra, `"fedora"`)
	s.tag(t, s.dist.DestTag, good)
	s.tag(t, s.dist.DestTag, plain)
	s.settled(t)
	if got := s.published(t, "fedora"); len(got) != 1 || !slices.Equal(got["good-1-1.x86_64.rpm"], []string{"fedora"}) {
		t.Errorf("published, and signed by: %v", got)
	}
}
