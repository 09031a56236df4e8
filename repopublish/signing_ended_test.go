package repopublish

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish/signer"
)

// whoSigned are the ids of the keys that gpg finds in a repomd.xml.asc.
func whoSigned(t *testing.T, tree string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), rpmtest.Tool(t, "gpg"), "--homedir", t.TempDir(), "--batch", "--no-autostart", "--list-packets", filepath.Join(tree, "repodata", "repomd.xml.asc")).CombinedOutput()
	if err != nil {
		t.Fatalf("gpg: %v\n%s", err, out)
	}
	return strings.ToLower(string(out))
}

// TestARetiredKeyEndsNoPublishing retires one of a tag's keys by the book: the
// signer knows, and nobody else until it is asked.
func TestARetiredKeyEndsNoPublishing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ keys, signs, ended string }{
		"the second of the list": {`["y2027", "y2026"]`, "y2027", "y2026"},
		"the first of the list":  {`["y2026", "y2027"]`, "y2027", "y2026"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSignedPublisher(t, "y2026", "y2027")
			s.setExtra(t, SigningKeysExtra, test.keys)
			s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
			s.settled(t)
			if _, err := signer.RetireKey(s.keyDir(), test.ended, time.Now()); err != nil {
				t.Fatal(err)
			}
			s.tag(t, s.dist.DestTag, s.complete(t, 2, "other", "1", "other.x86_64"))
			s.settled(t)
			s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64", "other-1-1.x86_64")
			dir, err := s.latestOf("f37")
			if err != nil {
				t.Fatal(err)
			}
			by := whoSigned(t, filepath.Join(dir, "x86_64"))
			if !strings.Contains(by, s.public(t, test.signs).ID()) || strings.Contains(by, s.public(t, test.ended).ID()) {
				t.Errorf("repomd.xml.asc is signed by\n%s", by)
			}
			if s.known(t, test.ended).Retired == nil {
				t.Error("the database does not know that the key is retired")
			}
			public, err := s.PublicKeyFile(t.Context(), []string{test.signs})
			if err != nil {
				t.Fatal(err)
			}
			if out, err := client(t, filepath.Join(dir, "x86_64"), public, "install", "hello", "other"); err != nil {
				t.Errorf("dnf that knows the key which is left: %v\n%s", err, out)
			}
		})
	}
}

// TestAnExpiredKeyEndsNoPublishing has a key whose time is over, and nobody can
// retire.
func TestAnExpiredKeyEndsNoPublishing(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "next")
	if _, err := signer.CreateKey(s.keyDir(), []byte(passphrase), "old", "old", pgp.Ed25519, time.Now().Add(-48*time.Hour), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	queuetest.Exec(t, s.stage.Pool, "delete from tag_inheritance")
	s.stage.Signing = s.Signing
	s.work(t)
	s.setExtra(t, SigningKeysExtra, `["old", "next"]`)
	s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
	s.settled(t)
	s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")

	t.Run("one that expired alone ends it", func(t *testing.T) {
		generation := queuetest.Value[int64](t, s.stage.Pool, "insert into repo_generations (tag_id, number, rev, state) select id, 99, 99, 'building' from tags where name = 'f37' returning id")
		_, err := s.SignRepomd(t.Context(), generation, "x86_64", []byte("<repomd/>"), []string{"old"})
		if !errors.Is(err, ErrNoKey) {
			t.Errorf("got %v, want %v", err, ErrNoKey)
		}
	})
	t.Run("what the signer alone thinks is over does not end it", func(t *testing.T) {
		dir, err := s.latestOf("f37")
		if err != nil {
			t.Fatal(err)
		}
		document, err := os.ReadFile(filepath.Join(dir, "x86_64", "repodata", "repomd.xml"))
		if err != nil {
			t.Fatal(err)
		}
		document = bytes.TrimSpace(document)
		generation := queuetest.Value[int64](t, s.stage.Pool, "insert into repo_generations (tag_id, number, rev, state) select id, 100, 100, 'building' from tags where name = 'f37' returning id")
		late := *s.Signing
		late.Now = func() time.Time { return time.Now().Add(-36 * time.Hour) }
		if _, err := late.SignRepomd(t.Context(), generation, "x86_64", document, []string{"old"}); !errors.Is(err, ErrNoKey) {
			t.Errorf("the expired key alone: got %v, want %v", err, ErrNoKey)
		}
	})
}
