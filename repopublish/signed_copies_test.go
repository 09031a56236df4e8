package repopublish

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/rpmsig"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// published are the packages in the tree of f37, by name, with the names of the
// keys whose signatures each carries, as its bytes say.
func (s *signed) published(t *testing.T, keys ...string) map[string][]string {
	t.Helper()
	dir, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	public := map[string]*pgp.PublicKey{}
	for _, name := range keys {
		public[name] = s.public(t, name)
	}
	found := map[string][]string{}
	err = filepath.WalkDir(filepath.Join(dir, "x86_64", "Packages"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		found[entry.Name()] = []string{}
		for _, name := range keys {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			_, err = rpmsig.Verify(t.Context(), file, []*pgp.PublicKey{public[name]}, time.Now())
			file.Close()
			if err == nil {
				found[entry.Name()] = append(found[entry.Name()], name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checked is what rpm says of a published package's signatures, knowing a key.
func (s *signed) checked(t *testing.T, key, file string) string {
	t.Helper()
	dir, err := s.latestOf("f37")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "x86_64", "Packages", "*", "*", file))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s is published as %q, %v", file, files, err)
	}
	state := t.TempDir()
	public := filepath.Join(state, "key.asc")
	if err := os.WriteFile(public, []byte(s.known(t, key).PublicKey), 0o644); err != nil {
		t.Fatal(err)
	}
	rpmkeys := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), rpmtest.Tool(t, "rpmkeys"), append([]string{"--dbpath", filepath.Join(state, "db")}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := rpmkeys("--import", public); err != nil {
		t.Fatalf("rpmkeys --import: %v\n%s", err, out)
	}
	out, _ := rpmkeys("-Kv", files[0])
	return out
}

// signAll has all packages of a build signed.
func (s *signed) signAll(t *testing.T, build int64, key string) {
	t.Helper()
	var ids []int64
	for _, id := range s.rpmsOf(t, build) {
		ids = append(ids, id)
	}
	if _, err := s.SignedCopies(t.Context(), ids, key); err != nil {
		t.Fatal(err)
	}
}

// reasonOf is what the status of a build says about f37.
func (s *signed) reasonOf(t *testing.T, build int64) string {
	t.Helper()
	return queuetest.Value[string](t, s.stage.Pool, "select description from reports where commit_id = (select commit_id from builds where id = $1) and context = 'distbot/f37'", build)
}

func TestPublishedPackagesCarryTheNeededSignatures(t *testing.T) {
	t.Parallel()
	t.Run("of a tag that names no keys of its own", func(t *testing.T) {
		t.Parallel()
		s := newSignedPublisher(t, "y2026")
		s.setExtra(t, NeedSignaturesExtra, `"y2026"`)
		build := s.complete(t, 1, "hello", "1", "hello.x86_64")
		s.signAll(t, build, "y2026")
		// It is made again from the record.
		var copies []store.Blob
		for _, id := range s.rpmsOf(t, build) {
			blob, err := s.SignedCopies(t.Context(), []int64{id}, "y2026")
			if err != nil {
				t.Fatal(err)
			}
			copies = append(copies, blob[id])
		}
		if err := os.Remove(s.stage.Store.Path(copies[0])); err != nil {
			t.Fatal(err)
		}
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		if got := s.published(t, "y2026"); !slices.Equal(got["hello-1-1.x86_64.rpm"], []string{"y2026"}) || len(got) != 1 {
			t.Errorf("published, and signed by: %v", got)
		}
		if out := s.checked(t, "y2026", "hello-1-1.x86_64.rpm"); !strings.Contains(out, "key ID "+s.public(t, "y2026").ID()+": OK") {
			t.Errorf("rpmkeys:\n%s", out)
		}
	})
	t.Run("of a tag whose own key is another", func(t *testing.T) {
		t.Parallel()
		s := newSignedPublisher(t, "new", "old")
		s.setExtra(t, SigningKeysExtra, `"new"`)
		s.setExtra(t, NeedSignaturesExtra, `"old"`)
		build := s.complete(t, 1, "hello", "1", "hello.x86_64")
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64")
		s.dist.Statuses(t, 1)
		if why := s.reasonOf(t, build); !strings.Contains(why, "hello-1-1.x86_64 has no signature by old") {
			t.Errorf("the status says %q", why)
		}
		// What clients know is the repository's key.
		s.signAll(t, build, "old")
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		if got := s.published(t, "new", "old"); !slices.Equal(got["hello-1-1.x86_64.rpm"], []string{"new"}) {
			t.Errorf("published, and signed by: %v", got)
		}
		// They know both.
		s.setExtra(t, SigningKeysExtra, `["new", "old"]`)
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		if got := s.published(t, "new", "old"); !slices.Equal(got["hello-1-1.x86_64.rpm"], []string{"old"}) {
			t.Errorf("published, and signed by: %v", got)
		}
	})
	t.Run("of a tag that needs two, one of them", func(t *testing.T) {
		t.Parallel()
		s := newSignedPublisher(t, "one", "two")
		s.setExtra(t, NeedSignaturesExtra, `["one", "two"]`)
		build := s.complete(t, 1, "hello", "1", "hello.x86_64")
		s.signAll(t, build, "two")
		s.tag(t, s.dist.DestTag, build)
		s.settled(t)
		s.wantPackages(t, "f37", "x86_64")
		s.signAll(t, build, "one")
		s.regenerate(t, s.dist.DestTag)
		s.settled(t)
		if got := s.published(t, "one", "two"); !slices.Equal(got["hello-1-1.x86_64.rpm"], []string{"one"}) {
			t.Errorf("published, and signed by: %v", got)
		}
	})
}

func TestCopyToPublish(t *testing.T) {
	t.Parallel()
	a := RecordedSignature{Key: "a", Fingerprint: strings.Repeat("a", 40), Copy: store.Blob{SHA256: "1"}}
	b := RecordedSignature{Key: "b", Fingerprint: strings.Repeat("b", 40), Copy: store.Blob{SHA256: "2"}}
	// It came with both.
	both := []RecordedSignature{{Key: "a", Copy: store.Blob{SHA256: "0"}}, {Key: "b", Copy: store.Blob{SHA256: "0"}}}
	for name, test := range map[string]struct {
		keys, need []string
		have       []RecordedSignature
		want       string // of the copy
		why        string
	}{
		"the repository's first key":               {[]string{"b", "a"}, nil, []RecordedSignature{a, b}, "2", ""},
		"the key that is needed":                   {nil, []string{"b"}, []RecordedSignature{a, b}, "2", ""},
		"the key that is needed, by fingerprint":   {nil, []string{b.Fingerprint}, []RecordedSignature{a, b}, "2", ""},
		"the one of two that is needed":            {[]string{"b", "a"}, []string{"a"}, []RecordedSignature{a, b}, "1", ""},
		"both in one file":                         {nil, []string{"a", "b"}, both, "0", ""},
		"ours and one needed in one file":          {[]string{"b"}, []string{"a"}, both, "0", ""},
		"both, each in a file":                     {nil, []string{"a", "b"}, []RecordedSignature{a, b}, "1", ""},
		"needed by a key that clients do not know": {[]string{"b"}, []string{"a"}, []RecordedSignature{a, b}, "2", ""},
		"not signed by the repository's key":       {[]string{"b"}, []string{"a"}, []RecordedSignature{a}, "", "no copy that is signed by one of the keys of the repository, b"},
		"nobody has signed":                        {nil, []string{"a", "b"}, nil, "", "has no signature by a and b"},
		"the first is missing":                     {nil, []string{"a", "b"}, []RecordedSignature{b}, "", "has no signature by a"},
	} {
		got, why := copyToPublish(test.keys, test.need, test.have)
		if got.Copy.SHA256 != test.want || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
			t.Errorf("%s: got %q, %q, want %q, %q", name, got.Copy.SHA256, why, test.want, test.why)
		}
	}
}
