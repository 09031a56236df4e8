package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/distbot/distbot/repopublish/moduletest"
)

// publish writes repodata of the given documents, each by type and content; a
// type may have the suffix of a compression.
func publish(t *testing.T, dir string, documents map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "repodata"), 0o755); err != nil {
		t.Fatal(err)
	}
	index := "<repomd><revision>1</revision>"
	for name, text := range documents {
		kind, _, _ := strings.Cut(name, ".")
		file := "repodata/" + strings.Replace(name, kind, kind+".xml", 1)
		index += fmt.Sprintf(`<data type="%s"><checksum type="sha256">%x</checksum><location href="%s"/><size>%d</size></data>`, kind, sha256.Sum256(text), file, len(text))
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "repodata", "repomd.xml"), []byte(index+"</repomd>"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// hugeZstd is a text that repeats, as a file of a few kilobytes.
func hugeZstd(t *testing.T, head, text string) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	member := encoder.EncodeAll([]byte(strings.Repeat(text, 4<<20/len(text))), nil)
	return append(encoder.EncodeAll([]byte(head), nil), bytes.Repeat(member, 20)...) // 80 MiB
}

// aliases is a YAML bomb.
func aliases() []byte {
	bomb := "---\ndocument: modulemd\nversion: 2\na0: &a0 [x, x]\n"
	for i := 1; i < 40; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	return []byte(bomb)
}

const (
	emptyPrimary = `<metadata packages="0"></metadata>`
	needsFile    = `<metadata packages="1"><package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><checksum type="sha256" pkgid="YES">` +
		`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum><size package="9"/><location href="a.rpm"/>` +
		`<format><rpm:requires><rpm:entry name="/usr/share/x"/></rpm:requires></format></package></metadata>`
	onePackage = `<package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><checksum type="sha256" pkgid="YES">` +
		`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum><size package="9"/><location href="a.rpm"/></package>`
)

// TestHostileRepositories gives every command that reads repositories those that
// are made to hurt: each says what is wrong, with exit code 1, and soon.
func TestHostileRepositories(t *testing.T) {
	t.Parallel()
	filelists := []byte(`<filelists packages="0"></filelists>`)
	// Bounds of bytes are reached soon, and not by hundreds of thousands of packages
	// in each command; those of counts are tested where they are.
	blanks := strings.Repeat(" ", 4<<10)
	for what, test := range map[string]struct {
		documents map[string][]byte
		want      string
		not       string // a command that does not read it
	}{
		"entities":     {map[string][]byte{"primary": []byte(`<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><metadata>&b;</metadata>`)}, "directive <!DOCTYPE", ""},
		"deep nesting": {map[string][]byte{"primary": []byte("<metadata>" + strings.Repeat("<package>", 1<<20))}, "nested deeper than 32", ""},
		"many packages in a few kilobytes": {
			map[string][]byte{"primary.zst": hugeZstd(t, "<metadata>", onePackage+blanks)}, "exceeds", "",
		},
		"many lines of nothing in a few kilobytes": {map[string][]byte{"primary.zst": hugeZstd(t, "<metadata>", "\n")}, "exceeds", ""},
		"many files in a few kilobytes": {
			map[string][]byte{"primary": []byte(needsFile), "filelists.zst": hugeZstd(t, `<filelists><package pkgid="a">`, "<file>/</file>"+blanks)}, "exceeds", "slim",
		},
		"an alias bomb in modules.yaml": {
			map[string][]byte{"primary": []byte("<metadata>" + onePackage + "</metadata>"), "filelists": filelists, "modules": aliases()}, "alias", "slim",
		},
		"modules.yaml of 50 MB": {
			map[string][]byte{"primary": []byte(emptyPrimary), "filelists": filelists, "modules.zst": hugeZstd(t, "---\n", "# x\n")}, "exceed", "",
		},
		"a location outside": {map[string][]byte{"primary": []byte(strings.Replace("<metadata>"+onePackage+"</metadata>", "a.rpm", "../../a.rpm", 1))}, "leaves the repository", ""},
		"names with control characters": {
			map[string][]byte{"primary": []byte(strings.Replace("<metadata>"+onePackage+"</metadata>", "<name>a", "<name>a\x1b[2J", 1))}, "", "",
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			publish(t, dir, test.documents)
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			t.Cleanup(server.Close)
			for _, location := range []string{dir, server.URL} {
				out := filepath.Join(t.TempDir(), "out")
				for _, args := range [][]string{
					{"closure", "--repo", location},
					{"slim", "--from", location, "--packages", "a", "--out", out},
					{"verify", location},
				} {
					if args[0] == test.not {
						continue
					}
					code, stdout, stderr := repoCommand(t, "", append([]string{"repo"}, args...)...)
					if code != exitFailed || !strings.Contains(stdout+stderr, test.want) || strings.Contains(stdout+stderr, "\x1b") || len(stdout+stderr) > 2000 {
						t.Errorf("%q: exit code %d, want 1 with %q\n%.2000s%.2000s", args, code, test.want, stdout, stderr)
					}
				}
				if _, err := os.Stat(out); err == nil {
					t.Error("a repository was made")
				}
			}
		})
	}
}

// revisions serves one repository until a file was asked for, and another one
// from then on.
type revisions struct {
	mu       sync.Mutex
	dirs     [2]string
	until    func(path string) bool
	switched bool
}

// ServeHTTP implements http.Handler.
func (r *revisions) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.switched = r.switched || r.until(request.URL.Path)
	dir := r.dirs[0]
	if r.switched {
		dir = r.dirs[1]
	}
	r.mu.Unlock()
	http.FileServer(http.Dir(dir)).ServeHTTP(w, request)
}

// TestSlimOfARepositoryThatChanges: what is made is of one moment, or nothing is.
func TestSlimOfARepositoryThatChanges(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	full, changed := v.Write(t, "full"), v.Write(t, "fullnew")
	run := func(t *testing.T, dirs [2]string, until func(path string) bool, out string) (int, string) {
		t.Helper()
		server := httptest.NewServer(&revisions{dirs: dirs, until: until})
		t.Cleanup(server.Close)
		code, stdout, stderr := repoCommand(t, "", "repo", "slim", "--from", server.URL, "--packages", "@demo:1", "--out", out, "--replace")
		return code, stdout + stderr
	}
	t.Run("before its documents were read, is of the new one", func(t *testing.T) {
		t.Parallel()
		out := filepath.Join(t.TempDir(), "out")
		code, text := run(t, [2]string{full, changed}, func(path string) bool { return strings.HasSuffix(path, "modules.yaml.gz") }, out)
		if code != exitDone || !strings.Contains(text, "demo:1:8000020210101000000:aaaa1111:x86_64") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		if code, stdout, stderr := repoCommand(t, "", "repo", "verify", out); code != exitDone {
			t.Errorf("what was made is wrong: %s%s", stdout, stderr)
		}
	})
	t.Run("before its packages were fetched, so that they are gone, is not made", func(t *testing.T) {
		t.Parallel()
		out := filepath.Join(t.TempDir(), "out")
		code, text := run(t, [2]string{full, full}, func(string) bool { return false }, out)
		if code != exitDone {
			t.Fatal(text)
		}
		before := tree(t, out)
		code, text = run(t, [2]string{full, v.Write(t, "base")}, func(path string) bool { return strings.HasSuffix(path, ".rpm") }, out)
		if code != exitFailed || !strings.Contains(text, "404") || !strings.Contains(text, ".rpm") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		if diff := cmp.Diff(before, tree(t, out)); diff != "" {
			t.Errorf("what was there changed (-before +after)\n%s", diff)
		}
	})
	t.Run("and has other packages under the same names, is not made", func(t *testing.T) {
		t.Parallel()
		other := v.Write(t, "full")
		name := filepath.Join(other, "demo-1.0-1.module+el8+1+aaaa.x86_64.rpm")
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		if err := os.WriteFile(name, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out")
		code, text := run(t, [2]string{full, other}, func(path string) bool { return strings.HasSuffix(path, ".rpm") }, out)
		if code != exitFailed || !strings.Contains(text, "not the one that the repository lists") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		if _, err := os.Stat(out); err == nil {
			t.Error("a repository was made")
		}
	})
}

// tree is every file below a directory with its content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestHostileDocumentsForCreate: repo create says what is wrong and leaves the
// repository as it was.
func TestHostileDocumentsForCreate(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	dir := v.Write(t, "base")
	before := tree(t, dir)
	for what, test := range map[string]struct {
		flag, file string
		text       []byte
		want       string
	}{
		"an alias bomb":             {"--modules", "m.yaml", aliases(), "alias"},
		"50 MB of modules":          {"--modules", "m.yaml", bytes.Repeat([]byte("# x\n"), 50<<20/4), "module documents exceed a limit"},
		"modules that never end":    {"--modules", "m.yaml.zst", hugeZstd(t, "---\n", "# x\n"), "exceeds"},
		"a bomb of entities":        {"--groups", "c.xml", []byte(`<!DOCTYPE c [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><comps>&b;</comps>`), "directive <!DOCTYPE"},
		"a deep document":           {"--groups", "c.xml", []byte("<comps>" + strings.Repeat("<a>", 1<<20)), "nested deeper"},
		"groups that never end":     {"--groups", "c.xml.zst", hugeZstd(t, "<comps>", "<group/>"), "exceeds"},
		"groups that are no groups": {"--groups", "c.xml", []byte("<comps><group></group></comps>"), "without id"},
		"an update that breaks off": {"--updateinfo", "u.xml", []byte("<updates><update>"), "unexpected end"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), test.file)
			if err := os.WriteFile(file, test.text, 0o644); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := repoCommand(t, "", "repo", "create", dir, test.flag, file)
			if code != exitFailed || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, test.flag) {
				t.Errorf("exit code %d, want 1 with %q\n%.2000s%.2000s", code, test.want, stdout, stderr)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("the repository changed (-before +after)\n%.2000s", diff)
			}
		})
	}
}
