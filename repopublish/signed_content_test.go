package repopublish

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish/signer"
)

// setExtra gives the destination tag an extra setting.
func (s *signed) setExtra(t *testing.T, key, value string) {
	t.Helper()
	queuetest.Exec(t, s.stage.Pool, "update tag_extra set revoke_event = create_event where tag_id = $1 and key = $2 and revoke_event is null", s.dist.DestTag, key)
	queuetest.Exec(t, s.stage.Pool, `with event as (insert into events (actor, what) values ('test', 'extra') returning id)
		insert into tag_extra (tag_id, key, value, create_event) select $1, $2, $3, event.id from event`, s.dist.DestTag, key, value)
}

// newSignedPublisher publishes f37, which inherits nothing.
func newSignedPublisher(t *testing.T, keys ...string) *signed {
	t.Helper()
	s := newSigned(t, keys...)
	queuetest.Exec(t, s.stage.Pool, "delete from tag_inheritance")
	s.stage.Signing = s.Signing
	s.work(t)
	return s
}

func TestATagNamesItsKeys(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "y2027")
	s.setExtra(t, SigningKeysExtra, `"y2026"`)
	s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
	s.settled(t)
	tree := func() string {
		dir, err := s.latestOf("f37")
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "x86_64")
	}
	install := func(names ...string) (string, error) {
		public, err := s.PublicKeyFile(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		return client(t, tree(), public, "install", "hello")
	}
	if out, err := install("y2026"); err != nil || !strings.Contains(out, "Complete!") {
		t.Fatalf("dnf with all checks: %v\n%s", err, out)
	}
	first, err := filepath.Glob(filepath.Join(tree(), "Packages", "y2026", "h", "*.rpm"))
	if err != nil || len(first) != 1 {
		t.Fatalf("signed packages: %v, %v", first, err)
	}

	// Rotation: the packages get the new key and another name, the metadata both
	// keys, so that clients who know either are served.
	s.setExtra(t, SigningKeysExtra, `["y2027", "y2026"]`)
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	if again, err := filepath.Glob(filepath.Join(tree(), "Packages", "*", "h", "*.rpm")); err != nil || len(again) != 1 || !strings.Contains(again[0], "/y2027/") {
		t.Errorf("signed packages: %v, %v", again, err)
	}
	if out, err := install("y2026", "y2027"); err != nil {
		t.Errorf("dnf that knows both: %v\n%s", err, out)
	}
	public, err := s.PublicKeyFile(t.Context(), []string{"y2026"})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := client(t, tree(), public, "makecache"); err != nil {
		t.Errorf("dnf that knows the old key reads the metadata: %v\n%s", err, out)
	}
	if _, err := os.Stat(first[0]); err != nil {
		t.Errorf("the generation before: %v", err)
	}
}

func TestNothingIsPublishedUnsignedForATagWithKeys(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026")
	s.setExtra(t, SigningKeysExtra, `"nosuch"`)
	before := queuetest.Value[int](t, s.stage.Pool, "select count(*) from repo_generations where state = 'published'")
	s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
	queuetest.WaitRow(t, s.stage.Pool, "the repository is refused", "select exists (select from repo_troubles where kind = 'refused' and reason like 'signing keys: %keys nosuch: there is no such key')")
	s.settled(t)
	if now := queuetest.Value[int](t, s.stage.Pool, "select count(*) from repo_generations where state = 'published'"); now != before {
		t.Errorf("%d generations were published", now-before)
	}
	s.setExtra(t, SigningKeysExtra, `"y2026"`)
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	if n := queuetest.Value[int](t, s.stage.Pool, "select count(*) from repo_troubles"); n != 0 {
		t.Errorf("%d troubles are left", n)
	}
	if files, err := filepath.Glob(filepath.Join(s.ReposDir, "f37", "latest", "x86_64", "Packages", "y2026", "h", "*.rpm")); err != nil || len(files) != 1 {
		t.Errorf("signed packages: %v, %v", files, err)
	}
}

func TestASignerOrAKeyThatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	s := newSignedPublisher(t, "y2026", "y2027")
	s.setExtra(t, SigningKeysExtra, `"y2026"`)
	s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64"))
	s.settled(t)

	// A signer that is away comes back: that is tried again.
	socket := filepath.Join(s.dir, "socket")
	if err := os.Rename(socket, socket+".away"); err != nil {
		t.Fatal(err)
	}
	s.tag(t, s.dist.DestTag, s.complete(t, 2, "hello", "2", "hello.x86_64"))
	queuetest.WaitRow(t, s.stage.Pool, "the trouble is told", "select exists (select from repo_troubles where kind = 'failing' and reason like '%the signer can''t be reached%')")
	queuetest.WaitRow(t, s.stage.Pool, "another try follows", "select exists (select from river_job where kind = 'repopublish.publish' and state in ('retryable', 'available'))")
	s.wantPackages(t, "f37", "x86_64", "hello-1-1.x86_64")
	if err := os.Rename(socket+".away", socket); err != nil {
		t.Fatal(err)
	}
	s.hurry(t)
	s.settled(t)
	if got := s.troubleOf(t); got != "" {
		t.Fatalf("trouble is left: %s", got)
	}

	// A retired key does not: the tag must name another one.
	if _, err := signer.RetireKey(s.keyDir(), "y2026", time.Now()); err != nil {
		t.Fatal(err)
	}
	s.tag(t, s.dist.DestTag, s.complete(t, 3, "hello", "3", "hello.x86_64"))
	s.settled(t)
	if got := s.troubleOf(t); !strings.HasPrefix(got, "refused\tsigning keys: ") || !strings.Contains(got, "y2026") || !strings.Contains(got, "retired") {
		t.Errorf("trouble %q", got)
	}
	s.wantPackages(t, "f37", "x86_64", "hello-2-1.x86_64")
	s.setExtra(t, SigningKeysExtra, `["y2027", "y2026"]`)
	s.regenerate(t, s.dist.DestTag)
	s.settled(t)
	if got := s.troubleOf(t); got != "" {
		t.Errorf("trouble is left: %s", got)
	}
	s.wantPackages(t, "f37", "x86_64", "hello-3-1.x86_64")
}
