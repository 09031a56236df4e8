package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish"
)

// signedBy is an RPM as somebody else has signed it.
func signedBy(t *testing.T, key *pgp.PrivateKey, raw []byte) []byte {
	t.Helper()
	head, err := rpmsig.ReadHead(bytes.NewReader(raw))
	if err != nil {
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

// TestTrustedSignaturesCount imports packages that somebody has signed, before and
// after the installation trusts the key.
func TestTrustedSignaturesCount(t *testing.T) {
	t.Parallel()
	f := newFlow(t, 2)
	key, err := pgp.Generate(pgp.Ed25519, "Fedora", time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Armored()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fedora.asc")
	if err := os.WriteFile(file, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, raw := range f.driver.files {
		f.driver.files[name] = signedBy(t, key, raw)
	}
	recorded := func(pkg string) int {
		return queuetest.Value[int](t, f.pool, `select count(*) from rpm_signatures s join rpms r on r.id = s.rpm_id join signing_keys k on k.id = s.key_id
			where k.name = 'fedora' and s.header is null and s.sha256 = r.sha256 and r.name = $1`, pkg)
	}
	f.deliver(t, packageName(0), "first")
	f.published(t, 1)

	s := newSigningStage(t, filepath.Join(f.server.Config.dir, "distbot.yaml"))
	var said struct{ Recorded repopublish.Recorded }
	if err := json.Unmarshal([]byte(s.call("repo", "key", "trust", "fedora", file, "--json").want(t, exitDone).stdout), &said); err != nil {
		t.Fatal(err)
	}
	if said.Recorded.Packages != 3 || said.Recorded.Signed != 3 || recorded(packageName(0)) != 3 {
		t.Errorf("of packages that were here already: %+v, %d recorded, want 3", said.Recorded, recorded(packageName(0)))
	}
	if out := s.call("repo", "key", "trust", "fedora", file).want(t, exitDone).stdout; !strings.Contains(out, "0 looked at, 0 signed by it") {
		t.Errorf("trusted once more: %s", out)
	}
	f.deliver(t, packageName(1), "second")
	f.published(t, 2)
	if n := recorded(packageName(1)); n != 3 {
		t.Errorf("of a build that came later %d signatures are recorded, want 3", n)
	}
}
