package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Finding is one fact about this host, for people.
type Finding struct {
	Name   string `json:"name"` // what was looked at
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found
	Remedy string `json:"remedy"` // what to do about it; empty when OK
	// Required findings that are not OK mean that no sandbox can run. The
	// others cost something, and Detail or Remedy say what.
	Required bool `json:"required"`
}

// Probe finds out what sandboxes can do on this host for this user, by trying
// where it can. dir is a directory in which base roots and build overlays will
// live; default the directory for temporary files. The order of findings is
// fixed.
func Probe(ctx context.Context, cfg Config, dir string) []Finding {
	findings := []Finding{probeKernel(), probeNamespaceLimit(), probeAppArmor()}
	r, err := New(ctx, cfg)
	findings = append(findings, foundNamespaces(err))
	if err != nil {
		return findings
	}
	return append(findings, probeRange(r), probeOverlap(r), probeOverlay(ctx, r, dir), probeCgroups(r))
}

func probeKernel() Finding {
	f := Finding{Name: "kernel", Required: true}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		f.Detail = err.Error()
		return f
	}
	f.Detail = unix.ByteSliceToString(u.Release[:])
	if f.OK = kernelAtLeast(f.Detail, 5, 12); !f.OK {
		f.Remedy = "run Linux 5.12 or newer (EL 9, Debian 12, Fedora)"
	}
	return f
}

// kernelAtLeast compares a release such as "6.1.0-13-amd64".
func kernelAtLeast(release string, major, minor int) bool {
	a, rest, _ := strings.Cut(release, ".")
	b := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	return err1 == nil && err2 == nil && (x > major || x == major && y >= minor)
}

func probeNamespaceLimit() Finding {
	f := Finding{Name: "user namespace limit", Required: true}
	data, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	if err != nil {
		f.Detail, f.Remedy = err.Error(), "use a kernel with CONFIG_USER_NS"
		return f
	}
	f.Detail = "user.max_user_namespaces = " + strings.TrimSpace(string(data))
	if f.OK = strings.TrimSpace(string(data)) != "0"; !f.OK {
		f.Remedy = "sysctl user.max_user_namespaces=15000, and the same in /etc/sysctl.d"
	}
	return f
}

// probeAppArmor looks for the restriction of Ubuntu 23.10 and later.
func probeAppArmor() Finding {
	f := Finding{Name: "AppArmor", OK: true, Detail: "does not restrict user namespaces"}
	data, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	if err != nil || strings.TrimSpace(string(data)) != "1" || os.Geteuid() == 0 {
		return f
	}
	return Finding{
		Name:   "AppArmor",
		Detail: "kernel.apparmor_restrict_unprivileged_userns = 1: programs without a profile get user namespaces without rights",
		Remedy: "install an AppArmor profile for this program with \"userns,\" or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
	}
}

func foundNamespaces(err error) Finding {
	f := Finding{Name: "user namespaces", Required: true, OK: err == nil, Detail: "can be made"}
	if err != nil {
		f.Detail = err.Error()
		f.Remedy = "allow user namespaces: the errors name the setting; in a container, allow clone with CLONE_NEWUSER in its seccomp profile"
	}
	return f
}

func probeRange(r *Runner) Finding {
	m := r.mapping
	f := Finding{
		Name: "id range", OK: m.Kind != MapSingle,
		Detail: fmt.Sprintf("%s map, %d user ids from %d", m.Kind, m.UIDCount, m.UIDBase),
	}
	if !f.OK {
		f.Detail = "one id only: packages with files of other owners than root cannot be installed; " + strings.Join(r.notes, "; ")
		f.Remedy = "install newuidmap and newgidmap (package uidmap or shadow-utils) and give this user a range: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER"
	}
	return f
}

// probeOverlap warns when root's range is also given to somebody's containers,
// whose processes could then signal those of sandboxes.
func probeOverlap(r *Runner) Finding {
	f := Finding{Name: "id range overlap", OK: true, Detail: "no other user has these ids"}
	if r.mapping.Kind != MapRoot {
		return f
	}
	var others []string
	for _, file := range []struct {
		path        string
		base, count int
	}{{"/etc/subuid", r.mapping.UIDBase, r.mapping.UIDCount}, {"/etc/subgid", r.mapping.GIDBase, r.mapping.GIDCount}} {
		in, err := os.Open(file.path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return Finding{Name: f.Name, Detail: err.Error(), Remedy: "make the file readable"}
		}
		others = append(others, overlapping(in, file.base, file.count)...)
		in.Close()
	}
	if len(others) > 0 {
		f.OK = false
		f.Detail = "also given to: " + strings.Join(others, ", ")
		f.Remedy = "configure another first id for sandboxes"
	}
	return f
}

// overlapping lists the lines of a subuid file that share ids with a range.
func overlapping(r io.Reader, base, count int) []string {
	var found []string
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for lines.Scan() {
		f := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(f) != 3 {
			continue
		}
		b, err1 := strconv.Atoi(f[1])
		c, err2 := strconv.Atoi(f[2])
		if err1 == nil && err2 == nil && b < base+count && base < b+c {
			found = append(found, lines.Text())
		}
	}
	return found
}

// probeOverlay sets up a sandbox on an overlay in dir.
func probeOverlay(ctx context.Context, r *Runner, dir string) Finding {
	f := Finding{Name: "overlay root", Required: true, OK: true, Detail: "can be mounted"}
	if err := r.tryOverlay(ctx, dir); err != nil {
		f.OK, f.Detail = false, err.Error()
		f.Remedy = "keep the state directory on a local file system such as ext4, xfs or btrfs, not on overlay or NFS; load the overlay kernel module"
	}
	return f
}

func (r *Runner) tryOverlay(ctx context.Context, dir string) (err error) {
	top, err := os.MkdirTemp(dir, "distbot-probe-")
	if err != nil {
		return fmt.Errorf("sandbox: make directory: %w", err)
	}
	defer func() { err = errors.Join(err, r.RemoveAll(context.WithoutCancel(ctx), top)) }()
	for _, name := range []string{"lower", "upper", "work"} {
		if err := r.MkdirMapped(ctx, filepath.Join(top, name), 0, 0, 0o755); err != nil {
			return err
		}
	}
	_, err = r.run(ctx, Spec{
		Root: Root{Lower: []string{filepath.Join(top, "lower")}, Upper: filepath.Join(top, "upper"), Work: filepath.Join(top, "work")},
		Args: []string{"/nothing"},
	}, true)
	return err
}

func probeCgroups(r *Runner) Finding {
	c := r.Capabilities()
	f := Finding{
		Name: "control groups", OK: c.MemoryLimit && c.PIDsLimit && c.CPULimit,
		Detail: fmt.Sprintf("%s; memory: %t, pids: %t, cpu: %t", c.Cgroups, c.MemoryLimit, c.PIDsLimit, c.CPULimit),
	}
	if !f.OK {
		f.Detail += "; " + strings.Join(c.Notes, "; ")
		f.Remedy = "run as a systemd service with Delegate=yes (or as root); until then memory and processes are limited for each process or user only, processor time is not"
	}
	return f
}
