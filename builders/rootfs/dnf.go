package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// errNoDNF says what New needs.
var errNoDNF = errors.New("rootfs: dnf 4 is not installed: run scripts/setup, or install the package dnf (Fedora 41 and later: python3-dnf and dnf-plugins-core)")

// findDNF returns the path of dnf 4 in bin. Where dnf is version 5, whose
// options and words are others, version 4 is still there as dnf-3.
func findDNF(bin string) (string, error) {
	path := filepath.Join(bin, "dnf-3")
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(bin, "dnf")
		var real string
		if real, err = filepath.EvalSymlinks(path); err == nil && filepath.Base(real) == "dnf5" {
			return "", errNoDNF
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNoDNF
	}
	if err != nil {
		return "", fmt.Errorf("rootfs: find dnf: %w", err)
	}
	return path, nil
}

// Places inside the sandbox in which the host's dnf runs.
const (
	installRoot = "/buildroot"
	repoRoot    = "/repos"
	dnfHome     = "/dnf"
	dnfCache    = dnfHome + "/cache"
)

// dnf runs the host's dnf on a root, in the sandbox: scriptlets of packages
// run as root of the namespace, and packages are pushed by users.
type dnf struct {
	budget *budget
	step   diagnosis.Step
	repos  []mountedRepo
	// machine is that of the root.
	machine machine
	// root is mounted at installRoot.
	root sandbox.Mount
	// cache is mounted at dnfCache.
	cache sandbox.Mount
	// extra are further mounts.
	extra []sandbox.Mount
	log   *diagnosis.Log
}

// run runs one command. With repositories on the network it runs twice: once
// with the network, to download, when nothing of the packages runs, and once
// without, to install.
func (c dnf) run(ctx context.Context, args ...string) error {
	if c.remote() {
		if err := c.once(ctx, true, append([]string{"--downloadonly"}, args...)); err != nil {
			return err
		}
		args = append([]string{"--cacheonly"}, args...)
	}
	return c.once(ctx, false, args)
}

// remote says whether some of the repositories are on the network.
func (c dnf) remote() bool {
	return slices.ContainsFunc(c.repos, func(r mountedRepo) bool { return r.dir == "" })
}

// once runs dnf in a view of the host.
func (c dnf) once(ctx context.Context, network bool, args []string) error {
	root, mounts := sandbox.HostView()
	command := append([]string{
		c.budget.driver.dnf, "-y", "--config=" + dnfHome + "/dnf.conf", "--installroot=" + installRoot, "--releasever=1",
		"--setopt=reposdir=/dev/null", "--setopt=varsdir=/dev/null", "--setopt=cachedir=" + dnfCache,
		"--setopt=logdir=" + dnfHome + "/log", "--setopt=persistdir=" + dnfHome + "/persist",
		"--disableplugin=*", "--enableplugin=builddep",
	}, append(c.machine.dnfOptions(), args...)...)
	c.log.Begin(c.step)
	spec := sandbox.Spec{
		Root: root, Mounts: append(mounts, c.mounts(network)...), Network: network,
		Env:  []string{"HOME=" + dnfHome, "PATH=/usr/bin:/usr/sbin", "LANG=C.UTF-8"},
		Args: command, Stdout: c.log, Stderr: c.log,
	}
	c.machine.prepare(&spec) // for scriptlets
	result, err := c.budget.run(ctx, spec)
	return judge(c.log, result, err)
}

// rpmMacros are those of the rpm that installs: the database is the root's own,
// and what is mounted there already is left alone, as the owners of mounts
// can't be set.
const rpmMacros = "%_dbpath /var/lib/rpm\n%_netsharedpath /proc:/sys:/dev\n"

// mounts are what dnf sees besides the host's programs.
func (c dnf) mounts(network bool) []sandbox.Mount {
	mounts := []sandbox.Mount{
		c.root,
		{Type: sandbox.TypeProc, Target: installRoot + "/proc"},
		{Type: sandbox.TypeDev, Target: installRoot + "/dev"},
		{Type: sandbox.TypeDir, Target: installRoot + "/sys", Mode: 0o555},
		// rpm reads its macros from HOME; Debian's default keeps the
		// database in HOME too, which would leave the root's empty.
		{Type: sandbox.TypeFile, Target: dnfHome + "/.rpmmacros", Data: []byte(rpmMacros)},
		{Type: sandbox.TypeFile, Target: dnfHome + "/dnf.conf", Data: []byte(c.config())},
		// dnf wants to open its log before it makes the directory.
		{Type: sandbox.TypeDir, Target: dnfHome + "/log"},
		{Type: sandbox.TypeDir, Target: dnfHome + "/persist"},
		c.cache,
	}
	for i, repo := range c.repos {
		if repo.dir != "" {
			mounts = append(mounts, sandbox.Mount{Source: repo.dir, Target: fmt.Sprintf("%s/%d", repoRoot, i), ReadOnly: true})
		}
	}
	if network {
		mounts = append(mounts, sandbox.Mount{Source: "/etc/resolv.conf", Target: "/etc/resolv.conf", ReadOnly: true, Optional: true})
	}
	return append(mounts, c.extra...)
}

// config is dnf's configuration: nothing of the host's is read.
func (c dnf) config() string {
	var repos []builders.Repo
	for _, repo := range c.repos {
		repos = append(repos, repo.Repo)
	}
	return buildroot.DNFConfig(repos)
}
