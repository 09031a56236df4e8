package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files by which a build host knows its work_dir again.
const (
	instanceFile = "instance"
	workLock     = "builder.lock"
)

// checkPrefix is how the directories begin that a check works in.
const checkPrefix = "check-"

var (
	// systemTrees are directories of the operating system, with all below them.
	systemTrees = []string{"/bin", "/boot", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr"}
	// systemDirs are such directories that others may have theirs in.
	systemDirs = []string{
		"/", "/dev", "/etc", "/home", "/root", "/run", "/tmp", "/var", "/var/cache", "/var/lib", "/var/log", "/var/spool", "/var/tmp",
	}
)

// isSystemDir reports whether an absolute path is a directory of the operating
// system, of those that the Filesystem Hierarchy Standard 3.0 names, which nobody
// may work in.
func isSystemDir(path string) bool {
	path = filepath.Clean(path)
	if strings.HasPrefix(path, "/usr/local/") {
		return false
	}
	return slices.Contains(systemDirs, path) || slices.ContainsFunc(systemTrees, func(tree string) bool {
		return path == tree || strings.HasPrefix(path, tree+"/")
	})
}

// claimWorkDir makes a build host's work_dir, or makes sure that it is one: what
// lies there is cleared away at every start, so that a directory which is not
// empty and was not made by distbot is refused. It removes nothing.
func claimWorkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	if isSystemDir(path) {
		return fmt.Errorf("work_dir: %s is a directory of the operating system (%s): name one of distbot's own", dir, path)
	}
	foreign, err := foreignEntry(path)
	if err != nil {
		return fmt.Errorf("read work directory: %w", err)
	}
	if foreign != "" {
		return fmt.Errorf("work_dir: %s was not made by distbot and is not empty (%s lies there); what lies in a work_dir is removed: name an empty directory or one that is not there yet", dir, foreign)
	}
	return nil
}

// foreignEntry returns the name of something that makes a directory somebody
// else's; "" when it is a build host's, or empty but for what a file system begins
// with and a build host that was killed within its first steps.
func foreignEntry(dir string) (string, error) {
	mark, err := os.Lstat(filepath.Join(dir, instanceFile))
	switch {
	case err == nil && mark.Mode().IsRegular() && mark.Size() == int64(len(rand.Text())):
		return "", nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return "", err
		}
		switch {
		case entry.Name() == "lost+found" && info.IsDir():
		case entry.Name() == workLock && info.Mode().IsRegular() && info.Size() == 0:
		case entry.Name() == instanceFile && info.Mode().IsRegular() && info.Size() < int64(len(rand.Text())):
		default:
			return entry.Name(), nil
		}
	}
	return "", nil
}

// clearWorkDir removes what a process that was killed left in a work_dir that was
// claimed and locked.
func clearWorkDir(dir string) error {
	for _, name := range []string{"tasks", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o711); err != nil {
			return fmt.Errorf("make work directory: %w", err)
		}
		if err := clearWork(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clear work directory: %w", err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), checkPrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("clear work directory: %w", err)
		}
	}
	return nil
}

// makeCheckDir makes a directory in a work_dir for a check, which must neither
// use nor remove what lies there.
func makeCheckDir(dir string) (string, error) {
	path, err := os.MkdirTemp(dir, checkPrefix)
	if err != nil {
		return "", fmt.Errorf("make directory for the check: %w", err)
	}
	// Builds have other users.
	if err := os.Chmod(path, 0o711); err != nil {
		return "", errors.Join(fmt.Errorf("make directory for the check: %w", err), os.RemoveAll(path))
	}
	return path, nil
}
