// Package rpmtest makes real RPMs for tests, with the system's rpmbuild and
// with google/rpmpack.
//
// It knows how to call rpmbuild so that nothing of the user's configuration
// and nothing of another build leaks in. It refuses to know what a test wants
// of the RPMs, and no code but tests imports it.
package rpmtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/rpmpack"
)

// macros level the differences between distributions that matter to small
// specs: bash as build shell, a documentation directory without version, fixed
// build host, no debuginfo, no noise from brp scripts, compressor chosen by
// the test.
const macros = `
%_buildshell /bin/bash
%_docdir_fmt %%{NAME}
%_buildhost builder.example
%use_source_date_epoch_as_buildtime 1
%debug_package %{nil}
%__os_install_post %{nil}
%_build_id_links none
%_dbpath /var/lib/rpm
`

// Build writes spec and sources (by file name) into a private top directory,
// runs rpmbuild -ba --nodeps for the target architecture with the extra
// arguments (such as "--define", "_binary_payload w3.zstdio"), and returns the
// paths of the source and binary RPMs, sorted. The files live as long as the
// test. It fails the test when rpmbuild fails or is missing.
func Build(t testing.TB, target, spec string, sources map[string]string, args ...string) []string {
	t.Helper()
	home := t.TempDir()
	top := filepath.Join(home, "rpmbuild")
	write(t, filepath.Join(home, ".rpmmacros"), macros)
	write(t, filepath.Join(top, "SPECS", "test.spec"), spec)
	for name, content := range sources {
		write(t, filepath.Join(top, "SOURCES", name), content)
	}
	cmd := exec.CommandContext(t.Context(), Tool(t, "rpmbuild"), slices.Concat(
		[]string{"-ba", "--nodeps", "--target", target, "--define", "_topdir " + top}, args,
		[]string{filepath.Join(top, "SPECS", "test.spec")})...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1700000000"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	var built []string
	for _, pattern := range []string{"SRPMS/*.rpm", "RPMS/*/*.rpm"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		built = append(built, found...)
	}
	slices.Sort(built)
	return built
}

// Pack returns an RPM made by rpmpack; edit, which may be nil, adds files, tags
// and scriptlets.
func Pack(t testing.TB, meta rpmpack.RPMMetaData, edit func(*rpmpack.RPM)) []byte {
	t.Helper()
	r, err := rpmpack.NewRPM(meta)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	var buf bytes.Buffer
	if err := r.Write(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Tool returns the path of a system program, and fails the test with advice
// when there is none.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run scripts/setup", err)
	}
	return path
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
