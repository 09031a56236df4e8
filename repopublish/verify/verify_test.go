package verify

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/internal/modulemd"
	"github.com/distbot/distbot/internal/rpmfile/rpmtest"
	"github.com/distbot/distbot/repopublish/moduletest"
	"github.com/distbot/distbot/repopublish/snapshot"
	"github.com/distbot/distbot/repopublish/snapshot/snapshottest"
)

func mustVerify(t testing.TB, rpms bool, locations ...string) Report {
	t.Helper()
	reading := ReadNone
	if rpms {
		reading = ReadAll
	}
	var sources []snapshot.Source
	for i, location := range locations {
		sources = append(sources, snapshot.Source{Name: string(rune('a' + i)), Location: location})
	}
	r, err := Verify(t.Context(), sources, Options{RPMs: reading, Snapshot: snapshot.Options{Pause: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGoodRepositories(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	ours := v.Write(t, "full")
	theirs := v.Write(t, "full")
	modules := filepath.Join(t.TempDir(), "modules.yaml")
	snapshottest.Replace(t, modules, *v.Repos["full"].Modules)
	for _, args := range [][]string{
		{"createrepo_c", "-q", "--database", theirs}, {"modifyrepo_c", "--mdtype=modules", modules, filepath.Join(theirs, "repodata")},
	} {
		if out, err := exec.CommandContext(t.Context(), rpmtest.Tool(t, args[0]), args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(ours)))
	t.Cleanup(server.Close)
	for what, location := range map[string]string{"distbot's": ours, "createrepo_c's": theirs, "one on the web": server.URL} {
		for _, rpms := range []bool{false, true} {
			r := mustVerify(t, rpms, location)
			if !r.OK() || len(r.Findings) > 0 {
				t.Errorf("%s: %v", what, r.Findings)
			}
			if r.Repos[0].Packages != 8 || r.Repos[0].Streams != 3 || rpms && r.Repos[0].Read != 8 {
				t.Errorf("%s: %+v", what, r.Repos)
			}
		}
	}
}

// TestModuleDocuments is what was recorded of dnf: documents that it dies of or
// misreads are found.
func TestModuleDocuments(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	for repo, want := range map[string]struct {
		rule Rule
		rpms bool
	}{
		"w-noepoch":          {Rule(modulemd.RuleArtifact), false},
		"w-baddate":          {Rule(modulemd.RuleDate), false},
		"w-broken":           {Rule(modulemd.RuleYAML), false},
		"w-samensvca":        {Rule(modulemd.RuleDuplicateStream), false},
		"w-noyaml":           {RuleModular, true},
		"w-artifact-missing": {RuleModular, true},
	} {
		r := mustVerify(t, want.rpms, v.Write(t, repo))
		if r.OK() || !has(r, want.rule) {
			t.Errorf("%s: %v", repo, r.Findings)
		}
	}
	if r := mustVerify(t, false, v.Write(t, "w-noyaml")); !r.OK() || !has(r, RuleModular) {
		t.Errorf("modular RPMs by their names: %v", r.Findings)
	}
	full, clashing := v.Write(t, "full"), v.Write(t, "w-defprofile")
	if r := mustVerify(t, false, full, clashing); r.OK() || !has(r, Rule(modulemd.RuleDefaultsClash)) {
		t.Errorf("clashing defaults: %v", r.Findings)
	}
	if r := mustVerify(t, false, full, v.Write(t, "slim")); !r.OK() {
		t.Errorf("a slim repository beside a full one: %v", r.Findings)
	}
}

func has(r Report, rule Rule) bool {
	for _, f := range r.Findings {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

func TestDamagedRepositories(t *testing.T) {
	t.Parallel()
	v := moduletest.Load(t)
	for what, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		rule   Rule
		text   string
		rpms   bool
	}{
		"a document that is another": {func(t *testing.T, dir string) {
			found, err := filepath.Glob(filepath.Join(dir, "repodata", "*-filelists.xml.gz"))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			snapshottest.Flip(t, found[0])
		}, RuleDocument, "filelists", false},
		"a size that is wrong": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "repodata", "repomd.xml")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			snapshottest.Replace(t, path, strings.ReplaceAll(string(text), "<open-size>", "<open-size>9"))
		}, RuleOpenChecksum, "decompressed", false},
		"an RPM that is missing": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "other-1.0-1.el8.x86_64.rpm")); err != nil {
				t.Fatal(err)
			}
		}, RuleRPM, "other-1.0-1.el8.x86_64", false},
		"an RPM that is longer": {func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, "other-1.0-1.el8.x86_64.rpm"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("x"); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}, RuleRPM, "primary.xml says", false},
		"an RPM that is another, with the same size": {func(t *testing.T, dir string) {
			snapshottest.Flip(t, filepath.Join(dir, "other-1.0-1.el8.x86_64.rpm"))
		}, RuleRPM, "is not the one", true},
		"a number of packages that is wrong": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, `packages="4"`, `packages="5"`)
		}, RuleCount, "primary announces 5 packages and has 4", false},
		"a package that primary calls otherwise": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, "<name>other</name>", "<name>otter</name>")
		}, RuleRPM, "is other-1.0-1.el8.x86_64 in its header, primary.xml says otter", true},
		"a package twice": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, "<name>demo-extra</name>", "<name>other</name>\n<version epoch=\"0\" ver=\"1.0\" rel=\"1.el8\"/>")
			moduletest.Lie(t, dir, `ver="3.0" rel="1.el8"`, `ver="1.0" rel="1.el8"`)
		}, RuleDuplicate, "other-1.0-1.el8.x86_64 is there twice with different content", false},
		"a package that only primary knows": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, `pkgid="YES">`, `pkgid="YES"> 00`)
		}, RuleDisagree, "filelists lacks packages: ", false},
		"checksums that can be forged": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, `<checksum type="sha256"`, `<checksum type="sha"`)
		}, RuleChecksum, `type "sha"`, false},
		"a location outside": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, `href="`, `href="../`)
		}, RuleDocument, "leaves the repository", false},
		"a bomb": {func(t *testing.T, dir string) {
			moduletest.Lie(t, dir, "<metadata", `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">]><metadata`)
		}, RuleDocument, "directive", false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := v.Write(t, "base")
			test.damage(t, dir)
			r := mustVerify(t, test.rpms, dir)
			if r.OK() {
				t.Fatal("nothing found")
			}
			for _, f := range r.Findings {
				if f.Rule == test.rule && strings.Contains(f.Message, test.text) {
					return
				}
			}
			t.Errorf("findings %v", r.Findings)
		})
	}
	_, err := Verify(t.Context(), []snapshot.Source{{Name: "none", Location: t.TempDir()}}, Options{})
	if !errors.Is(err, snapshot.ErrNoRepository) {
		t.Errorf("no repository: %v", err)
	}
}

// kitchen builds a package with all kinds of dependencies, files and texts.
func kitchen(t *testing.T, dir string) {
	t.Helper()
	const spec = "../../internal/rpmfile/testdata/kitchen.spec"
	text, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "ModularityLabel:") {
			lines = append(lines, line)
		}
	}
	for _, path := range rpmtest.Build(t, "x86_64", strings.Join(lines, ""), map[string]string{"hello.txt": "hello\n"}) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		snapshottest.Replace(t, filepath.Join(dir, filepath.Base(path)), string(raw))
	}
}

func createrepo(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), rpmtest.Tool(t, "createrepo_c"), append([]string{"-q", dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("createrepo_c %q: %v\n%s", args, err, out)
	}
}

// What createrepo_c says of packages is right, however it is told to.
func TestDetailsOfCreaterepo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kitchen(t, dir)
	for _, args := range [][]string{nil, {"--changelog-limit=1"}, {"--changelog-limit=100", "--compress-type=xz", "--general-compress-type=xz"}, {"--checksum=sha512"}} {
		createrepo(t, dir, args...)
		if r := mustVerify(t, true, dir); !r.OK() || len(r.Findings) > 0 || r.Repos[0].Read < 2 {
			t.Errorf("%q: %v, %+v", args, r.Findings, r.Repos)
		}
	}
}

func TestDetailsThatHeadersDoNotSay(t *testing.T) {
	t.Parallel()
	made := t.TempDir()
	kitchen(t, made)
	createrepo(t, made, "--no-database")
	for what, test := range map[string]struct {
		kind, before, after string
		severity            modulemd.Severity
		want                string
	}{
		"a requirement that is invented":      {"primary", `<rpm:requires>`, `<rpm:requires><rpm:entry name="evil" flags="GE" epoch="1" ver="2" rel="3"/>`, modulemd.Error, "primary: kitchen-3:1.2~rc1^git5-4.fc37.x86_64: in its requires but not in its header: evil >= 1:2-3"},
		"a requirement that is missing":       {"primary", `<rpm:entry name="/bin/sh"`, `<rpm:entry name="/bin/bash"`, modulemd.Error, "in its header but not in its requires: /bin/sh"},
		"another version that is provided":    {"primary", `<rpm:entry name="kitchen" flags="EQ" epoch="3"`, `<rpm:entry name="kitchen" flags="EQ" epoch="4"`, modulemd.Error, "in its provides but not in its header: kitchen = 4:1.2~rc1^git5-4.fc37; in its header but not in its provides: kitchen = 3:"},
		"a file that is invented, in primary": {"primary", `</format>`, `<file>/usr/bin/evil</file></format>`, modulemd.Error, "in its files but not in its header: /usr/bin/evil"},
		"a file that is missing in primary":   {"primary", `<file>/usr/bin/kitchen</file>`, ``, modulemd.Warning, "in its header but not in its files: /usr/bin/kitchen"},
		"a file that is missing":              {"filelists", `<file>/usr/bin/kitchen</file>`, ``, modulemd.Error, "filelists: kitchen-3:1.2~rc1^git5-4.fc37.x86_64: in its header but not in its files: /usr/bin/kitchen"},
		"a directory that is a file":          {"filelists", `<file type="dir">`, `<file>`, modulemd.Error, "in its header but not in its files: /var/lib/kitchen (directory)"},
		"another summary":                     {"primary", `<summary>`, `<summary>Not `, modulemd.Warning, `its summary is "Not `},
		"no license":                          {"primary", `<rpm:license>`, `<rpm:license/><x>`, modulemd.Warning, "license is nothing, its header says"},
		"another source package":              {"primary", `kitchen-1.2~rc1^git5-4.fc37.src.rpm</rpm:sourcerpm>`, `evil-1-1.src.rpm</rpm:sourcerpm>`, modulemd.Warning, `its sourcerpm is "evil-1-1.src.rpm"`},
		"a changelog that is invented":        {"other", `</package>`, `<changelog author="e" date="1">x</changelog></package>`, modulemd.Warning, "other: kitchen-3:1.2~rc1^git5-4.fc37.x86_64: in its changelog but not in its header: 1 e: x"},
		"packages with very many elements":    {"other", `</package>`, strings.Repeat("<x/>", 1<<20) + `</package>`, modulemd.Fatal, "other: "},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			after := test.after
			if strings.HasSuffix(after, "<x>") {
				moduletest.LieIn(t, dir, test.kind, "</rpm:license>", "</x>")
			}
			moduletest.LieIn(t, dir, test.kind, test.before, after)
			r := mustVerify(t, true, dir)
			for _, f := range r.Findings {
				if f.Severity == test.severity && (f.Rule == RuleDetail) == (test.severity != modulemd.Fatal) && strings.Contains(f.Message, test.want) {
					return
				}
			}
			t.Errorf("findings %v", r.Findings)
		})
	}
}

// RPMs of directories are read unless told otherwise, those on the web are not.
func TestReadingIsForDirectories(t *testing.T) {
	t.Parallel()
	dir := moduletest.Load(t).Write(t, "base")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	var told []int
	r, err := Verify(t.Context(), []snapshot.Source{{Name: "here", Location: dir}, {Name: "there", Location: server.URL}},
		Options{Progress: func(done, _ int) { told = append(told, done) }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Repos[0].Read != 4 || r.Repos[1].Read != 0 || len(told) != 8 || told[3] != 4 {
		t.Errorf("%+v, told %v", r.Repos, told)
	}
}

func TestPayloadsAreThoseOfTheirHeaders(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		spoil func(raw []byte) []byte
		want  string
	}{
		"changed":   {func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw }, "has a payload with SHA-256"},
		"truncated": {func(raw []byte) []byte { return raw[:len(raw)-1] }, "its signature header says"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			kitchen(t, dir)
			found, err := filepath.Glob(filepath.Join(dir, "kitchen-1*.x86_64.rpm"))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			raw, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			snapshottest.Replace(t, found[0], string(test.spoil(raw)))
			createrepo(t, dir) // which believes it
			r := mustVerify(t, true, dir)
			if r.OK() || r.Findings[0].Rule != RuleRPM || !strings.Contains(r.Findings[0].Message, test.want) {
				t.Errorf("findings %v", r.Findings)
			}
		})
	}
}
