package web

import (
	_ "embed"
	"os"
	"path/filepath"
	"testing"
)

//go:embed testdata/fixture.sql
var fixtureSQL string

//go:embed testdata/tags.sql
var tagsSQL string

// newTagFixture is newFixture with the tags of testdata/tags.sql.
func newTagFixture(t *testing.T) *site {
	t.Helper()
	s := newFixture(t)
	s.exec(tagsSQL)
	return s
}

// newFixture serves the installation of testdata/fixture.sql, with logs and
// files.
func newFixture(t *testing.T, change ...func(*Config)) *site {
	t.Helper()
	s := newSite(t, change...)
	s.exec(fixtureSQL)
	s.writeLog(2, 1, "checkout.log", "checked out c0ffee1111\n")
	s.writeLog(2, 1, "build.log", "Wrote: libhello-1.2-1.fc37.src.rpm\n")
	s.writeLog(4, 1, "root.log", "mirror.example: connection reset by peer\n")
	s.writeLog(4, 2, "root.log", "Complete!\n")
	s.writeLog(4, 2, "build.log", "+ make\n+ make check\n")
	s.writeLog(12, 1, "build.log", "+ ./configure\nchecking for gcc... gcc\n+ make\n")
	s.write(s.config.StoreDir, "packages/libhello/1.2/1.fc37/x86_64/libhello-1.2-1.fc37.x86_64.rpm", "0123456789")
	s.write(s.config.StoreDir, "packages/libhello/1.2/1.fc37/src/libhello-1.2-1.fc37.src.rpm", "source")
	s.write(s.config.StoreDir, "scratch/4/x86_64/hello-data-5-1.fc37.noarch.rpm", "scratch")
	s.write(s.config.StoreDir, "blobs/ab/abcdef", "blob")
	s.write(s.config.StoreDir, "tmp/half", "half")
	s.write(s.config.ReposDir, "f37/1/x86_64/repodata/repomd.xml", "<repomd><revision>1</revision></repomd>")
	s.write(s.config.ReposDir, "f37/2/x86_64/repodata/repomd.xml", "<repomd><revision>2</revision></repomd>")
	s.write(s.config.ReposDir, "f37/2/x86_64/Packages/l/libhello-1.2-1.fc37.x86_64.rpm", "0123456789")
	s.write(s.config.ReposDir, "f37/2/riscv64/repodata/repomd.xml", "<repomd><revision>2</revision></repomd>")
	s.write(s.config.ReposDir, "f37/.lock", "")
	s.write(s.config.ReposDir, "f37/.partial-3/x86_64/repodata/repomd.xml", "half")
	if err := os.Symlink("2", filepath.Join(s.config.ReposDir, "f37", "latest")); err != nil {
		t.Fatal(err)
	}
	return s
}
