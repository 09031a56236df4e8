package bootstrap

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/distbot/distbot/internal/rpmfile"
)

// newPacker makes a packer with a cache of its own.
func newPacker(t *testing.T) packer {
	t.Helper()
	cache := t.TempDir()
	release, err := openCache(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	tools, err := findTools(filepath.Join(cache, "work"))
	if err != nil {
		t.Fatal(err)
	}
	builds, err := converterDigest(t.Context(), tools)
	if err != nil {
		t.Fatal(err)
	}
	arch, err := architectureByRPM("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	return packer{tools: tools, arch: arch, cache: cache, builds: builds}
}

// convertFile converts one Debian package on its own.
func convertFile(t *testing.T, p packer, name string) *rpmfile.Package {
	t.Helper()
	sum, err := fileDigest(name)
	if err != nil {
		t.Fatal(err)
	}
	d := deb{File: name, Name: filepath.Base(name), SHA256: sum}
	c, err := readControl(t.Context(), p.tools, d)
	if err != nil {
		t.Fatal(err)
	}
	tb, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	r := run{arch: p.arch, tables: tb}
	file, err := p.pack(t.Context(), r.recipeFor(p.tools, newCatalog([]control{c}), d, c))
	if err != nil {
		t.Fatal(err)
	}
	pkg, _, err := rpmfile.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// buildDeb makes a Debian package of files, each empty.
func buildDeb(t *testing.T, control string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"DEBIAN/control": control} {
		write(t, filepath.Join(dir, name), text)
	}
	for _, name := range files {
		write(t, filepath.Join(dir, name), "")
	}
	out := filepath.Join(t.TempDir(), "hostile_1_all.deb")
	if text, err := exec.Command("dpkg-deb", "--root-owner-group", "--build", dir, out).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb (Debian package dpkg; run scripts/setup): %v\n%s", err, text)
	}
	return out
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPackTakesEveryNameLiterally(t *testing.T) {
	t.Parallel()
	proof := filepath.Join(t.TempDir(), "proof")
	files := []string{
		"/usr/bin/[",
		"/usr/bin/100%name",
		"/usr/bin/%{name}",
		"/usr/bin/%(touch proof)",
		"/usr/bin/sp ace",
		"/usr/bin/br[ac]ket*?",
		"/usr/bin/{a,b}",
		`/usr/bin/back\slash`,
		`/usr/bin/quote"d`,
		"/usr/bin/'single'",
		"/usr/bin/größe",
		"/usr/bin/\xff\xfe",
		"/usr/bin/-dash",
		"/usr/bin/#hash",
		"/usr/share/x/%attr(4755,root,root) x",
		"/usr/share/x/deep er/%{_sbindir}/[x]",
		"/%{top}/a",
	}
	control := "Package: hostile\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nHomepage: http://x/%(touch " + proof + ")\n" +
		"Description: 100% %(touch " + proof + ") %{lua:error()} %if 1 \\\n %if\n"
	got := convertFile(t, newPacker(t), buildDeb(t, control, files...))

	var regular []string
	for _, f := range got.Files {
		if f.Mode&0o170000 == 0o100000 {
			regular = append(regular, f.Path)
		}
	}
	slices.Sort(files)
	slices.Sort(regular)
	if diff := cmp.Diff(files, regular); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if want := "hostile: 100% %(touch " + proof + ") %{lua:error()} %if 1"; got.Summary != want {
		t.Errorf("summary %q, want %q", got.Summary, want)
	}
	if got.URL != "" {
		t.Errorf("URL %q was let through", got.URL)
	}
	if _, err := os.Stat(proof); err == nil {
		t.Error("a macro of the package was run")
	}
}

func TestPackKeepsWhatItMade(t *testing.T) {
	t.Parallel()
	p := newPacker(t)
	tb, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.pack(t.Context(), tb.macros(false))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.pack(t.Context(), tb.macros(false))
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(second)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Errorf("%s was made anew as %s", first, second)
	}
	other, err := p.pack(t.Context(), tb.macros(true))
	if err != nil {
		t.Fatal(err)
	}
	if other == first {
		t.Error("other content has the same place in the cache")
	}
	if left, err := os.ReadDir(filepath.Join(p.cache, "work")); err != nil || len(left) > 0 {
		t.Errorf("work directory is not empty: %v, %v", left, err)
	}
}

func TestPackReportsWhatRpmbuildSays(t *testing.T) {
	t.Parallel()
	p := newPacker(t)
	tb, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	r := tb.macros(false)
	r.finish = func(s *rpmSpec, _ *tree) { s.Files = []string{"/absent"} }
	_, err = p.pack(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("pack = %v, want an error that names the absent file", err)
	}
	if left, err := os.ReadDir(filepath.Join(p.cache, "rpms")); err != nil || len(left) > 0 {
		t.Errorf("cache holds %v, %v after the error", left, err)
	}
}

func TestPerlModulesAreProvided(t *testing.T) {
	t.Parallel()
	control := "Package: libx-perl\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
	name := buildDeb(t, control)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "DEBIAN/control"), control)
	write(t, filepath.Join(dir, "usr/share/perl5/X/Y.pm"), "package X::Y;\nour $VERSION = '1.25';\n1;\n")
	if text, err := exec.Command("dpkg-deb", "--root-owner-group", "--build", dir, name).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, text)
	}
	var provides []string
	for _, d := range convertFile(t, newPacker(t), name).Provides {
		provides = append(provides, d.Name+" "+d.Version)
	}
	if !slices.Contains(provides, "perl(X::Y) 1.25") {
		t.Errorf("perl(X::Y) = 1.25 is not in %q", provides)
	}
}
