package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/distbot/distbot/testdata"
)

// demoTime is when everything in the demo was committed.
var demoTime = time.Date(2026, time.November, 5, 12, 0, 0, 0, time.UTC)

// upstreams are the source tarballs of the demo's packages, by package.
var upstreams = map[string]string{"libgreet": "libgreet-1.2"}

// serveLookaside writes the tarballs where a lookaside keeps them and returns
// the handler that serves them.
func (d *Demo) serveLookaside() (map[string]http.Handler, error) {
	dir := filepath.Join(d.dir, "lookaside-server")
	for pkg, name := range upstreams {
		tarball, err := makeTarball(pkg, name)
		if err != nil {
			return nil, err
		}
		place := filepath.Join(dir, "rpms", pkg, name+".tar.gz", "sha512", digestOf(tarball))
		if err := os.MkdirAll(place, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(place, name+".tar.gz"), tarball, 0o644); err != nil {
			return nil, err
		}
	}
	return map[string]http.Handler{"/lookaside/": http.StripPrefix("/lookaside/", http.FileServer(http.Dir(dir)))}, nil
}

func digestOf(data []byte) string {
	sum := sha512.Sum512(data)
	return hex.EncodeToString(sum[:])
}

// makeTarball packs a package's upstream files; the same bytes every time.
func makeTarball(pkg, name string) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	root := path.Join("distgit", pkg, "upstream")
	err := fs.WalkDir(testdata.DistGit, root, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := testdata.DistGit.ReadFile(p)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path.Join(name, strings.TrimPrefix(p, root+"/")), Mode: 0o644, Size: int64(len(text)), ModTime: demoTime, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err = archive.Write(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// makeRepository makes a bare repository with distbot's hook, and a clone with
// the package's files committed on the branch.
func (d *Demo) makeRepository(ctx context.Context, pkg string) (clone string, err error) {
	bare := filepath.Join(d.server.Config.path("git"), "rpms", pkg+".git")
	clone = filepath.Join(d.dir, "clones", pkg)
	for _, dir := range []string{bare, clone} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	if err := git(ctx, bare, "init", "--quiet", "--bare", "--initial-branch=f37"); err != nil {
		return "", err
	}
	if err := installHook(d.server.Config, d.server.Config.Forges[0], bare, false); err != nil {
		return "", err
	}
	if err := git(ctx, clone, "init", "--quiet", "--initial-branch=f37"); err != nil {
		return "", err
	}
	if err := writePackage(pkg, clone); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"add", "--all"}, {"commit", "--quiet", "--message", "Package " + pkg}, {"remote", "add", "origin", bare},
	} {
		if err := git(ctx, clone, args...); err != nil {
			return "", err
		}
	}
	return clone, nil
}

// writePackage writes the files of a package's dist-git repository.
func writePackage(pkg, dir string) error {
	files, err := fs.Sub(testdata.DistGit, path.Join("distgit", pkg, "dist-git"))
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	name, ok := upstreams[pkg]
	if !ok {
		return nil
	}
	tarball, err := makeTarball(pkg, name)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("SHA512 (%s.tar.gz) = %s\n", name, digestOf(tarball))
	return os.WriteFile(filepath.Join(dir, "sources"), []byte(line), 0o644)
}

// push pushes a clone's branch.
func (d *Demo) push(ctx context.Context, clone string) error {
	return git(ctx, clone, "push", "--quiet", "origin", "f37")
}

// git runs git away from the user's own settings.
func git(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	date := demoTime.Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada Packager", "GIT_AUTHOR_EMAIL=ada@example.invalid", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=Ada Packager", "GIT_COMMITTER_EMAIL=ada@example.invalid", "GIT_COMMITTER_DATE="+date)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}
