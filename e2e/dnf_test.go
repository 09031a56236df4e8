//go:build e2e

package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a root file system that dnf installs into from the base
// distribution and a published repository.
type machine struct {
	root string
	lab  string
	repo string
}

// newMachine makes an empty one. repo is the URL of the published repository.
func newMachine(t testing.TB, repo string) *machine {
	t.Helper()
	for program, from := range map[string]string{"dnf": "dnf", "unshare": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: the package %s has it; run scripts/setup", err, from)
		}
	}
	m := &machine{root: filepath.Join(t.TempDir(), "root"), lab: t.TempDir(), repo: repo}
	for _, dir := range []string{"cache", "log", "persist"} {
		if err := os.Mkdir(filepath.Join(m.lab, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(m.lab, ".rpmmacros"), "%_dbpath /var/lib/rpm\n", 0o644)
	writeFile(t, filepath.Join(m.lab, "dnf.conf"), "[main]\ngpgcheck=0\ninstall_weak_deps=False\nbest=True\n", 0o644)
	return m
}

// isolated runs a program in mount and pid namespaces of its own, as root of a
// user namespace where the test does not run as root.
func (m *machine) isolated(t testing.TB, options []string, program string, args ...string) (string, error) {
	t.Helper()
	flags := []string{"--mount", "--pid", "--fork", "--kill-child"}
	if os.Geteuid() != 0 {
		flags = append(flags, "--map-root-user")
	}
	flags = append(append(flags, options...), "--", program)
	cmd := exec.Command("unshare", append(flags, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=" + m.lab}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// dnf runs dnf as an administrator would, with both repositories.
func (m *machine) dnf(t testing.TB, args ...string) string {
	t.Helper()
	common := []string{
		"-y", "--config=" + filepath.Join(m.lab, "dnf.conf"), "--installroot=" + m.root, "--releasever=1",
		"--setopt=reposdir=/dev/null", "--setopt=varsdir=/dev/null", "--setopt=cachedir=" + filepath.Join(m.lab, "cache"),
		"--setopt=logdir=" + filepath.Join(m.lab, "log"), "--setopt=persistdir=" + filepath.Join(m.lab, "persist"),
		"--disableplugin=*", "--refresh", "--repofrompath=base," + baseURL, "--repofrompath=published," + m.repo,
	}
	out, err := m.isolated(t, nil, "dnf", append(common, args...)...)
	if err != nil {
		t.Fatalf("dnf %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// run runs a program of the machine and returns what it printed.
func (m *machine) run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := m.isolated(t, []string{"--root=" + m.root}, program, args...)
	if err != nil {
		t.Fatalf("%s in the machine: %v\n%s", program, err, out)
	}
	return out
}
