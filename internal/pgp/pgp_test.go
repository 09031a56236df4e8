package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var (
	made   = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	signed = made.Add(time.Hour)
)

func generate(t testing.TB, algorithm Algorithm, lifetime time.Duration) *PrivateKey {
	t.Helper()
	key, err := Generate(algorithm, "Release <release@example.org>", made, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []Algorithm{Ed25519, RSA4096} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			key := generate(t, algorithm, 48*time.Hour)
			secret, err := key.Encrypted([]byte("passphrase"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParsePrivateKey([]byte(secret), []byte("Passphrase")); !errors.Is(err, ErrPassphrase) {
				t.Errorf("with a wrong passphrase: got %v, want %v", err, ErrPassphrase)
			}
			again, err := ParsePrivateKey([]byte(secret), []byte("passphrase"))
			if err != nil {
				t.Fatal(err)
			}
			armored, err := again.Armored()
			if err != nil {
				t.Fatal(err)
			}
			public, err := ParsePublicKeys([]byte("A comment.\n" + armored + "\n" + armored))
			if err != nil || len(public) != 2 {
				t.Fatalf("got %d keys of two blocks, %v", len(public), err)
			}
			want := PublicKey{
				Fingerprint: key.Fingerprint, Algorithm: algorithm, UserID: "Release <release@example.org>",
				Created: made.Truncate(time.Second), Expires: ptr(made.Truncate(time.Second).Add(48 * time.Hour)),
			}
			for _, k := range append(public, key.PublicKey) {
				if k.Fingerprint != want.Fingerprint || k.Algorithm != want.Algorithm || k.UserID != want.UserID ||
					!k.Created.Equal(want.Created) || k.Expires == nil || !k.Expires.Equal(*want.Expires) {
					t.Errorf("got %+v, want %+v", *k, want)
				}
			}
			if !strings.HasSuffix(key.Fingerprint, key.ID()) || len(key.ID()) != 8 {
				t.Errorf("id is %q", key.ID())
			}
			for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key)} {
				if len(text) > 500 {
					t.Errorf("a private key prints as %.500s", text)
				}
			}
			if _, err := ParsePublicKeys([]byte(secret)); !errors.Is(err, ErrMalformed) {
				t.Errorf("a private key for a public one: got %v, want %v", err, ErrMalformed)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestSignature(t *testing.T) {
	t.Parallel()
	content := []byte("content")
	for _, algorithm := range []Algorithm{Ed25519, RSA4096} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			key, other := generate(t, algorithm, 48*time.Hour), generate(t, Ed25519, 0)
			raw := sign(t, key, content, signed)
			if !bytes.Equal(raw, sign(t, key, content, signed.Add(10*time.Millisecond))) {
				t.Error("the same content and second give another signature")
			}
			signature, err := ParseSignature(raw)
			if err != nil {
				t.Fatal(err)
			}
			if by := fmt.Sprintf("%x", signature.packet.IssuerFingerprint); by != key.Fingerprint || !strings.HasSuffix(key.Fingerprint, signature.KeyID) || signature.IsRSA() != (algorithm == RSA4096) {
				t.Errorf("it says %s %s", by, signature.KeyID)
			}
			both := []*PublicKey{other.PublicKey, key.PublicKey}
			for name, test := range map[string]struct {
				content string
				keys    []*PublicKey
				now     time.Time
				want    error
			}{
				"it counts":                                   {"content", both, signed, nil},
				"it counts after its key has expired":         {"content", both, made.Add(72 * time.Hour), nil},
				"it is of other content":                      {"Content", both, signed, ErrBadSignature},
				"its key is not known":                        {"content", both[:1], signed, ErrUnknownKey},
				"it is of the future":                         {"content", both, signed.Add(-time.Hour), ErrBadSignature},
				"it is of a future that clocks may be off by": {"content", both, signed.Add(-time.Minute), nil},
			} {
				by, err := signature.Verify([]byte(test.content), test.keys, test.now)
				if !errors.Is(err, test.want) || test.want == nil && by != key.PublicKey {
					t.Errorf("%s: got %v, %v, want %v", name, by, err, test.want)
				}
			}
		})
	}
}

// TestLifeOfAKey dates signatures outside of the life of their key.
func TestLifeOfAKey(t *testing.T) {
	t.Parallel()
	key := generate(t, Ed25519, 48*time.Hour)
	for name, at := range map[string]time.Time{"before it was made": made.Add(-time.Hour), "after it has expired": made.Add(49 * time.Hour)} {
		if _, err := key.Sign([]byte("content"), at); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%s: got %v, want that the signature does not verify", name, err)
		}
	}
}

func sign(t testing.TB, key *PrivateKey, content []byte, at time.Time) []byte {
	t.Helper()
	raw, err := key.Sign(content, at)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestUserID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Release <release@example.org>": "Release <release@example.org>",
		"  Release  ":                   "Release",
		"<release@example.org>":         "<release@example.org>",
		"":                              "",
		"a\nb":                          "",
		"Release <nobody>":              "",
		"Release (test)":                "",
		"Release >":                     "",
		strings.Repeat("x", 300):        "",
	} {
		key, err := Generate(Ed25519, text, made, 0)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken", text)
		case want != "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && key.UserID != want:
			t.Errorf("%q became %q, want %q", text, key.UserID, want)
		}
	}
}

// TestArmoredSignatures gives gpg a file with signatures of two keys, one of
// which it knows.
func TestArmoredSignatures(t *testing.T) {
	t.Parallel()
	known, other := generate(t, RSA4096, 0), generate(t, Ed25519, 0)
	content := []byte("<repomd/>\n")
	text, err := Armor(sign(t, known, content, signed), sign(t, other, content, signed))
	if err != nil {
		t.Fatal(err)
	}
	armored, err := known.Armored()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	for name, text := range map[string]string{"key.asc": armored, "doc.asc": text, "doc": string(content)} {
		if err := os.WriteFile(home+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"--import", home + "/key.asc"}, {"--status-fd", "1", "--verify", home + "/doc.asc", home + "/doc"}} {
		out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--no-autostart"}, args...)...).CombinedOutput()
		if args[0] == "--import" && err != nil {
			t.Fatalf("gpg: %v\n%s", err, out)
		}
		if args[0] != "--import" && !strings.Contains(string(out), "VALIDSIG "+strings.ToUpper(known.Fingerprint)) {
			t.Errorf("gpg: %v\n%s", err, out)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	for _, algorithm := range []Algorithm{Ed25519, RSA4096} {
		f.Add(sign(f, generate(f, algorithm, 0), []byte("content"), signed))
	}
	key := generate(f, Ed25519, 0)
	f.Fuzz(func(t *testing.T, raw []byte) {
		signature, err := ParseSignature(raw)
		if err != nil {
			return
		}
		if by, err := signature.Verify([]byte("other content"), []*PublicKey{key.PublicKey}, signed); err == nil {
			t.Fatalf("%x counts for %v", raw, by)
		}
	})
}

func FuzzParsePublicKeys(f *testing.F) {
	armored, err := generate(f, Ed25519, 0).Armored()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(armored))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := ParsePublicKeys(raw)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for _, key := range keys {
			if _, err := key.Armored(); err != nil {
				t.Fatalf("write %s: %v", key.Fingerprint, err)
			}
		}
	})
}
