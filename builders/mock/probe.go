package mock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// account is who builds run as on this host.
type account struct {
	name     string
	uid, gid int
}

// ErrNotInstalled says that there is no mock.
var ErrNotInstalled = errors.New("mock: mock is not installed: install the package mock, or use driver rootfs")

// oldest is the first version of mock whose options and logs are known here.
const oldest = 3

// versionNumber is how mock --version begins; a mock that runs from its
// sources has no number.
var versionNumber = regexp.MustCompile(`^(\d+)\.`)

// Probe says whether New would find a mock that it can run, and its version.
func Probe(ctx context.Context, config Config) (version string, err error) {
	d := &Driver{config: config}
	if err := d.probe(ctx); err != nil {
		return "", err
	}
	return d.version, nil
}

// probe finds mock and makes sure that it can be run.
func (d *Driver) probe(ctx context.Context) error {
	if d.config.Program == "" {
		path, err := exec.LookPath("mock")
		if errors.Is(err, exec.ErrNotFound) {
			return ErrNotInstalled
		}
		if err != nil {
			return fmt.Errorf("mock: find mock: %w", err)
		}
		d.config.Program = path
	}
	if _, err := os.Stat(d.config.Program); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (there is no %s)", ErrNotInstalled, d.config.Program)
	}
	if os.Geteuid() != 0 {
		return errors.New("mock: this driver must run as root: only root can give mock a network of its own and end all that a build started; driver rootfs needs no privileges")
	}
	var err error
	if d.account, err = findAccount(d.config.User, d.config.Group); err != nil {
		return err
	}
	if err := d.probeVersion(ctx); err != nil {
		return err
	}
	return d.probeManager()
}

// probeVersion asks mock for its version.
func (d *Driver) probeVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.config.Program, "--version")
	cmd.Env = d.environ()
	out, err := cmd.CombinedOutput()
	first, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	if err != nil {
		return fmt.Errorf("mock: %s --version as root for user %s: %w: %.300s", d.config.Program, d.account.name, err, lastLine(out))
	}
	d.version = string(first)
	m := versionNumber.FindStringSubmatch(d.version)
	if m == nil {
		return nil
	}
	if major, err := strconv.Atoi(m[1]); err != nil || major < oldest {
		return fmt.Errorf("mock: %s is version %.50s, at least %d.0 is needed", d.config.Program, d.version, oldest)
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// Where the package managers are that mock runs on this host.
const (
	dnf4Program = "/usr/bin/dnf-3"
	dnf5Program = "/usr/bin/dnf5"
)

// probeManager decides what mock installs with.
func (d *Driver) probeManager() error {
	has := func(path string) bool { _, err := os.Stat(path); return err == nil }
	manager := d.config.PackageManager
	if manager == "" || manager == "auto" {
		manager = "dnf5"
		if has(dnf4Program) {
			manager = "dnf4"
		}
	}
	program := map[string]string{"dnf4": dnf4Program, "dnf5": dnf5Program}[manager]
	if program == "" {
		return fmt.Errorf("mock: package manager %q: use auto, dnf4 or dnf5", manager)
	}
	if !has(program) {
		return fmt.Errorf("mock: %s is not installed: mock installs buildroots with %s", program, manager)
	}
	d.manager = manager
	// Before version 5 mock had one name for it.
	if m := versionNumber.FindStringSubmatch(d.version); m != nil && manager == "dnf4" && len(m[1]) == 1 && m[1] < "5" {
		d.manager = "dnf"
	}
	return nil
}

// findAccount looks up who builds run as; empty names are the defaults.
func findAccount(name, groupName string) (account, error) {
	if groupName == "" {
		groupName = "mock"
	}
	group, err := user.LookupGroup(groupName)
	if err != nil {
		return account{}, fmt.Errorf("mock: there is no group %s: install the package mock, which makes it: %w", groupName, err)
	}
	if name == "" {
		if name, err = defaultUser(groupName); err != nil {
			return account{}, err
		}
	}
	who, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("mock: look up the user that builds run as: %w", err)
	}
	uid, err1 := strconv.Atoi(who.Uid)
	gid, err2 := strconv.Atoi(group.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return account{}, fmt.Errorf("mock: look up the user that builds run as: %w", err)
	}
	if uid == 0 {
		return account{}, fmt.Errorf("mock: builds can't run as %s, which is root", name)
	}
	return account{name: name, uid: uid, gid: gid}, nil
}

// defaultUser is mockbuild, or the first member of mock's group.
func defaultUser(group string) (string, error) {
	if _, err := user.Lookup("mockbuild"); err == nil {
		return "mockbuild", nil
	}
	text, err := os.ReadFile("/etc/group")
	if err != nil {
		return "", fmt.Errorf("mock: read groups: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) == 4 && fields[0] == group && fields[3] != "" {
			first, _, _ := strings.Cut(fields[3], ",")
			return first, nil
		}
	}
	return "", fmt.Errorf("mock: no user to run builds as: useradd --system --gid %s --no-create-home mockbuild, or add one to group %s", group, group)
}

// environ is mock's environment. As root, mock asks sudo's variables for the
// user that it works for.
func (d *Driver) environ() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME=/", "LANG=C.UTF-8", "TERM=dumb", "USER=root", "LOGNAME=root",
		"SUDO_UID=" + strconv.Itoa(d.account.uid), "SUDO_GID=" + strconv.Itoa(d.account.gid), "SUDO_USER=" + d.account.name,
	}
}

// checkPassable makes sure that mock, which gives up root's rights for most of
// its work, can reach the driver's directories.
func (d *Driver) checkPassable() error {
	for dir := filepath.Clean(d.config.Dir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("mock: look at directory: %w", err)
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("mock: user %s can't pass %s (mode %s): chmod o+x, or keep state_dir elsewhere", d.account.name, dir, info.Mode())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
