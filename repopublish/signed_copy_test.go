package repopublish

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish/signer"
)

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
