package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPayloadSeesNothingOfTheHost(t *testing.T) {
	t.Parallel()
	r := newRunner(t)

	t.Run("files that are not mounted do not exist", func(t *testing.T) {
		t.Parallel()
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		want(t, r, shell("for f in "+secret+" /etc/shadow /home /sys/kernel /proc/1/root/etc; do test -e $f && echo $f; done; echo end"), 0, "end")
	})
	t.Run("processes of the host do not exist", func(t *testing.T) {
		t.Parallel()
		pid := strconv.Itoa(os.Getpid())
		want(t, r, python(`print(sorted(int(p) for p in os.listdir("/proc") if p.isdigit()) == [1, os.getpid()], call("kill", `+pid+`, 0))`), 0, "True ESRCH")
	})
	t.Run("the host's loopback is another one", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		spec := python(fmt.Sprintf(`
for addr in ("127.0.0.1", "198.51.100.1"):
    s = socket.socket(); s.settimeout(20)
    print(errno.errorcode.get(s.connect_ex((addr, %d)), "connected"))
    if sys.argv[1:]: break
`, port))
		want(t, r, spec, 0, "ECONNREFUSED\nENETUNREACH")
		spec.Network, spec.Args = true, append(spec.Args, "first")
		want(t, r, spec, 0, "connected")
	})
	t.Run("abstract unix sockets of the host do not exist", func(t *testing.T) {
		t.Parallel()
		name := fmt.Sprintf("distbot-sandbox-test-%d", os.Getpid())
		l, err := net.Listen("unix", "@"+name)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		spec := python(`print(errno.errorcode.get(socket.socket(socket.AF_UNIX).connect_ex("\0` + name + `"), "connected"))`)
		want(t, r, spec, 0, "ECONNREFUSED")
		spec.Network = true
		want(t, r, spec, 0, "connected")
	})
	t.Run("no descriptor is inherited", func(t *testing.T) {
		t.Parallel()
		fd, err := unix.Open("/etc/hostname", unix.O_RDONLY, 0) // not closed on exec, as a shell leaves them
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		// The highest is the listing's own.
		want(t, r, python(`print(sorted(map(int, os.listdir("/proc/self/fd"))))`), 0, "[0, 1, 2, 3]")
	})
	t.Run("the environment is exactly the given one", func(t *testing.T) {
		t.Parallel()
		spec := hostSpec("/usr/bin/env")
		spec.Env = []string{"A=1", "B=two words"}
		want(t, r, spec, 0, "A=1\nB=two words")
	})
	t.Run("host name, directory, umask, session and limits are set", func(t *testing.T) {
		t.Parallel()
		spec := python(`
import resource, signal
print(os.uname().nodename, os.getcwd(), oct(os.umask(0)), os.getsid(0) == os.getpid(),
      resource.getrlimit(resource.RLIMIT_CORE), signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)`)
		spec.Dir = "/usr/bin"
		want(t, r, spec, 0, "distbot.invalid /usr/bin 0o22 True (0, 0) True")
	})
}

func TestPayloadGainsNoPrivileges(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	var rootMask uint64
	for _, c := range rootCaps {
		rootMask |= 1 << c
	}
	for _, uid := range []int{0, 1000} {
		run := func(name string, spec Spec, text string) {
			t.Run(fmt.Sprintf("uid %d %s", uid, name), func(t *testing.T) {
				t.Parallel()
				spec.UID, spec.GID = uid, uid
				want(t, r, spec, 0, text)
			})
		}
		mask := uint64(0)
		if uid == 0 {
			mask = rootMask
		}
		run("has only the documented capabilities and no_new_privs",
			shell("grep -E 'CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\n\\t '"),
			fmt.Sprintf("CapInh:%016xCapPrm:%016xCapEff:%016xCapAmb:%016xNoNewPrivs:1Seccomp:2", 0, mask, mask, 0))
		if r.Mapping().Kind != MapSingle { // see startPayload
			run("has an empty or the documented bounding set", shell("sed -n 's/CapBnd:.//p' /proc/self/status"), fmt.Sprintf("%016x", mask))
		}
		run("is itself", shell("id -u; id -ru; id -g"), fmt.Sprintf("%d\n%d\n%d", uid, uid, uid))
		run("cannot mount", python(`print(call("mount", b"x", b"/tmp", b"tmpfs", 0, None), call("umount2", b"/tmp", 2),
      call("mount", b"", b"/usr", b"", 32|4096, None))`), "EPERM EPERM EPERM")
		run("cannot create namespaces", python(`print(call("unshare", 0x10000000), call("unshare", 0x00020000), call("unshare", 0x40000000))`),
			"ENOSPC EPERM EPERM")
		run("cannot write to the host's read-only directories", shell("touch /usr/x 2>/dev/null; test -e /usr/x || echo no"), "no")
		run("cannot change the kernel's settings", shell(
			"for f in kernel/core_pattern kernel/hostname user/max_user_namespaces vm/drop_caches; do (echo 1 > /proc/sys/$f) 2>/dev/null && echo $f; done; (echo b > /proc/sysrq-trigger) 2>/dev/null && echo sysrq; echo end"),
			"end")
		run("cannot look into pid 1", shell(
			"for f in exe environ mem fd/3 root; do head -c1 /proc/1/$f >/dev/null 2>&1 && echo $f; done; ls /proc/1/fd /proc/1/root/ >/dev/null 2>&1 && echo list; echo end"), "end")
		run("cannot use refused system calls", python(`
print(call("syscall", 250, 0, 0, 0), call("syscall", 321, 0, 0, 0), call("syscall", 425, 1, 0))
for family in (40, 38, 31, 17):
    try: socket.socket(family, socket.SOCK_STREAM); print("got", family)
    except OSError as e: print(errno.errorcode[e.errno])
socket.socketpair(); socket.socket(socket.AF_INET6); socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)`),
			"EPERM EPERM ENOSYS\n"+strings.TrimSpace(strings.Repeat("EAFNOSUPPORT\n", 4)))
		run("cannot see what is masked", shell("cat /proc/kcore /proc/keys /proc/kallsyms /proc/timer_list 2>/dev/null | wc -c; ls /sys 2>/dev/null | wc -l"), "0\n0")
	}
	t.Run("a setuid program made by root inside gives nothing", func(t *testing.T) {
		t.Parallel()
		dir := mappedDir(t, r, "b", 0)
		mk := shell("cp /usr/bin/id /b/id && chmod 6755 /b/id && stat -c %a /b/id")
		mk.UID, mk.GID = 0, 0
		mk.Mounts = append(mk.Mounts, Mount{Source: dir, Target: "/b"})
		want(t, r, mk, 0, "6755")
		use := shell("/b/id -u")
		use.Mounts = append(use.Mounts, Mount{Source: dir, Target: "/b"})
		want(t, r, use, 0, "1000")
	})
}

// TestPayloadAsRootCanInstallPackages tries each right that rpm uses.
func TestPayloadAsRootCanInstallPackages(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	if r.Mapping().Kind == MapSingle {
		t.Log("a single id has no other owners: the documented limit")
		return
	}
	spec := python(`
import shutil
os.chdir("/root")
shutil.copy("/usr/bin/id", "f")
os.chown("f", 8, 12); os.chmod("f", 0o2751)
os.setxattr("f", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000")) # cap_net_raw=ep
os.makedirs("private"); os.chown("private", 8, 12); os.chmod("private", 0); open("private/in", "w").close()
st = os.stat("f"); print(st.st_uid, st.st_gid, oct(st.st_mode & 0o7777), len(os.getxattr("f", "security.capability")) > 0, flush=True)
if os.fork() == 0:
    os.chroot("/usr"); os.setgroups([12]); os.setgid(12); os.setuid(8); print(os.getuid(), os.getgid(), os.getgroups(), flush=True); os._exit(0)
os.wait()
if (pid := os.fork()) == 0:
    os.setuid(8); os.kill(os.getpid(), 19); os._exit(0)
os.waitpid(pid, os.WUNTRACED); os.kill(pid, 9); print(os.wait()[1])`)
	spec.UID, spec.GID = 0, 0
	want(t, r, spec, 0, "8 12 0o2751 True\n8 12 [12]\n9")
}

func TestDevices(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	want(t, r, shell(`head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 4 /dev/urandom | wc -c; (echo x > /dev/full) 2>/dev/null || echo full
echo out > /dev/stdout; echo err > /dev/stderr; echo x > /dev/shm/x && cat /dev/fd/0 < /dev/shm/x; ls -A /dev | tr '\n' ' '`),
		0, "4\n4\nfull\nout\nerr\nx\nfd full null ptmx pts random shm stderr stdin stdout tty urandom zero")
	node := python(`
for kind in (0o20000, 0o60000):
    try: os.mknod("/tmp/node", kind | 0o666, os.makedev(1, 3)); print("made")
    except OSError as e: print(errno.errorcode[e.errno])`)
	node.UID, node.GID = 0, 0
	want(t, r, node, 0, "EPERM\nEPERM")
	want(t, r, python(`import pty; m, s = pty.openpty(); os.write(s, b"hi"); print(os.read(m, 2).decode(), os.ttyname(s))`), 0, "hi /dev/pts/0")
}
