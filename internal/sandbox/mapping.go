package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

const (
	// rangeSize is how many ids a range maps: all 16-bit ids, so "nobody"
	// (65534) exists inside.
	rangeSize = 1 << 16
	// minRange is the smallest usable range: it has the builder's uid 1000.
	minRange = 1001
	// defaultBase is the first host id of the range used by root.
	defaultBase = 200000
)

// MappingKind is how ids inside relate to ids of the host.
type MappingKind string

// The strategies, in the order in which [New] tries them.
const (
	// MapRoot: the caller is root and maps a range of its choice.
	MapRoot MappingKind = "root"
	// MapSubID: the caller is unprivileged and maps the range that
	// /etc/subuid and /etc/subgid give it, through newuidmap and newgidmap.
	MapSubID MappingKind = "subid"
	// MapSingle: one id only, the caller's own. Package files of other owners
	// than root cannot be unpacked.
	MapSingle MappingKind = "single"
)

// Mapping tells which host ids the ids inside are. Id 0 inside is UIDBase on
// the host, id n is UIDBase+n. With MapSingle every id is the caller's own.
type Mapping struct {
	Kind              MappingKind
	UIDBase, UIDCount int
	GIDBase, GIDCount int
}

// ID is a stable name of the mapping for cache keys: two mappings with the same
// ID may share directories made by [Runner.MkdirMapped].
func (m Mapping) ID() string {
	return fmt.Sprintf("u%d+%d-g%d+%d", m.UIDBase, m.UIDCount, m.GIDBase, m.GIDCount)
}

// HostUID is the host's id of uid inside, or an error when it is not mapped.
func (m Mapping) HostUID(uid int) (int, error) { return m.host(uid, m.UIDBase, m.UIDCount) }

// HostGID is the host's id of gid inside, or an error when it is not mapped.
func (m Mapping) HostGID(gid int) (int, error) { return m.host(gid, m.GIDBase, m.GIDCount) }

func (m Mapping) host(id, base, count int) (int, error) {
	if m.Kind == MapSingle {
		return base, nil
	}
	if id < 0 || id >= count {
		return 0, fmt.Errorf("sandbox: map id: %d is outside the mapped range of %d ids", id, count)
	}
	return base + id, nil
}

// idMap is one extent of a uid or gid map.
type idMap struct{ inside, outside, count int }

// payloadMaps is the map a sandbox runs with.
func (m Mapping) payloadMaps() (uids, gids []idMap) {
	return []idMap{{0, m.UIDBase, m.UIDCount}}, []idMap{{0, m.GIDBase, m.GIDCount}}
}

// ownerMaps is the map for work on files by trusted code: the caller itself is
// id 0, the mapped ids follow from 1. No payload ever runs with it.
func (m Mapping) ownerMaps() (uids, gids []idMap) {
	uids, gids = []idMap{{0, os.Geteuid(), 1}}, []idMap{{0, os.Getegid(), 1}}
	if m.Kind != MapSingle {
		uids = append(uids, idMap{1, m.UIDBase, m.UIDCount})
		gids = append(gids, idMap{1, m.GIDBase, m.GIDCount})
	}
	return uids, gids
}

// apply gives the process pid, in a user namespace without maps, its maps.
func (m Mapping) apply(ctx context.Context, pid int, uids, gids []idMap) error {
	if m.Kind == MapSubID {
		if err := runIDMap(ctx, "newgidmap", pid, gids); err != nil {
			return err
		}
		return runIDMap(ctx, "newuidmap", pid, uids)
	}
	dir := "/proc/" + strconv.Itoa(pid)
	if m.Kind == MapSingle {
		// The kernel lets an unprivileged process map its gid only after it
		// gave up setgroups for the namespace (user_namespaces(7)).
		if err := writeFile(dir+"/setgroups", "deny"); err != nil {
			return fmt.Errorf("sandbox: deny setgroups: %w", err)
		}
	}
	if err := writeFile(dir+"/gid_map", formatMap(gids)); err != nil {
		return fmt.Errorf("sandbox: write gid map: %w", err)
	}
	if err := writeFile(dir+"/uid_map", formatMap(uids)); err != nil {
		return fmt.Errorf("sandbox: write uid map: %w", err)
	}
	return nil
}

func formatMap(maps []idMap) string {
	var b strings.Builder
	for _, m := range maps {
		fmt.Fprintf(&b, "%d %d %d\n", m.inside, m.outside, m.count)
	}
	return b.String()
}

func runIDMap(ctx context.Context, tool string, pid int, maps []idMap) error {
	args := []string{strconv.Itoa(pid)}
	for _, m := range maps {
		args = append(args, strconv.Itoa(m.inside), strconv.Itoa(m.outside), strconv.Itoa(m.count))
	}
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("sandbox: %s: %w: %s", tool, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// subIDMapping reads the caller's ranges from the files /etc/subuid and
// /etc/subgid (subuid(5)).
func subIDMapping() (Mapping, error) {
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			return Mapping{}, fmt.Errorf("sandbox: find %s: %w", tool, err)
		}
	}
	uid := strconv.Itoa(os.Geteuid())
	name := uid
	if u, err := user.LookupId(uid); err == nil {
		name = u.Username
	}
	ub, uc, err := readSubIDs("/etc/subuid", name, uid)
	if err != nil {
		return Mapping{}, err
	}
	gb, gc, err := readSubIDs("/etc/subgid", name, uid)
	if err != nil {
		return Mapping{}, err
	}
	return Mapping{Kind: MapSubID, UIDBase: ub, UIDCount: uc, GIDBase: gb, GIDCount: gc}, nil
}

func readSubIDs(path, name, uid string) (base, count int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("sandbox: read subordinate ids: %w", err)
	}
	defer f.Close()
	base, count, err = parseSubIDs(f, name, uid)
	if err != nil {
		return 0, 0, fmt.Errorf("sandbox: read %s: %w", path, err)
	}
	return base, count, nil
}

var errNoSubIDs = errors.New("no usable range")

// parseSubIDs finds the largest range of name (or the numeric uid), cut to
// rangeSize. A range without the builder's uid 1000 is as good as none.
func parseSubIDs(r io.Reader, name, uid string) (base, count int, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for lines.Scan() {
		f := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(f) != 3 || f[0] != name && f[0] != uid {
			continue
		}
		b, err1 := strconv.ParseUint(f[1], 10, 31)
		c, err2 := strconv.ParseUint(f[2], 10, 31)
		if err1 == nil && err2 == nil && int(c) > count {
			base, count = int(b), int(c)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, 0, err
	}
	if count < minRange {
		return 0, 0, fmt.Errorf("%w of at least %d ids for %s", errNoSubIDs, minRange, name)
	}
	return base, min(count, rangeSize), nil
}

// writeFile writes s in one write, as files of the kernel want it.
func writeFile(path, s string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s)
	return errors.Join(err, f.Close())
}
