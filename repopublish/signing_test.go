package repopublish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue/queuetest"
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

func TestSignedCopy(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "release")
	build := s.complete(t, 1, "hello", "1", "hello.x86_64", "hello-devel.x86_64", "hello.src")
	rpms := s.rpmsOf(t, build)
	var ids []int64
	for _, id := range rpms {
		ids = append(ids, id)
	}
	missing := func() (files []string) {
		list, err := s.MissingSignatures(t.Context(), []int64{build}, []string{"release"})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Key != "release" || m.BuildID != build || rpms[m.NEVRA.NVRA()+".rpm"] != m.RPMID {
				t.Errorf("missing: %+v", m)
			}
			files = append(files, m.NEVRA.NVRA())
		}
		return files
	}
	if diff := cmp.Diff([]string{"hello-1-1.src", "hello-1-1.x86_64", "hello-devel-1-1.x86_64"}, missing()); diff != "" {
		t.Errorf("before signing (-want +got):\n%s", diff)
	}
	one := rpms["hello-1-1.x86_64.rpm"]
	unsigned := queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where id = $1", one)
	blob, err := s.SignedCopy(t.Context(), one, "release")
	if err != nil {
		t.Fatal(err)
	}
	key := s.public(t, "release")
	s.verifyBlob(t, blob, key)
	if _, err := s.stage.Store.Stat(unsigned); err != nil || blob.SHA256 == unsigned {
		t.Errorf("the unsigned package: %v", err)
	}
	at := queuetest.Value[time.Time](t, s.stage.Pool, "select signed_at from rpm_signatures")
	if recorded := queuetest.Value[time.Time](t, s.stage.Pool, "select date_trunc('second', recorded_at) from rpms where id = $1", one); !at.Equal(recorded) {
		t.Errorf("signed at %s, want when it was recorded, %s", at, recorded)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(s.stage.Store.Path(blob))))
	data := filepath.Join(root, "packages/hello/1/1/data")
	copied, err := os.ReadFile(filepath.Join(data, "signed", key.ID(), "x86_64/hello-1-1.x86_64.rpm"))
	if err != nil || int64(len(copied)) != blob.Size {
		t.Errorf("the signed copy by Koji's name: %d bytes, %v", len(copied), err)
	}
	header, err := os.ReadFile(filepath.Join(data, "sigcache", key.ID(), "x86_64/hello-1-1.x86_64.rpm.sig"))
	if err != nil || !bytes.Contains(copied, header) {
		t.Errorf("the signature header by Koji's name: %d bytes, %v", len(header), err)
	}
	if diff := cmp.Diff([]string{"hello-1-1.src", "hello-devel-1-1.x86_64"}, missing()); diff != "" {
		t.Errorf("after one was signed (-want +got):\n%s", diff)
	}

	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			copies, err := s.SignedCopies(t.Context(), ids, "release")
			if err == nil && (len(copies) != 3 || copies[one] != blob) {
				return errors.New("other copies")
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := missing(); got != nil {
		t.Errorf("missing after all were signed: %q", got)
	}
	s.auditIsWhole(t)
}

// TestSignedAgain loses parts of what signing left, as a crash can.
func TestSignedAgain(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "release")
	id := s.rpmsOf(t, s.complete(t, 1, "hello", "1", "hello.x86_64"))["hello-1-1.x86_64.rpm"]
	blob, err := s.SignedCopy(t.Context(), id, "release")
	if err != nil {
		t.Fatal(err)
	}
	lose := func() {
		if err := os.Remove(s.stage.Store.Path(blob)); err != nil {
			t.Fatal(err)
		}
	}
	signatures := func() int64 {
		report, err := signer.VerifyAudit(s.dir, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return report.Signatures
	}
	t.Run("without the copy, the signature is not asked for again", func(t *testing.T) {
		before := signatures()
		lose()
		again, err := (&Signing{Pool: s.stage.Pool, Store: s.stage.Store}).SignedCopy(t.Context(), id, "release")
		if err != nil || again != blob || signatures() != before {
			t.Errorf("got %+v, %v, want %+v; signatures made: %d, before %d", again, err, blob, signatures(), before)
		}
		s.verifyBlob(t, again, s.public(t, "release"))
	})
	t.Run("without the record, the copy is the same", func(t *testing.T) {
		queuetest.Exec(t, s.stage.Pool, "delete from rpm_signatures")
		if again, err := s.SignedCopy(t.Context(), id, "release"); err != nil || again != blob {
			t.Errorf("got %+v, %v, want %+v", again, err, blob)
		}
	})
	t.Run("without both, the copy is the same", func(t *testing.T) {
		queuetest.Exec(t, s.stage.Pool, "delete from rpm_signatures")
		lose()
		if again, err := s.SignedCopy(t.Context(), id, "release"); err != nil || again != blob {
			t.Errorf("got %+v, %v, want %+v", again, err, blob)
		}
	})
	t.Run("without a signer, what is not signed is not", func(t *testing.T) {
		other := s.rpmsOf(t, s.complete(t, 2, "other", "1", "other.x86_64"))["other-1-1.x86_64.rpm"]
		if _, err := (&Signing{Pool: s.stage.Pool, Store: s.stage.Store}).SignedCopy(t.Context(), other, "release"); !errors.Is(err, ErrNoSigner) {
			t.Errorf("got %v, want %v", err, ErrNoSigner)
		}
	})
	t.Run("a key nobody has is told", func(t *testing.T) {
		other := s.rpmsOf(t, s.complete(t, 3, "third", "1", "third.x86_64"))["third-1-1.x86_64.rpm"]
		if _, err := s.SignedCopy(t.Context(), other, "nobody"); !errors.Is(err, ErrNoKey) {
			t.Errorf("got %v, want %v", err, ErrNoKey)
		}
	})
	t.Run("a file that was exchanged in the store is not signed", func(t *testing.T) {
		build := s.complete(t, 4, "fourth", "1", "fourth.x86_64")
		other := s.rpmsOf(t, build)["fourth-1-1.x86_64.rpm"]
		path := s.stage.Store.Path(store.Blob{SHA256: queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where id = $1", other)})
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		if err := errors.Join(os.Remove(path), os.WriteFile(path, raw, 0o444)); err != nil {
			t.Fatal(err)
		}
		var refused *signer.RefusedError
		if _, err := s.SignedCopy(t.Context(), other, "release"); !errors.As(err, &refused) || refused.Code != signer.CodeWrongDigest {
			t.Errorf("got %v, want the code %s", err, signer.CodeWrongDigest)
		}
	})
}

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

func TestLackingKeys(t *testing.T) {
	t.Parallel()
	fingerprint := strings.Repeat("0123456789", 4)
	have := []RecordedSignature{{Key: "release", Fingerprint: fingerprint}, {Key: "testing", Fingerprint: strings.Repeat("f", 40)}}
	for name, test := range map[string]struct {
		need []string
		have []RecordedSignature
		want []string
	}{
		"nothing is needed":             {nil, nil, nil},
		"it is there by name":           {[]string{"release"}, have, nil},
		"it is there by fingerprint":    {[]string{fingerprint}, have, nil},
		"all are there":                 {[]string{"release", "testing"}, have, nil},
		"one of two is not":             {[]string{"release", "security"}, have, []string{"security"}},
		"nobody has signed":             {[]string{"release", "testing"}, nil, []string{"release", "testing"}},
		"an id of 8 digits is nobody's": {[]string{fingerprint[32:]}, have, []string{fingerprint[32:]}},
		"an empty name is nobody's":     {[]string{""}, have, []string{""}},
	} {
		if diff := cmp.Diff(test.want, LackingKeys(test.need, test.have)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
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
