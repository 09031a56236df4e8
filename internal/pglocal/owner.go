package pglocal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the account a server runs as and its files belong to.
type owner struct {
	name     string
	uid, gid int
	// switches is set when the caller is root and processes must change to the
	// account.
	switches bool
}

// ownerFor returns the caller's own account, or the named one for root.
func ownerFor(account string) (owner, error) {
	if os.Geteuid() != 0 {
		return owner{name: strconv.Itoa(os.Geteuid()), uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return owner{}, fmt.Errorf("pglocal: find account %s, as which the server runs when distbot is root "+
			"(the PostgreSQL package creates it: run scripts/setup): %w", account, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, fmt.Errorf("pglocal: find account %s: %w", account, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return owner{}, fmt.Errorf("pglocal: find account %s: %w", account, err)
	}
	if uid == 0 {
		return owner{}, fmt.Errorf("pglocal: find account %s: it is root, as which PostgreSQL refuses to run", account)
	}
	return owner{name: account, uid: uid, gid: gid, switches: true}, nil
}

// drop prepares cmd to run as the account, in a session of its own (so that
// Ctrl-C in the caller's terminal does not reach it) and with an environment
// that has none of the caller's PG* and locale variables.
func (o owner) drop(cmd *exec.Cmd, dir string) {
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if o.switches {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
}

// takeFile gives an open file to the account.
func (o owner) takeFile(f *os.File) error {
	if !o.switches {
		return nil
	}
	if err := f.Chown(o.uid, o.gid); err != nil {
		return fmt.Errorf("pglocal: give file to account %s: %w", o.name, err)
	}
	return nil
}

// openDir makes dir, or checks that it is fit to be used, and opens it.
func openDir(dir string, own owner) (*os.Root, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("pglocal: make directory: %w", err)
	}
	if err := own.canReach(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	if err := refuseForeign(dir); err != nil {
		return nil, err
	}
	if err := own.makeDir(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("pglocal: open directory: %w", err)
	}
	return root, nil
}

// refuseForeign refuses a directory with files in it that Start did not make,
// so that a mistaken Dir does not change owner and mode of somebody's files.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pglocal: inspect directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == startLock { // The first file that Start makes.
			return nil
		}
	}
	if len(entries) > 0 {
		return fmt.Errorf("pglocal: use %s: it has other files in it, such as %s, and should be empty", dir, entries[0].Name())
	}
	return nil
}

// makeDir makes dir with mode 0700 for the account, or takes an existing
// directory that belongs to it or to the caller. Any other is refused, because
// its owner could change what lies in it.
func (o owner) makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("pglocal: make directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("pglocal: inspect directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("pglocal: use %s: not a directory", dir)
	}
	switch uid := fileOwner(info); uid {
	case o.uid:
	case os.Geteuid():
		if err := os.Lchown(dir, o.uid, o.gid); err != nil {
			return fmt.Errorf("pglocal: give directory to account %s: %w", o.name, err)
		}
	default:
		return fmt.Errorf("pglocal: use %s: it belongs to account %d and should belong to %s", dir, uid, o.name)
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("pglocal: protect directory: %w", err)
		}
	}
	return nil
}

// canReach checks that the account may enter dir and everything above it, which
// for root's own home is usually not so. Access control lists are not looked at.
func (o owner) canReach(dir string) error {
	if !o.switches {
		return nil
	}
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("pglocal: inspect directory: %w", err)
	}
	for ; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("pglocal: inspect directory: %w", err)
		}
		if !o.mayEnter(info) {
			return fmt.Errorf("pglocal: use %s: account %s, as which the server runs when distbot is root, may not enter %s (mode %04o): "+
				"choose a directory elsewhere, such as below /var/lib, let it pass with chmod o+x, or run distbot as an ordinary user",
				dir, o.name, path, info.Mode().Perm())
		}
		if path == "/" {
			return nil
		}
	}
}

func (o owner) mayEnter(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case int(st.Uid) == o.uid:
		return st.Mode&0o100 != 0
	case int(st.Gid) == o.gid:
		return st.Mode&0o010 != 0
	default:
		return st.Mode&0o001 != 0
	}
}

func fileOwner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
