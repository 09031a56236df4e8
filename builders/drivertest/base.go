package drivertest

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/bootstrap"
)

// Groups of the base distribution: what a root holds in which source packages
// are made, and one in which C is compiled.
var (
	SRPMGroup  = []string{"bash", "coreutils", "findutils", "redhat-rpm-config", "rpm-build", "tar", "gzip", "xz", "sed", "grep", "gawk", "diffutils", "patch", "make", "which"}
	BuildGroup = append(SRPMGroup[:len(SRPMGroup):len(SRPMGroup)], "gcc", "glibc-devel")
)

// Base makes own a repository of the distribution that tests' buildroots come
// from, of this host's architecture.
func Base(ctx context.Context, own string) error { return BaseOf(ctx, arch.Host(), own) }

// BaseOf is Base for an architecture, by RPM's name. The distribution is kept in the user's cache, where it is made if need
// be; own has links, which stay as they are when it is replaced, and which
// everyone may read who may pass own's parents.
func BaseOf(ctx context.Context, name, own string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "distbot", "rootfs-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	result, err := bootstrap.Debian(ctx, bootstrap.Options{
		Arch: name, Out: filepath.Join(cache, "base-"+name), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return LinkTree(result.Path, own)
}

// LinkTree makes a copy of links, or of files where links can't be.
func LinkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			return os.Mkdir(target, 0o755)
		}
		err = os.Link(path, target)
		if errors.Is(err, syscall.EXDEV) {
			var text []byte
			if text, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(target, text, 0o644)
			}
		}
		return err
	})
}
