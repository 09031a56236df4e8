package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// bootIDFile tells the running kernel from others, proc(5).
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// readInstance tells this installation of a build host from another to which its
// files were copied, work_dir or a whole disk among them: two that took the host
// from one another would lose each other's builds without end. It is the same
// whenever the host starts again, until the machine does. path is a file with a
// random name, which is made when it is not there.
func readInstance(path, bootID string) (string, error) {
	name, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(name) != len(rand.Text()) {
		name = []byte(rand.Text())
		err = os.WriteFile(path, name, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("tell this installation from others: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("tell this installation from others: %w", err)
	}
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return "", fmt.Errorf("tell this installation from others: %w", err)
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("tell this installation from others: %s has no inode", path)
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d", name, boot, file.Dev, file.Ino))
	return hex.EncodeToString(digest[:16]), nil
}
