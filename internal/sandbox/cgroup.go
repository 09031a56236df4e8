package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// wantedControllers enforce Limits.
var wantedControllers = []string{"memory", "pids", "cpu"}

// supervisorGroup is the child of its delegated group into which a caller moves
// itself, see delegate. systemd can start a service there at once with
// DelegateSubgroup=supervisor.
const supervisorGroup = "supervisor"

// defaultCgroupParent is the default of Config.CgroupParent.
const defaultCgroupParent = "distbot"

// hierarchy is one tree of control groups in which groups can be made.
type hierarchy struct {
	v2 bool
	// controllers of wantedControllers that limit groups here. A v2 tree is
	// useful without any: it kills (cgroup.kill) at once what is in a group.
	controllers []string
	// own is the directory of the caller's group.
	own string
	// parent is the directory in which runs get their groups.
	parent string
	// keep says that parent is the operator's and is not removed when empty.
	keep bool
}

// cgroupDriver makes a group for each run in every usable hierarchy. The zero
// value makes none.
type cgroupDriver struct {
	trees []hierarchy
}

// newCgroupDriver finds what the caller may use. The notes tell what it may
// not.
func newCgroupDriver(parent string, log *slog.Logger) (*cgroupDriver, []string) {
	trees, err := findHierarchies("/proc/self")
	if err != nil {
		return new(cgroupDriver), []string{"no control groups: " + err.Error()}
	}
	d := new(cgroupDriver)
	var notes []string
	for _, t := range trees {
		t, err := t.prepare(orDefault(parent, defaultCgroupParent), os.Geteuid() == 0)
		if err != nil {
			notes = append(notes, fmt.Sprintf("control groups at %s cannot be used: %v", t.own, err))
			continue
		}
		d.trees = append(d.trees, t)
	}
	for _, t := range d.trees {
		if err := t.sweep(); err != nil {
			log.Warn("sandbox: control groups of dead processes left behind", "error", err)
		}
	}
	for _, c := range wantedControllers {
		if !d.has(c) {
			notes = append(notes, "no "+c+" control group: limited by rlimits only, or not at all")
		}
	}
	return d, notes
}

// has says whether a controller limits groups.
func (d *cgroupDriver) has(controller string) bool {
	return slices.ContainsFunc(d.trees, func(t hierarchy) bool { return slices.Contains(t.controllers, controller) })
}

// kind names the versions in which limits are enforced.
func (d *cgroupDriver) kind() string {
	var versions []string
	for _, t := range d.trees {
		version := "v1"
		if t.v2 {
			version = "v2"
		}
		if len(t.controllers) > 0 && !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
	}
	if len(versions) == 0 {
		return "none"
	}
	slices.Sort(versions)
	return strings.Join(versions, "+")
}

// findHierarchies reads mountinfo and cgroup of a directory in /proc
// (cgroups(7), proc(5)). Of v1 only hierarchies with wanted controllers count.
func findHierarchies(proc string) ([]hierarchy, error) {
	own, err := ownGroups(filepath.Join(proc, "cgroup"))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(proc, "mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var trees []hierarchy
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		where, what := strings.Fields(left), strings.Fields(right)
		if !ok || len(where) < 5 || len(what) < 3 {
			continue
		}
		root, mountpoint := unescapeMount(where[3]), unescapeMount(where[4])
		switch what[0] {
		case "cgroup2":
			if path, ok := own[""]; ok {
				dir := groupDir(mountpoint, root, path)
				if filepath.Base(path) == supervisorGroup {
					dir = filepath.Dir(dir)
				}
				trees = appendTree(trees, hierarchy{v2: true, own: dir})
			}
		case "cgroup":
			var here []string
			for _, c := range strings.Split(what[2], ",") {
				if slices.Contains(wantedControllers, c) {
					here = append(here, c)
				}
			}
			if len(here) > 0 {
				trees = appendTree(trees, hierarchy{controllers: here, own: groupDir(mountpoint, root, own[here[0]])})
			}
		}
	}
	return trees, lines.Err()
}

// appendTree skips a tree that is mounted a second time.
func appendTree(trees []hierarchy, t hierarchy) []hierarchy {
	for _, other := range trees {
		if other.v2 == t.v2 && slices.Equal(other.controllers, t.controllers) {
			return trees
		}
	}
	return append(trees, t)
}

// ownGroups maps each controller, and "" for version 2, to the caller's group.
func ownGroups(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	own := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, c := range strings.Split(parts[1], ",") {
			own[c] = parts[2]
		}
	}
	return own, nil
}

// groupDir is where the group path is seen when the hierarchy's directory root
// is mounted at mountpoint.
func groupDir(mountpoint, root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil || !filepath.IsLocal(rel) {
		return mountpoint
	}
	return filepath.Join(mountpoint, rel)
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// prepare decides where groups are made and makes sure that they can be. In
// version 2 root falls back to the root of the hierarchy when the caller's own
// group gives no controllers away, as it is in a login session.
func (t hierarchy) prepare(parent string, root bool) (hierarchy, error) {
	mountpoint := t.mountpoint()
	candidates := []string{t.own}
	if filepath.IsAbs(parent) {
		t.keep, candidates = true, []string{mountpoint}
	} else if t.v2 && root && mountpoint != t.own {
		candidates = append(candidates, mountpoint)
	}
	var best hierarchy
	var errs []error
	for _, above := range candidates {
		c := t
		c.parent = filepath.Join(above, parent)
		if c.v2 {
			c.controllers = c.delegate(above)
		}
		err := c.rehearse()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if best.parent == "" || len(c.controllers) > len(best.controllers) {
			best = c
		}
	}
	if best.parent == "" {
		return t, errors.Join(errs...)
	}
	return best, nil
}

// mountpoint is the highest directory at or above own that is a control group.
func (t hierarchy) mountpoint() string {
	dir := t.own
	for {
		up := filepath.Dir(dir)
		if _, err := os.Stat(filepath.Join(up, "cgroup.procs")); err != nil {
			return dir
		}
		dir = up
	}
}

// rehearse makes a group and removes it.
func (t hierarchy) rehearse() error {
	g, err := t.newGroup()
	if err != nil {
		return err
	}
	return g.remove()
}

// delegate gives the wanted controllers of the version 2 group above to its
// children and returns those that were given.
//
// A group other than the root cannot have both processes and children with
// controllers. When the caller is the only process of its group, as in a
// systemd service with Delegate=yes, it moves into a child of its own.
func (t hierarchy) delegate(above string) []string {
	enableControllers(above)
	given := readControllers(above, "cgroup.subtree_control")
	if len(given) < len(readControllers(above, "cgroup.controllers")) && above == t.own && alone(above) {
		leaf := filepath.Join(above, supervisorGroup)
		if err := os.Mkdir(leaf, 0o755); err == nil || errors.Is(err, fs.ErrExist) {
			if writeFile(filepath.Join(leaf, "cgroup.procs"), strconv.Itoa(os.Getpid())) == nil {
				enableControllers(above)
				given = readControllers(above, "cgroup.subtree_control")
			}
		}
	}
	return given
}

// enableControllers turns on for the children of dir what dir itself has.
// Which of it worked is read back by readControllers.
func enableControllers(dir string) {
	for _, c := range readControllers(dir, "cgroup.controllers") {
		_ = writeFile(filepath.Join(dir, "cgroup.subtree_control"), "+"+c)
	}
}

// readControllers are those of wantedControllers that a file lists.
func readControllers(dir, file string) []string {
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil
	}
	var found []string
	for _, c := range strings.Fields(string(data)) {
		if slices.Contains(wantedControllers, c) {
			found = append(found, c)
		}
	}
	return found
}

// alone says whether this process is the only one in the group dir.
func alone(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return err == nil && strings.TrimSpace(string(data)) == strconv.Itoa(os.Getpid())
}
