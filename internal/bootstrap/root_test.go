package bootstrap

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildRoot is a root installed with the command line of the package's
// documentation, in namespaces of its own: without network, and as root of a
// user namespace where the test does not run as root.
type buildRoot struct {
	dir   string
	lab   string   // HOME, caches and configuration of dnf
	repos []string // --repofrompath arguments
}

func newBuildRoot(t *testing.T, repos ...string) buildRoot {
	t.Helper()
	for program, from := range map[string]string{"dnf": "dnf", "unshare": "util-linux", "createrepo_c": "createrepo-c"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: Debian package %s has it; run scripts/setup", err, from)
		}
	}
	b := buildRoot{dir: filepath.Join(t.TempDir(), "root"), lab: t.TempDir(), repos: repos}
	for _, d := range []string{"cache", "log", "persist"} {
		if err := os.Mkdir(filepath.Join(b.lab, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(b.lab, ".rpmmacros"), "%_dbpath /var/lib/rpm\n")
	write(t, filepath.Join(b.lab, "dnf.conf"), "[main]\ngpgcheck=0\ninstall_weak_deps=False\nbest=True\n")
	return b
}

// isolated runs a program in fresh namespaces.
func (b buildRoot) isolated(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	flags := []string{"--mount", "--pid", "--net", "--fork", "--kill-child"}
	if os.Geteuid() != 0 {
		flags = append(flags, "--map-root-user")
	}
	cmd := exec.CommandContext(t.Context(), "unshare", append(append(flags, "--", program), args...)...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (b buildRoot) dnf(t *testing.T, args ...string) (string, error) {
	t.Helper()
	common := []string{
		"-y", "--config=" + filepath.Join(b.lab, "dnf.conf"), "--installroot=" + b.dir, "--releasever=1",
		"--setopt=reposdir=/dev/null", "--setopt=varsdir=/dev/null",
		"--setopt=cachedir=" + filepath.Join(b.lab, "cache"), "--setopt=logdir=" + filepath.Join(b.lab, "log"),
		"--setopt=persistdir=" + filepath.Join(b.lab, "persist"),
		"--disableplugin=*", "--enableplugin=builddep", "--enableplugin=repoclosure",
		"--refresh", // the tag's repository changes under one URL
	}
	for _, r := range b.repos {
		common = append(common, "--repofrompath="+r)
	}
	return b.isolated(t, []string{"HOME=" + b.lab}, "dnf", append(common, args...)...)
}

func (b buildRoot) mustDNF(t *testing.T, args ...string) {
	t.Helper()
	if out, err := b.dnf(t, args...); err != nil {
		t.Fatalf("dnf %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// build runs rpmbuild -ba of testdata/NAME as mockbuild and returns the
// directory of the RPMs. Without real root it runs as root of the user
// namespace, where uid 1000 does not exist.
func (b buildRoot) build(t *testing.T, name string) string {
	t.Helper()
	top := filepath.Join(b.dir, "builddir", "build")
	if err := os.RemoveAll(top); err != nil {
		t.Fatal(err)
	}
	spec, err := os.ReadFile(filepath.Join("testdata", name, name+".spec"))
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(spec), "Version:")
	version = strings.Fields(version)[0]
	write(t, filepath.Join(top, "SPECS", name+".spec"), string(spec))
	write(t, filepath.Join(top, "SOURCES", "empty"), "")
	stem := name + "-" + version
	tarball := exec.CommandContext(t.Context(), "tar", "-czf", filepath.Join(top, "SOURCES", stem+".tar.gz"),
		"--sort=name", "--owner=0", "--group=0", "--mtime=@1600000000", "--transform", fmt.Sprintf("s,^%s,%s,", name, stem), "-C", "testdata", name)
	// gzip would write the time.
	tarball.Env = append(os.Environ(), "GZIP=-n")
	if out, err := tarball.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	chroot := []string{b.dir}
	if os.Geteuid() == 0 {
		chroot = []string{"--userspec=1000:1000", b.dir}
		give(t, top, 1000)
	}
	script := `mount -t proc proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev" && exec chroot "$@"`
	args := append([]string{"-c", script, "sh"}, chroot...)
	args = append(args, "/usr/bin/rpmbuild", "-ba", "--define", "_topdir /builddir/build", "/builddir/build/SPECS/"+name+".spec")
	out, err := b.isolated(t, []string{"ROOT=" + b.dir, "HOME=/builddir", "SOURCE_DATE_EPOCH=1700000000"}, "sh", args...)
	if err != nil {
		t.Fatalf("rpmbuild %s: %v\n%s", name, err, out)
	}
	return filepath.Join(top, "RPMS")
}

// give changes the owner of a tree.
func give(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rpms returns the digests of the RPMs below dir by their file names.
func rpms(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".rpm" {
			return err
		}
		found[entry.Name()], err = fileDigest(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
