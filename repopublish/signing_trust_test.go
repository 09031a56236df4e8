package repopublish

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/repopublish/signer"
)

// foreignKey is a key of somebody else, and its public half.
func foreignKey(t *testing.T, userID string) (*pgp.PrivateKey, []byte) {
	t.Helper()
	key, err := pgp.Generate(pgp.Ed25519, userID, time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := key.Armored()
	if err != nil {
		t.Fatal(err)
	}
	return key, []byte(armored)
}

// known is the key of a name, as the database has it.
func (s *signed) known(t *testing.T, name string) KnownKey {
	t.Helper()
	keys, err := s.Keys(t.Context())
	i := slices.IndexFunc(keys, func(k KnownKey) bool { return k.Name == name })
	if err != nil || i < 0 {
		t.Fatalf("the key %s among %+v: %v", name, keys, err)
	}
	return keys[i]
}

func TestAKeyIsTrustedAgain(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "release")
	_, fedora := foreignKey(t, "Fedora")
	trust := func() {
		t.Helper()
		if _, err := s.TrustKey(t.Context(), "fedora", fedora); err != nil {
			t.Fatal(err)
		}
	}
	trust()
	if err := s.RetireTrusted(t.Context(), "fedora"); err != nil {
		t.Fatal(err)
	}
	if s.known(t, "fedora").Retired == nil {
		t.Error("it is trusted though it is not any more")
	}
	trust()
	if key := s.known(t, "fedora"); key.Retired != nil || key.Own {
		t.Errorf("trusted again it is %+v", key)
	}
	t.Run("one of the signer that is retired is not", func(t *testing.T) {
		if _, err := signer.RetireKey(s.keyDir(), "release", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := s.SyncKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		public := s.known(t, "release").PublicKey
		var taken *KeyTakenError
		if _, err := s.TrustKey(t.Context(), "release", []byte(public)); !errors.As(err, &taken) {
			t.Errorf("got %v, want a *KeyTakenError", err)
		}
		if key := s.known(t, "release"); key.Retired == nil || !key.Own {
			t.Errorf("afterwards it is %+v", key)
		}
	})
}

// TestOneKeyThatCannotBeNamedKeepsNoOtherOut has a signer with keys of which one
// has a name that is somebody else's.
func TestOneKeyThatCannotBeNamedKeepsNoOtherOut(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "a-first", "fedora", "z-last")
	var logged strings.Builder
	s.Signing.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	_, fedora := foreignKey(t, "Fedora")
	if _, err := s.TrustKey(t.Context(), "fedora", fedora); err != nil {
		t.Fatal(err)
	}
	if err := s.SyncKeys(t.Context()); err != nil {
		t.Fatalf("sync: %v", err)
	}
	if !s.known(t, "a-first").Own || !s.known(t, "z-last").Own || s.known(t, "fedora").Own {
		t.Error("the other keys are not known")
	}
	if !strings.Contains(logged.String(), "key=fedora") {
		t.Errorf("the log says %q", &logged)
	}
	id := s.rpmsOf(t, s.complete(t, 1, "hello", "1", "hello.x86_64"))["hello-1-1.x86_64.rpm"]
	if _, err := s.SignedCopies(t.Context(), []int64{id}, "z-last"); err != nil {
		t.Errorf("a key after it: %v", err)
	}
	var taken *KeyTakenError
	if _, err := s.SignedCopies(t.Context(), []int64{id}, "fedora"); !errors.As(err, &taken) || taken.Name != "fedora" {
		t.Errorf("the key itself: got %v, want a *KeyTakenError", err)
	}
}
