package repopublish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// publish makes the next generation of f37 and the spare for the one after it.
func (s *stage) publish(t *testing.T) error {
	t.Helper()
	tag, err := db.New(s.Pool).TagForPublish(t.Context(), s.dist.DestTag)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.ReposDir, tag.Name)
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	c, err := s.current(t.Context(), tag.ID)
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.make(t.Context(), dir, tag, c)
	if err == nil {
		s.prepare(t.Context(), tag.ID, made)
	}
	return err
}

// spareOf is where the tree for the next generation of f37 lies; empty for
// nowhere.
func (s *stage) spareOf(t *testing.T) string {
	t.Helper()
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	one := s.spares.byTag[s.dist.DestTag]
	if one == nil || !one.whole {
		return ""
	}
	return one.dir
}

func TestSpare(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) *stage {
		t.Helper()
		s := newStage(t, "x86_64", "aarch64")
		s.tag(t, s.dist.DestTag, s.complete(t, 1, "hello", "1", "hello.x86_64", "hello.aarch64", "docs.noarch"))
		if err := s.publish(t); err != nil {
			t.Fatal(err)
		}
		if s.spareOf(t) == "" {
			t.Fatal("there is no tree for the next generation")
		}
		return s
	}
	next := func(t *testing.T, s *stage) {
		t.Helper()
		s.tag(t, s.dist.DestTag, s.complete(t, 2, "other", "1", "other.x86_64"))
		if err := s.publish(t); err != nil {
			t.Fatal(err)
		}
		s.wantPackages(t, "f37", "x86_64", "docs-1-1.noarch", "hello-1-1.x86_64", "other-1-1.x86_64")
		s.wantPackages(t, "f37", "aarch64", "docs-1-1.noarch", "hello-1-1.aarch64")
	}

	t.Run("is the tree of the next generation", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		spare := s.spareOf(t)
		info, err := os.Stat(filepath.Join(spare, "x86_64", "Packages"))
		if err != nil {
			t.Fatal(err)
		}
		next(t, s)
		published, err := os.Stat(filepath.Join(s.ReposDir, "f37", "latest", "x86_64", "Packages"))
		if err != nil || !os.SameFile(info, published) {
			t.Errorf("the spare's directory is not the generation's: %v", err)
		}
		if _, err := os.Lstat(spare); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the spare is still there: %v", err)
		}
	})
	t.Run("may be gone", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		if err := os.RemoveAll(s.spareOf(t)); err != nil {
			t.Fatal(err)
		}
		next(t, s)
	})
	t.Run("may be lacking", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.spares = spares{}
		next(t, s)
	})
	t.Run("loses an architecture that the tag loses", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		queuetest.Exec(t, s.Pool, "update tags set arches = '{x86_64}' where id = $1", s.dist.DestTag)
		if err := s.publish(t); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(s.ReposDir, "f37", "latest", "aarch64")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("aarch64 is still there: %v", err)
		}
		s.wantPackages(t, "f37", "x86_64", "docs-1-1.noarch", "hello-1-1.x86_64")
	})
	t.Run("of another process is removed", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		old := s.spareOf(t)
		gone := filepath.Join(filepath.Dir(old), gonePrefix+"x")
		if err := os.Mkdir(gone, 0o755); err != nil {
			t.Fatal(err)
		}
		s.spares = spares{}
		next(t, s)
		for _, dir := range []string{old, gone} {
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", filepath.Base(dir), err)
			}
		}
	})
	t.Run("is looked at before it is believed", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		file := filepath.Join(s.spareOf(t), "x86_64", "Packages", "h", "hello-1-1.x86_64.rpm")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		next(t, s)
		// Other bytes in the place of a package.
		file = filepath.Join(s.spareOf(t), "x86_64", "Packages", "h", "hello-1-1.x86_64.rpm")
		if err := errors.Join(os.Remove(file), os.WriteFile(file, []byte("evil"), 0o444)); err != nil {
			t.Fatal(err)
		}
		s.tag(t, s.dist.DestTag, s.complete(t, 3, "third", "1", "third.x86_64"))
		if err := s.publish(t); err != nil {
			t.Fatal(err)
		}
		s.wantPackages(t, "f37", "x86_64", "docs-1-1.noarch", "hello-1-1.x86_64", "other-1-1.x86_64", "third-1-1.x86_64")
	})
	t.Run("does not hide that a package in it was written to", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		digest := queuetest.Value[string](t, s.Pool, "select sha256 from rpms where name = 'hello' and arch = 'x86_64'")
		path := s.Store.Path(store.Blob{SHA256: digest})
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, raw, 0o600)); err != nil {
			t.Fatal(err)
		}
		s.regenerate(t, s.dist.DestTag)
		if err := s.publish(t); !errors.Is(err, store.ErrDigest) {
			t.Fatalf("got %v, want ErrDigest", err)
		}
	})
	t.Run("is not made of a package that was exchanged", func(t *testing.T) {
		t.Parallel()
		s := begin(t)
		s.tag(t, s.dist.DestTag, s.complete(t, 2, "other", "1", "other.x86_64"))
		digest := queuetest.Value[string](t, s.Pool, "select sha256 from rpms where name = 'other'")
		path := s.Store.Path(store.Blob{SHA256: digest})
		if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("evil"), 0o444)); err != nil {
			t.Fatal(err)
		}
		if err := s.publish(t); err == nil {
			t.Fatal("it was published")
		}
		s.wantPackages(t, "f37", "x86_64", "docs-1-1.noarch", "hello-1-1.x86_64")
		s.wantNoLeftovers(t)
	})
	t.Run("makes room for others", func(t *testing.T) {
		t.Parallel()
		var s spares
		closed := func() *spare { return &spare{count: maxSpare/2 - 1} }
		first, second, third := closed(), closed(), closed()
		if r := append(s.add(1, first), s.add(2, second)...); len(r) != 0 {
			t.Errorf("%v had to go", r)
		}
		if r := s.add(3, third); len(r) != 1 || r[0] != first {
			t.Errorf("%v had to go, want the first", r)
		}
		huge := &spare{count: maxSpare + 1}
		if r := s.add(4, huge); len(r) != 1 || r[0] != huge || len(s.byTag) != 2 {
			t.Errorf("%v had to go, %v stay; want the huge one to go", r, s.byTag)
		}
	})
}
