package repopublish

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/internal/store"
	"github.com/distbot/distbot/queue/queuetest"
)

// repository writes a repository of files in the store, with its repomd.xml
// signed by keys.
func (s *signed) repository(t *testing.T, keys []string, blobs ...store.Blob) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var entries []repomd.Entry
	for _, blob := range blobs {
		file, err := s.stage.Store.OpenBlob(blob)
		if err != nil {
			t.Fatal(err)
		}
		pkg, err := rpmfile.Read(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		href := pkg.NVRA() + ".rpm"
		if err := os.Link(s.stage.Store.Path(blob), filepath.Join(dir, href)); err != nil {
			t.Fatal(err)
		}
		fragments, err := repomd.Render(pkg, repomd.File{Href: href, SHA256: blob.SHA256, Size: blob.Size})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: blob.SHA256, Fragments: fragments})
	}
	slices.SortFunc(entries, repomd.Compare)
	tag := queuetest.Value[int64](t, s.stage.Pool, "select id from tags where name = 'f37'")
	generation, err := db.New(s.stage.Pool).InsertGeneration(t.Context(), db.InsertGenerationParams{TagID: tag, Rev: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repomd.Write(t.Context(), dir, len(entries), inOrder(entries), repomd.Options{Revision: fmt.Sprint(generation.Number), Timestamp: generation.Number}); err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(filepath.Join(dir, "repodata/repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	asc, err := s.SignRepomd(t.Context(), generation.ID, "x86_64", document, keys)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.SignRepomd(t.Context(), generation.ID, "x86_64", document, keys); err != nil || again != asc {
		t.Errorf("signing it once more: %v\n%s", err, again)
	}
	if _, err := s.SignRepomd(t.Context(), generation.ID, "x86_64", append(document, '\n'), keys); !errors.Is(err, ErrOtherRepomd) {
		t.Errorf("another repomd.xml of the generation: got %v, want %v", err, ErrOtherRepomd)
	}
	if err := os.WriteFile(filepath.Join(dir, "repodata/repomd.xml.asc"), []byte(asc), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// client is a machine that knows the public keys of a file, and asks for all to
// be signed.
func client(t *testing.T, repo, publicKeys string, args ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(repo)))
	defer server.Close()
	state := t.TempDir()
	if err := os.WriteFile(filepath.Join(state, "keys.asc"), []byte(publicKeys), 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(state, "dnf.conf")
	text := fmt.Sprintf("[main]\ngpgcheck=1\nreposdir=/dev/null\ncachedir=%[1]s/cache\npersistdir=%[1]s/persist\nlogdir=%[1]s\n"+
		"[signed]\nname=signed\nbaseurl=%[2]s\nenabled=1\nrepo_gpgcheck=1\ngpgcheck=1\ngpgkey=file://%[1]s/keys.asc\n", state, server.URL)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), rpmtest.Tool(t, "dnf"), append([]string{
		"--config=" + config, "--forcearch=x86_64", "--releasever=37", "--noplugins", "--assumeyes", "--installroot=" + filepath.Join(state, "root"),
	}, args...)...)
	// gpg's agent puts its sockets there; a home of its own keeps it out of ours.
	cmd.Env = append(os.Environ(), "HOME="+state, "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func TestDNF(t *testing.T) {
	t.Parallel()
	s := newSigned(t, "y2026", "rsa2027")
	var blobs []store.Blob
	builds := []int64{s.complete(t, 1, "hello", "1", "hello.x86_64"), s.complete(t, 2, "greet", "1", "greet.noarch")}
	for i, key := range []string{"y2026", "rsa2027"} {
		for _, id := range s.rpmsOf(t, builds[i]) {
			blob, err := s.SignedCopy(t.Context(), id, key)
			if err != nil {
				t.Fatal(err)
			}
			blobs = append(blobs, blob)
		}
	}
	public := func(names ...string) string {
		text, err := s.PublicKeyFile(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	both := []string{"y2026", "rsa2027"}
	t.Run("installs what is signed by two keys", func(t *testing.T) {
		t.Parallel()
		out, err := client(t, s.repository(t, both, blobs...), public(both...), "install", "hello", "greet")
		if err != nil || !strings.Contains(out, "Complete!") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, key := range both {
		t.Run("knowing only "+key+" it loads the metadata that both have signed", func(t *testing.T) {
			t.Parallel()
			if out, err := client(t, s.repository(t, both, blobs...), public(key), "makecache"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	t.Run("knowing only one key it does not install what the other has signed", func(t *testing.T) {
		t.Parallel()
		out, err := client(t, s.repository(t, both, blobs...), public("y2026"), "install", "greet")
		if err == nil || !strings.Contains(out, "GPG") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("does not load metadata that were changed by one byte", func(t *testing.T) {
		t.Parallel()
		repo := s.repository(t, both, blobs...)
		path := filepath.Join(repo, "repodata/repomd.xml")
		document, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(document, []byte("<revision>"), []byte("<revision>1"), 1)
		if err := os.WriteFile(path, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := client(t, repo, public(both...), "makecache")
		if err == nil || !strings.Contains(out, "repomd.xml") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("does not install an unsigned package", func(t *testing.T) {
		t.Parallel()
		unsigned := store.Blob{SHA256: queuetest.Value[string](t, s.stage.Pool, "select sha256 from rpms where build_id = $1", builds[0])}
		var err error
		if unsigned, err = s.stage.Store.Stat(unsigned.SHA256); err != nil {
			t.Fatal(err)
		}
		out, err := client(t, s.repository(t, both, unsigned), public(both...), "install", "hello")
		if err == nil || !strings.Contains(out, "is not signed") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// inOrder yields entries one by one.
func inOrder(entries []repomd.Entry) iter.Seq2[repomd.Entry, error] {
	return func(yield func(repomd.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}
