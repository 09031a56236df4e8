package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// manifestName is the file in the repository that says what it was made of.
const manifestName = "bootstrap.json"

// manifest is the record of one repository.
type manifest struct {
	Key      string    `json:"key"`  // digest of everything asked for
	Arch     string    `json:"arch"` // as RPMs call it
	Repomd   string    `json:"repomd_sha256"`
	Packages []Package `json:"packages"`
	Groups   []Group   `json:"groups"`
}

// readManifest returns the record of the repository at dir. The error matches
// fs.ErrNotExist if there is none.
func readManifest(dir string) (manifest, error) {
	var m manifest
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return m, fmt.Errorf("bootstrap: read record: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("bootstrap: read record %s: %w", filepath.Join(dir, manifestName), err)
	}
	return m, nil
}

// intact reports whether the repository at dir is what key asks for and every
// file in it still has the digest that was recorded.
func intact(dir, key string) (manifest, bool) {
	m, err := readManifest(dir)
	if err != nil || m.Key != key {
		return manifest{}, false
	}
	if checkDigest(filepath.Join(dir, "repodata", "repomd.xml"), m.Repomd) != nil {
		return manifest{}, false
	}
	for _, p := range m.Packages {
		if checkDigest(filepath.Join(dir, p.File), p.SHA256) != nil {
			return manifest{}, false
		}
	}
	return m, true
}

// replaceable returns ErrNotARepository if out is something that a repository
// must not replace: a file, or a directory with other content.
func replaceable(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err == nil {
		_, err = os.Stat(filepath.Join(out, manifestName))
	}
	if err != nil {
		return fmt.Errorf("bootstrap: replace %s: %w (%w)", out, ErrNotARepository, err)
	}
	return nil
}

// publish writes the repository beside out and puts it in out's place in one
// step. A reader sees the old or the new one whole, also after kill -9.
// It returns m with what was found out on the way.
func publish(ctx context.Context, out string, m manifest, artifacts []artifact) (manifest, error) {
	parent, base := filepath.Split(out)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return m, fmt.Errorf("bootstrap: make %s: %w", parent, err)
	}
	if err := sweep(parent, base); err != nil {
		return m, err
	}
	stage, err := newStage(parent, base)
	if err != nil {
		return m, err
	}
	if m, err = fill(ctx, stage.Name(), m, artifacts); err != nil {
		return m, errors.Join(err, stage.discard())
	}
	if err := swap(stage.Name(), out); err != nil {
		return m, errors.Join(fmt.Errorf("bootstrap: replace %s: %w", out, err), stage.discard())
	}
	return m, stage.discard()
}

// fill writes a whole repository into dir.
func fill(ctx context.Context, dir string, m manifest, artifacts []artifact) (manifest, error) {
	for _, a := range artifacts {
		if err := place(a.file, filepath.Join(dir, a.rpm.File)); err != nil {
			return m, fmt.Errorf("bootstrap: place %s: %w", a.rpm.File, err)
		}
		m.Packages = append(m.Packages, a.rpm)
	}
	err := writeRepodata(ctx, dir, artifacts, m.Groups)
	if err != nil {
		return m, err
	}
	if m.Repomd, err = fileDigest(filepath.Join(dir, "repodata", "repomd.xml")); err != nil {
		return m, fmt.Errorf("bootstrap: write record: %w", err)
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, fmt.Errorf("bootstrap: write record: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestName), append(data, '\n'), 0o644); err != nil {
		return m, fmt.Errorf("bootstrap: write record: %w", err)
	}
	return m, nil
}

// place links file to name, or copies it where links cannot reach.
func place(file, name string) error {
	if err := os.Link(file, name); err == nil {
		return nil
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// swap puts stage where out is, and what was there where stage is.
func swap(stage, out string) error {
	if _, err := os.Lstat(out); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(stage, out)
	}
	err := unix.Renameat2(unix.AT_FDCWD, stage, unix.AT_FDCWD, out, unix.RENAME_EXCHANGE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// The file system cannot exchange (NFS, some overlays): a gap of two
	// renames, in which out is absent but never half.
	old := stage + ".old"
	if err := os.Rename(out, old); err != nil {
		return err
	}
	if err := os.Rename(stage, out); err != nil {
		return errors.Join(err, os.Rename(old, out))
	}
	return os.Rename(old, stage)
}

// stage is a directory being filled; the lock on it tells sweep that its
// process lives.
type stage struct{ *os.File }

func newStage(parent, base string) (stage, error) {
	for {
		dir, err := os.MkdirTemp(parent, stagePrefix(base))
		if err != nil {
			return stage{}, fmt.Errorf("bootstrap: make staging directory: %w", err)
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // swept by another process before it was locked
		}
		if err != nil {
			return stage{}, fmt.Errorf("bootstrap: open staging directory: %w", err)
		}
		if err := errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_EX), f.Chmod(0o755)); err != nil {
			return stage{}, errors.Join(fmt.Errorf("bootstrap: lock staging directory: %w", err), f.Close())
		}
		if _, err := os.Stat(dir); err == nil {
			return stage{f}, nil
		}
		if err := f.Close(); err != nil {
			return stage{}, fmt.Errorf("bootstrap: close staging directory: %w", err)
		}
	}
}

// discard removes what lies at the stage's name now, and its lock.
func (s stage) discard() error {
	if err := errors.Join(os.RemoveAll(s.Name()), s.Close()); err != nil {
		return fmt.Errorf("bootstrap: remove staging directory: %w", err)
	}
	return nil
}

func stagePrefix(base string) string { return "." + base + ".new-" }

// sweep removes staging directories whose processes are gone.
func sweep(parent, base string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("bootstrap: look for old staging directories: %w", err)
	}
	for _, e := range entries {
		if len(e.Name()) <= len(stagePrefix(base)) || e.Name()[:len(stagePrefix(base))] != stagePrefix(base) {
			continue
		}
		f, err := os.Open(filepath.Join(parent, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("bootstrap: look at old staging directory: %w", err)
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			err = os.RemoveAll(f.Name())
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("bootstrap: remove old staging directory: %w", err)
		}
	}
	return nil
}
