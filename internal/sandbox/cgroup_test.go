package sandbox

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHierarchiesAreFoundInProc(t *testing.T) {
	t.Parallel()
	const v1 = `31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 23 0:29 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
34 23 0:30 / /sys/fs/cgroup/uni\040fied rw - cgroup2 cgroup2 rw
35 23 0:28 / /mnt/again rw - cgroup cgroup rw,memory
36 23 0:99 / / rw - ext4 /dev/sda rw
`
	for name, test := range map[string]struct {
		mountinfo, cgroup string
		want              []hierarchy
	}{
		"version 2": {
			"34 23 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "0::/system.slice/distbot.service\n",
			[]hierarchy{{v2: true, own: "/sys/fs/cgroup/system.slice/distbot.service"}},
		},
		"version 2, already moved aside": {
			"34 23 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/system.slice/distbot.service/supervisor\n",
			[]hierarchy{{v2: true, own: "/sys/fs/cgroup/system.slice/distbot.service"}},
		},
		"version 1 and 2": {
			v1, "5:cpu,cpuacct:/a\n4:memory:/b/c\n3:blkio:/\n1:name=systemd:/\n0::/\n",
			[]hierarchy{
				{controllers: []string{"cpu"}, own: "/sys/fs/cgroup/cpu,cpuacct/a"},
				{controllers: []string{"memory"}, own: "/sys/fs/cgroup/memory/b/c"},
				{v2: true, own: "/sys/fs/cgroup/uni fied"},
			},
		},
		"a container that sees only its part": {
			"34 23 0:30 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/1/x\n",
			[]hierarchy{{v2: true, own: "/sys/fs/cgroup/x"}},
		},
		"a container that sees another part": {
			"34 23 0:30 /docker/2 /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/1\n",
			[]hierarchy{{v2: true, own: "/sys/fs/cgroup"}},
		},
		"none": {"36 23 0:99 / / rw - ext4 /dev/sda rw\n", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeTree(t, dir, map[string]string{"mountinfo": test.mountinfo, "cgroup": test.cgroup})
			got, err := findHierarchies(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestVersion2Files checks names and values against plain files; what the
// kernel does with them needs a host with version 2 controllers.
func TestVersion2Files(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{
		"memory.max": "", "memory.swap.max": "", "pids.max": "", "cpu.max": "", "cgroup.procs": "",
		"cgroup.kill": "", "memory.events": "low 0\noom 2\noom_kill 0\n",
	}
	writeTree(t, dir, files)
	g := &cgroup{parts: []treeGroup{{tree: hierarchy{v2: true, controllers: wantedControllers}, dir: dir}}}
	if err := g.parts[0].limit(Limits{Memory: 1 << 30, PIDs: 100, CPUs: 1.5}); err != nil {
		t.Fatal(err)
	}
	if err := g.add(42); err != nil {
		t.Fatal(err)
	}
	g.kill()
	if g.oomKilled() {
		t.Error("oom killed without a kill")
	}
	writeTree(t, dir, map[string]string{"memory.events": "low 0\noom 2\noom_kill 1\n"})
	if !g.oomKilled() {
		t.Error("oom kill not seen")
	}
	got := make(map[string]string)
	for name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(data)
	}
	delete(got, "memory.events")
	expected := map[string]string{
		"memory.max": "1073741824", "memory.swap.max": "0", "pids.max": "116",
		"cpu.max": "150000 100000", "cgroup.procs": "42", "cgroup.kill": "1",
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestControlGroups works on the host's real groups.
func TestControlGroups(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("unprivileged: groups are only used where they are delegated")
		return
	}
	parent := "distbot-test-groups-" + strconv.Itoa(os.Getpid())
	d, notes := newCgroupDriver(parent, slog.New(slog.DiscardHandler))
	if !d.has("memory") || !d.has("pids") || !d.has("cpu") {
		t.Fatalf("not all controllers are usable: %v", notes)
	}

	t.Run("limits reach the kernel", func(t *testing.T) {
		g, err := d.newGroup(Limits{Memory: 64 << 20, PIDs: 10, CPUs: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range g.parts {
			for _, name := range []string{"memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us", "cpu.max"} {
				if data, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil {
					got = append(got, strings.Fields(string(data))[0])
				}
			}
		}
		if err := g.remove(); err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"67108864", "26", "50000"} {
			if !strings.Contains(strings.Join(got, " "), value) {
				t.Errorf("no file has %s: %v", value, got)
			}
		}
	})
	t.Run("leftovers of the dead are removed, groups of the living are not", func(t *testing.T) {
		living, err := d.newGroup(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		dead, err := d.newGroup(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range dead.parts {
			p.lock.Close() // as the kernel does when the owner ends
		}
		newCgroupDriver(parent, slog.New(slog.DiscardHandler))
		for _, p := range dead.parts {
			if _, err := os.Stat(p.dir); err == nil {
				t.Errorf("%s was left", p.dir)
			}
		}
		for _, p := range living.parts {
			if _, err := os.Stat(p.dir); err != nil {
				t.Errorf("%s was removed", p.dir)
			}
		}
		if err := living.remove(); err != nil {
			t.Error(err)
		}
		for _, tree := range d.trees {
			if _, err := os.Stat(tree.parent); !os.IsNotExist(err) {
				t.Errorf("%s was left: %v", tree.parent, err)
			}
		}
	})
}

func TestDelegationMovesALoneCaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": "",
		"cgroup.procs": strconv.Itoa(os.Getpid()) + "\n", "supervisor/cgroup.procs": "",
	})
	hierarchy{v2: true, own: dir}.delegate(dir)
	data, err := fs.ReadFile(os.DirFS(dir), "supervisor/cgroup.procs")
	if err != nil || string(data) != strconv.Itoa(os.Getpid()) {
		t.Errorf("supervisor has %q, %v", data, err)
	}

	writeTree(t, dir, map[string]string{"cgroup.procs": "1\n" + strconv.Itoa(os.Getpid()) + "\n", "supervisor/cgroup.procs": ""})
	hierarchy{v2: true, own: dir}.delegate(dir)
	if data, _ := fs.ReadFile(os.DirFS(dir), "supervisor/cgroup.procs"); len(data) != 0 {
		t.Errorf("moved although the group has others: %q", data)
	}
}
