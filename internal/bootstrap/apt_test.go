package bootstrap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseURIs(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0f", 32)
	got, err := parseURIs([]byte("Reading package lists...\nThe following NEW packages will be installed:\n  bash\n" +
		"'http://deb.example/pool/g/gmp/libgmp10_6.2%2bdfsg_amd64.deb' libgmp10_2%3a6.2+dfsg_amd64.deb 1234 SHA256:" + sum + "\n" +
		"'file:///srv/a.deb' a_1_all.deb 1 SHA256:" + sum + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []deb{
		{Name: "libgmp10_2%3a6.2+dfsg_amd64.deb", URI: "http://deb.example/pool/g/gmp/libgmp10_6.2%2bdfsg_amd64.deb", SHA256: sum, Size: 1234},
		{Name: "a_1_all.deb", URI: "file:///srv/a.deb", SHA256: sum, Size: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	a := apt{dir: "/cache"}
	if diff := cmp.Diff([]string{"/cache/archives/" + want[0].Name, "/srv/a.deb"}, []string{a.place(got[0]), a.place(got[1])}); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestParseURIsRefuses(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0f", 32)
	for name, line := range map[string]string{
		"nothing chosen":          "Reading package lists...\n",
		"a path as file name":     "'http://x/a.deb' ../a.deb 1 SHA256:" + sum + "\n",
		"a hidden file name":      "'http://x/a.deb' .a.deb 1 SHA256:" + sum + "\n",
		"a package without sum":   "'http://x/a.deb' a.deb 1 \n",
		"a weaker sum":            "'http://x/a.deb' a.deb 1 MD5Sum:" + sum[:32] + "\n",
		"a size that is too long": "'http://x/a.deb' a.deb 1234567890123456 SHA256:" + sum + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := parseURIs([]byte(line)); err == nil {
				t.Errorf("parseURIs accepted it: %+v", got)
			}
		})
	}
}

func TestDigestOfFilesChangesWithTheFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	name := filepath.Join(root, "lists", "a")
	write(t, name, "1")
	look := func() string {
		t.Helper()
		d, err := digestOfFiles([]string{filepath.Join(root, "lists"), filepath.Join(root, "absent")})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := look()
	if again := look(); again != first {
		t.Errorf("digest went from %s to %s without a change", first, again)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(name, later, later); err != nil {
		t.Fatal(err)
	}
	touched := look()
	write(t, filepath.Join(root, "lists", "b"), "")
	if added := look(); first == touched || touched == added {
		t.Errorf("digests %s, %s, %s are not all different", first, touched, added)
	}
}

func TestListsAreFoundByArchitecture(t *testing.T) {
	t.Parallel()
	lists := t.TempDir()
	arm := architecture{deb: "arm64"}
	if hasLists(lists, arm) {
		t.Error("an empty directory has lists")
	}
	write(t, filepath.Join(lists, "deb.example_debian_dists_bookworm_main_binary-amd64_Packages.lz4"), "")
	if hasLists(lists, arm) {
		t.Error("lists of amd64 count for arm64")
	}
	write(t, filepath.Join(lists, "deb.example_debian_dists_bookworm_main_binary-arm64_Packages"), "")
	if !hasLists(lists, arm) {
		t.Error("lists of arm64 are not found")
	}
}

func TestDebianRefuses(t *testing.T) {
	t.Parallel()
	t.Run("an unknown architecture", func(t *testing.T) {
		t.Parallel()
		_, err := Debian(t.Context(), Options{Arch: "amd64", Out: t.TempDir(), Cache: t.TempDir()})
		if !errors.Is(err, ErrUnknownArch) {
			t.Errorf("Debian = %v, want ErrUnknownArch", err)
		}
	})
	t.Run("to replace what it did not make", func(t *testing.T) {
		t.Parallel()
		home := t.TempDir()
		write(t, filepath.Join(home, "thesis.tex"), "")
		_, err := Debian(t.Context(), Options{Arch: "x86_64", Out: home, Cache: t.TempDir()})
		if !errors.Is(err, ErrNotARepository) {
			t.Errorf("Debian = %v, want ErrNotARepository", err)
		}
		if _, err := os.Stat(filepath.Join(home, "thesis.tex")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a package name that is an option", func(t *testing.T) {
		t.Parallel()
		if _, err := Debian(t.Context(), Options{Arch: "x86_64", Out: t.TempDir(), Cache: t.TempDir(), Packages: []string{"-oDPkg::Pre-Invoke::=x"}}); err == nil {
			t.Error("Debian accepted it")
		}
	})
	t.Run("a package apt does not know, in apt's words", func(t *testing.T) {
		t.Parallel()
		_, err := Debian(t.Context(), Options{Arch: hostArch(t).rpm, Out: t.TempDir(), Cache: t.TempDir(), Packages: []string{"no-such-package-anywhere"}})
		if err == nil || !strings.Contains(err.Error(), "Unable to locate package no-such-package-anywhere") {
			t.Errorf("Debian = %v, want apt's message", err)
		}
	})
	t.Run("no output directory", func(t *testing.T) {
		t.Parallel()
		if _, err := Debian(t.Context(), Options{Arch: "x86_64", Cache: t.TempDir()}); err == nil {
			t.Error("Debian accepted it")
		}
	})
}
