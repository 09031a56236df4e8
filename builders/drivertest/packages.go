package drivertest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/repomd"
	"github.com/distbot/distbot/internal/rpmfile"
)

// SpecText is a noarch spec of version 1-1 with the given sections.
func SpecText(name, sections string) string {
	return "Name: " + name + "\nVersion: 1\nRelease: 1%{?dist}\nSummary: A test\nLicense: MIT\nBuildArch: noarch\n%description\nA test.\n" + sections
}

// Checkout writes files as a checkout would, for everyone to read.
func Checkout(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Demo writes a package of dir, which is testdata/distgit, as a checkout would,
// with its tarball.
func Demo(t testing.TB, dir, pkg string) string {
	t.Helper()
	out := t.TempDir()
	origin := filepath.Join(dir, pkg)
	if err := os.CopyFS(out, os.DirFS(filepath.Join(origin, "dist-git"))); err != nil {
		t.Fatal(err)
	}
	if pkg == "libgreet" {
		tarball(t, filepath.Join(out, "libgreet-1.2.tar.gz"), "libgreet-1.2", os.DirFS(filepath.Join(origin, "upstream")))
	}
	return out
}

// tarball packs files below top.
func tarball(t testing.TB, name, top string, files fs.FS) {
	t.Helper()
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	zip := gzip.NewWriter(out)
	pack := tar.NewWriter(zip)
	err = fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path.Join(top, file), Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1_780_000_000, 0)}
		if err := pack.WriteHeader(header); err != nil {
			return err
		}
		_, err = pack.Write(text)
		return err
	})
	if err := errors.Join(err, pack.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
}

// Repository publishes RPMs, by file name, as a repository.
func Repository(t testing.TB, name string, files map[string][]byte) builders.Repo {
	t.Helper()
	return Generation(t, name, 1, files)
}

// Generation is Repository for one that was published so many times.
func Generation(t testing.TB, name string, number int64, files map[string][]byte) builders.Repo {
	t.Helper()
	dir := t.TempDir()
	var entries []repomd.Entry
	for file, content := range files {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		pkg, digest, err := rpmfile.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fragments, err := repomd.Render(pkg, repomd.File{Href: file, SHA256: digest.SHA256, Size: int64(len(content)), Time: 1_790_000_000})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repomd.Entry{NEVRA: pkg.NEVRA, SHA256: digest.SHA256, Fragments: fragments})
	}
	slices.SortFunc(entries, repomd.Compare)
	_, err := repomd.Write(t.Context(), dir, len(entries), func(yield func(repomd.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
	}, repomd.Options{Revision: strconv.FormatInt(number, 10), Timestamp: 1_790_000_000 + number})
	if err != nil {
		t.Fatal(err)
	}
	return builders.Repo{Name: name, URL: "file://" + dir, Cost: 1}
}
