package repopublish

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish/signer"
)

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "y2026")
	id := s.rpmsOf(t, s.complete(t, 1, "hello", "1", "hello.x86_64"))["hello-1-1.x86_64.rpm"]
	old, err := s.SignedCopy(t.Context(), id, "y2026")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.CreateKey(s.keyDir(), []byte(passphrase), "y2027", "next", pgp.Ed25519, time.Now().Add(-time.Minute), 0); err != nil {
		t.Fatal(err)
	}
	text, err := s.PublicKeyFile(t.Context(), []string{"y2026", "y2027"})
	if err != nil {
		t.Fatal(err)
	}
	both, err := pgp.ParsePublicKeys([]byte(text))
	if err != nil || len(both) != 2 {
		t.Fatalf("the file of public keys has %d, %v", len(both), err)
	}
	fresh, err := s.SignedCopy(t.Context(), id, "y2027")
	if err != nil {
		t.Fatal(err)
	}
	s.verifyBlob(t, old, both[0])
	s.verifyBlob(t, fresh, both[1])

	if _, err := signer.RetireKey(s.keyDir(), "y2026", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.SyncKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].Retired == nil || keys[1].Retired != nil || !keys[0].Own {
		t.Errorf("keys: %+v, %v", keys, err)
	}
	if err := os.Remove(s.stage.Store.Path(old)); err != nil {
		t.Fatal(err)
	}
	if again, err := s.SignedCopy(t.Context(), id, "y2026"); err != nil || again != old {
		t.Errorf("a copy by the retired key: %+v, %v, want %+v", again, err, old)
	}
	other := s.rpmsOf(t, s.complete(t, 2, "other", "1", "other.x86_64"))["other-1-1.x86_64.rpm"]
	var refused *signer.RefusedError
	if _, err := s.SignedCopy(t.Context(), other, "y2026"); !errors.As(err, &refused) || refused.Code != signer.CodeRetiredKey {
		t.Errorf("something new by the retired key: got %v, want the code %s", err, signer.CodeRetiredKey)
	}
	if text, err := s.PublicKeyFile(t.Context(), []string{"y2027", "y2026"}); err != nil || strings.Count(text, "BEGIN PGP") != 2 {
		t.Errorf("a retired key's signatures are out there: %v\n%s", err, text)
	}
	s.auditIsWhole(t)
}

func TestKeyNames(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "release")
	if err := s.SyncKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := pgp.Generate(pgp.Ed25519, "Other", time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := other.Armored()
	if err != nil {
		t.Fatal(err)
	}
	var taken *KeyTakenError
	if _, err := s.TrustKey(t.Context(), "release", []byte(armored)); !errors.As(err, &taken) {
		t.Errorf("another key of the name: got %v, want a *KeyTakenError", err)
	}
	for range 2 {
		if key, err := s.TrustKey(t.Context(), "other", []byte(armored)); err != nil || key.Fingerprint != other.Fingerprint {
			t.Errorf("trust: %+v, %v", key, err)
		}
	}
	if _, err := s.TrustKey(t.Context(), "again", []byte(armored)); !errors.As(err, &taken) {
		t.Errorf("the key under another name: got %v, want a *KeyTakenError", err)
	}
	if _, err := s.TrustKey(t.Context(), "both", []byte(armored+armored)); err == nil {
		t.Error("a file of two keys is taken")
	}
	if err := s.RetireTrusted(t.Context(), "release"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key of the signer: got %v, want %v", err, ErrNoKey)
	}
}

func TestSigningKeysOf(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		`"release"`: {"release"}, `["y2027","y2026"]`: {"y2027", "y2026"}, `"y2027 y2026"`: {"y2027", "y2026"}, `""`: {}, `[]`: {},
	} {
		got, err := parseSigningKeys(json.RawMessage(value))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", value, got, err, want)
		}
	}
	for _, value := range []string{`1`, `{"release":1}`, `["Release"]`, `["a","a"]`, `["../a"]`, `[1]`, `["1","2","3","4","5","6","7","8","9"]`} {
		if got, err := parseSigningKeys(json.RawMessage(value)); err == nil {
			t.Errorf("%s is taken for %q", value, got)
		}
	}
	s := newStage(t, "x86_64")
	tag := queuetest.Value[int64](t, s.Pool, "select id from tags where name = 'f37'")
	if got, err := SigningKeysOf(t.Context(), tagview.Reader{Conn: s.Pool}, tag); err != nil || got != nil {
		t.Errorf("a tag that says nothing: %q, %v", got, err)
	}
	queuetest.Exec(t, s.Pool, "insert into tag_extra (tag_id, key, value, create_event) select $1, $2, '[\"release\"]', max(id) from events", tag, SigningKeysExtra)
	if got, err := SigningKeysOf(t.Context(), tagview.Reader{Conn: s.Pool}, tag); err != nil || !slices.Equal(got, []string{"release"}) {
		t.Errorf("a tag that names a key: %q, %v", got, err)
	}
}

// deaf is a signer that does not say which keys it has.
type deaf struct {
	Signer
	err error
}

func (d deaf) Keys(context.Context) ([]signer.Key, error) { return nil, d.err }

// TestKeysThatNobodyCanBeAskedFor holds that a key is called unknown only by who
// could be asked: else a repository would wait for a change that nobody makes.
func TestKeysThatNobodyCanBeAskedFor(t *testing.T) {
	t.Parallel()
	s := newStage(t, "x86_64")
	for name, err := range map[string]error{
		"the signer can't read its keys": &signer.RefusedError{Code: signer.CodeUnavailable, Text: "the key can't be read"},
		"the database is lost":           errors.New("conn closed"),
		"the signer is away":             signer.ErrUnreachable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signing := &Signing{Pool: s.Pool, Store: s.Store, Signer: deaf{err: err}}
			_, got := signing.ownKeys(t.Context(), []string{"release"})
			if !errors.Is(got, err) || errors.Is(got, ErrNoKey) {
				t.Errorf("got %v, want %v and not %v", got, err, ErrNoKey)
			}
			if refusal := refusalOf(got); refusal != nil {
				t.Errorf("the repository is refused: %v", refusal)
			}
		})
	}
	none := &Signing{Pool: s.Pool, Store: s.Store, Signer: deaf{}}
	if _, err := none.ownKeys(t.Context(), []string{"release"}); !errors.Is(err, ErrNoKey) || refusalOf(err) == nil {
		t.Errorf("a signer that has no such key: got %v, want %v and a refusal", err, ErrNoKey)
	}
}
