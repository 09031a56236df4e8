package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunReportsHowThePayloadEnded(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	for _, test := range []struct {
		name, script string
		code         int
		signal       syscall.Signal
	}{
		{"success", "true", 0, 0},
		{"exit code", "exit 7", 7, 0},
		{"largest exit code", "exit 255", 255, 0},
		{"SIGTERM", "kill -TERM $$", 128 + 15, syscall.SIGTERM},
		{"SIGKILL", "kill -KILL $$", 128 + 9, syscall.SIGKILL},
		{"SIGHUP", "kill -HUP $$", 128 + 1, syscall.SIGHUP},
		{"children that outlive it", "sleep 1000 & exit 3", 3, 0},
		{"orphans are reaped while it runs", "(sleep 0.01 &) ; (true &) ; sleep 0.05; ps ax | grep -c '[d]efunct' ; exit 0", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, res := output(t, r, shell(test.script))
			got := Result{ExitCode: res.ExitCode, Signal: res.Signal}
			if diff := cmp.Diff(Result{ExitCode: test.code, Signal: test.signal}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if res.Wall <= 0 || res.User+res.System <= 0 || res.MaxRSS <= 0 {
				t.Errorf("no usage: %+v", res)
			}
		})
	}
	t.Run("no zombies", func(t *testing.T) {
		t.Parallel()
		want(t, r, python(`
import time
for i in range(50):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.wait()
deadline = time.time() + 20
while time.time() < deadline:
    left = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]
    if not left: break
print(left)`), 0, "[]")
	})
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	ok := shell("true")
	for name, change := range map[string]func(*Spec){
		"no program":               func(s *Spec) { s.Args = nil },
		"a relative program":       func(s *Spec) { s.Args = []string{"sh"} },
		"a relative directory":     func(s *Spec) { s.Dir = "tmp" },
		"no root":                  func(s *Spec) { s.Root = Root{} },
		"two kinds of root":        func(s *Spec) { s.Root.Dir = "/x" },
		"upper without lower":      func(s *Spec) { s.Root = Root{Upper: "/a/u", Work: "/a/w"} },
		"upper and work far apart": func(s *Spec) { s.Root = Root{Lower: []string{"/l"}, Upper: "/a/u", Work: "/b/w"} },
		"a relative layer":         func(s *Spec) { s.Root = Root{Lower: []string{"l"}} },
		"a mount over the root":    func(s *Spec) { s.Mounts = []Mount{{Source: "/usr", Target: "/."}} },
		"a relative mount":         func(s *Spec) { s.Mounts = []Mount{{Source: "/usr", Target: "usr"}} },
		"a tmpfs without size":     func(s *Spec) { s.Mounts = []Mount{{Target: "/t"}} },
		"an overlay without upper": func(s *Spec) {
			s.Mounts = []Mount{{Type: TypeOverlay, Target: "/o", Layers: Root{Lower: []string{"/l"}}}}
		},
		"an overlay without lower": func(s *Spec) {
			s.Mounts = []Mount{{Type: TypeOverlay, Target: "/o", Layers: Root{Upper: "/a/u", Work: "/a/w"}}}
		},
		"an overlay of a directory": func(s *Spec) {
			s.Mounts = []Mount{{Type: TypeOverlay, Target: "/o", Layers: Root{Lower: []string{"/l"}, Upper: "/a/u", Work: "/a/w", Dir: "/d"}}}
		},
		"more layers than can be": func(s *Spec) {
			lower := slices.Repeat([]string{"/l"}, maxSources)
			s.Mounts = []Mount{{Type: TypeOverlay, Target: "/o", Layers: Root{Lower: lower, Upper: "/a/u", Work: "/a/w"}}}
		},
		"an unknown mount type":    func(s *Spec) { s.Mounts = []Mount{{Type: "nfs", Target: "/t"}} },
		"a uid outside the map":    func(s *Spec) { s.UID = 1 << 16 },
		"a negative limit":         func(s *Spec) { s.Limits.Memory = -1 },
		"a NUL in the environment": func(s *Spec) { s.Env = []string{"A=\x00"} },
		"a NUL in the arguments":   func(s *Spec) { s.Args = append(s.Args, "\x00") },
		"more mounts than can be":  func(s *Spec) { s.Mounts = make([]Mount, maxSources+1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := ok
			change(&spec)
			if _, err := r.Run(testContext(t), spec); !errors.Is(err, ErrSpec) {
				t.Errorf("got %v, want ErrSpec", err)
			}
		})
	}
	for name, test := range map[string]struct {
		change func(*Spec)
		want   error
	}{
		"a program that is not there":   {func(s *Spec) { s.Args = []string{"/nothing"} }, fs.ErrNotExist},
		"a program that is a directory": {func(s *Spec) { s.Args = []string{"/usr"} }, fs.ErrPermission},
		"a directory that is not there": {func(s *Spec) { s.Dir = "/nowhere" }, fs.ErrNotExist},
		"a directory that is a file":    {func(s *Spec) { s.Dir = "/etc/passwd" }, syscall.ENOTDIR},
		"a source that is not there":    {func(s *Spec) { s.Mounts = []Mount{{Source: "/nowhere", Target: "/x"}} }, fs.ErrNotExist},
		"a mounted layer that is not there": {func(s *Spec) {
			s.Mounts = append(s.Mounts, Mount{Type: TypeOverlay, Target: "/o", Layers: Root{Lower: []string{"/nowhere"}, Upper: "/a/u", Work: "/a/w"}})
		}, fs.ErrNotExist},
		"a layer that is not there":    {func(s *Spec) { s.Root = Root{Lower: []string{"/nowhere"}} }, fs.ErrNotExist},
		"a file that is there already": {func(s *Spec) { s.Mounts = append(s.Mounts, Mount{Type: TypeFile, Target: "/etc/passwd"}) }, fs.ErrExist},
		"a file larger than the root":  {func(s *Spec) { s.Root.Tmpfs = 1 << 16 }, syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := shell("true")
			if name == "a file larger than the root" {
				spec.Mounts = append(spec.Mounts, Mount{Type: TypeFile, Target: "/big", Data: make([]byte, 1<<20)})
			}
			test.change(&spec)
			_, err := r.Run(testContext(t), spec)
			if !errors.Is(err, test.want) || errors.Is(err, ErrSpec) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestRunWithoutSyncing(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	// A pipe cannot be synced, unless nothing is done.
	spec := python("os.sync(); print(call('fsync', os.pipe()[1]), call('fdatasync', os.pipe()[1]), call('syncfs', -1))")
	want(t, r, spec, 0, "EINVAL EINVAL EBADF")
	spec.NoSync = true
	want(t, r, spec, 0, "ok ok ok")
}

func TestRunTakesManyMounts(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	spec := shell("ls -d /m/* | wc -l")
	for i := range 150 {
		spec.Mounts = append(spec.Mounts, Mount{Source: "/usr/bin", Target: fmt.Sprintf("/m/%d", i), ReadOnly: true})
	}
	want(t, r, spec, 0, "150")
}

func TestRunCopiesInputAndOutput(t *testing.T) {
	t.Parallel()
	r := newRunner(t)

	t.Run("one writer keeps the order of both outputs", func(t *testing.T) {
		t.Parallel()
		var wantText strings.Builder
		for i := range 200 {
			fmt.Fprintf(&wantText, "out %d\nerr %d\n", i, i)
		}
		got, _ := output(t, r, shell("i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"))
		if diff := cmp.Diff(strings.TrimSpace(wantText.String()), got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("two writers get one output each", func(t *testing.T) {
		t.Parallel()
		var out, errOut bytes.Buffer
		spec := shell("echo out; echo err >&2")
		spec.Stdout, spec.Stderr = &out, &errOut
		if _, err := r.Run(testContext(t), spec); err != nil {
			t.Fatal(err)
		}
		if out.String() != "out\n" || errOut.String() != "err\n" {
			t.Errorf("got %q and %q", out.String(), errOut.String())
		}
	})
	t.Run("big input and output pass unchanged", func(t *testing.T) {
		t.Parallel()
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
		var out bytes.Buffer
		spec := hostSpec("/bin/cat")
		spec.Stdin, spec.Stdout = bytes.NewReader(data), &out
		if _, err := r.Run(testContext(t), spec); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), data) {
			t.Errorf("got %d bytes, want %d, or others", out.Len(), len(data))
		}
	})
	t.Run("input that is not read does no harm", func(t *testing.T) {
		t.Parallel()
		spec := shell("echo done")
		spec.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
		want(t, r, spec, 0, "done")
	})
	t.Run("discarded output does no harm", func(t *testing.T) {
		t.Parallel()
		res, err := r.Run(testContext(t), shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; cat; exit 4"))
		if err != nil || res.ExitCode != 4 {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}

func TestRunInParallelLeavesNothing(t *testing.T) {
	t.Parallel()
	parent := fmt.Sprintf("distbot-test-%d", os.Getpid())
	r := newRunnerWith(t, Config{Mapping: MappingKind(os.Getenv(mappingUnderTest)), CgroupParent: parent})
	before := hostMounts(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			var out bytes.Buffer
			spec := shell(fmt.Sprintf("echo %d > /tmp/x; sleep 1000 & cat /tmp/x; exit %d", i, i))
			spec.Args = append(spec.Args, parent)
			spec.Stdout = &out
			spec.Limits = Limits{Memory: 512 << 20, PIDs: 100}
			res, err := r.Run(testContext(t), spec)
			if err != nil || res.ExitCode != i || out.String() != fmt.Sprintln(i) {
				t.Errorf("run %d: %+v, %v, %q", i, res, err, out.String())
			}
		})
	}
	wg.Wait()
	if left := processesWith(t, parent); left != nil {
		t.Errorf("left processes %v", left)
	}
	if diff := cmp.Diff(before, hostMounts(t)); diff != "" {
		t.Errorf("mounts (-before +after)\n%s", diff)
	}
	for _, tree := range r.cgroups.trees {
		if _, err := os.Stat(tree.parent); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left control group %s", tree.parent)
		}
	}
}

func hostMounts(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	c := r.Capabilities()

	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		spec := python("x = bytearray(600 << 20); print(len(x))")
		want(t, r, spec, 0, fmt.Sprint(600<<20))
		spec.Limits.Memory = 256 << 20
		out, res := output(t, r, spec)
		switch {
		case c.MemoryLimit && (!res.OOMKilled || res.Signal != syscall.SIGKILL || res.ExitCode != 137):
			t.Errorf("not killed for memory: %+v %s", res, out)
		case !c.MemoryLimit && (res.ExitCode == 0 || !strings.Contains(out, "MemoryError")):
			t.Errorf("not refused memory: %+v %s", res, out)
		}
	})
	t.Run("memory below what the sandbox itself needs is an end for lack of memory", func(t *testing.T) {
		t.Parallel()
		if !c.MemoryLimit {
			return // an rlimit would hold for each process separately
		}
		spec := python("x = bytearray(600 << 20)")
		spec.Limits.Memory = 1 << 20
		_, res := output(t, r, spec)
		if !res.OOMKilled || res.ExitCode != 137 {
			t.Errorf("got %+v", res)
		}
	})
	t.Run("a fork bomb stops at pids and its end is still reported", func(t *testing.T) {
		t.Parallel()
		spec := python(`
import time
n = 0
try:
    while n < 500:
        if os.fork() == 0: time.sleep(1000)
        n += 1
except OSError as e: print(errno.errorcode[e.errno], 20 < n <= 66)
sys.exit(9)`)
		spec.Limits.PIDs = 50
		want(t, r, spec, 9, "EAGAIN True")
	})
	t.Run("file size", func(t *testing.T) {
		t.Parallel()
		spec := hostSpec("/bin/sh", "-c", "exec head -c 3000000 /dev/zero > /tmp/x")
		spec.Limits.FileSize = 4 << 20
		want(t, r, spec, 0, "")
		spec.Limits.FileSize = 1 << 20
		_, res := output(t, r, spec)
		if res.Signal != syscall.SIGXFSZ {
			t.Errorf("got %+v", res)
		}
	})
	t.Run("size of tmp", func(t *testing.T) {
		t.Parallel()
		spec := shell("for d in /tmp /var/tmp /dev/shm; do head -c 9000000 /dev/zero 2>/dev/null > $d/x || wc -c < $d/x; rm $d/x; done 2>/dev/null")
		spec.TmpSize = 8 << 20
		want(t, r, spec, 0, "8388608\n8388608\n8388608")
	})
	t.Run("open files", func(t *testing.T) {
		t.Parallel()
		spec := shell("ulimit -n; ulimit -Hn; ulimit -c")
		spec.Limits.OpenFiles = 333
		want(t, r, spec, 0, "333\n333\n0")
	})
}

// TestRunPassesPrivateDirectories: t.TempDir is below directories of mode 0700
// that belong to the caller, whom the ids inside are not.
func TestRunPassesPrivateDirectories(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	top := t.TempDir()
	private := filepath.Join(top, "a", "b")
	if err := os.MkdirAll(private, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(top, 0o700); err != nil {
		t.Fatal(err)
	}
	build := mappedDirIn(t, r, private, "build", 1000)
	spec := shell("cd /builddir && echo hello > out && stat -c '%u %g %a' out .")
	spec.Mounts = append(spec.Mounts, Mount{Source: build, Target: "/builddir"})
	owner := "1000 1000"
	want(t, r, spec, 0, owner+" 644\n"+owner+" 755")

	uid, err := r.Mapping().HostUID(1000)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(build, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if got := int(fi.Sys().(*syscall.Stat_t).Uid); got != uid {
		t.Errorf("owner on the host is %d, want %d", got, uid)
	}
}
