package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// layered returns an overlay of the test's own whose lower layer belongs to
// the sandbox, and the mounts that give it programs.
func layered(t *testing.T, r *Runner) (Root, []Mount) {
	t.Helper()
	dir := mappedDir(t, r, "job", 0)
	var root Root
	for name, path := range map[string]*string{"upper": &root.Upper, "work": &root.Work} {
		*path = filepath.Join(dir, name)
		if err := r.MkdirMapped(testContext(t), *path, 0, 0, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root.Lower = []string{mappedDir(t, r, "lower", 0)}
	return root, programs()
}

// programs are the mounts that make a shell run in any root.
func programs() []Mount {
	mounts := []Mount{{Source: "/usr", Target: "/usr", ReadOnly: true}}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		mounts = append(mounts, linkOrBind(dir)...)
	}
	return mounts
}

// fill runs a script as root of the sandbox with dir at /mnt.
func fill(t *testing.T, r *Runner, dir, script string) {
	t.Helper()
	spec := shell("umask 022; cd /mnt && " + script)
	spec.UID, spec.GID = 0, 0
	spec.Mounts = append(spec.Mounts, Mount{Source: dir, Target: "/mnt"})
	want(t, r, spec, 0, "")
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	root, mounts := layered(t, r)
	fill(t, r, root.Lower[0], "mkdir etc full && echo lower > full/x && echo lower > etc/keep && echo lower > etc/change && echo lower > etc/remove")

	run := func(t *testing.T, root Root, mounts []Mount, script, text string) {
		t.Helper()
		spec := shell(script)
		spec.Root, spec.Mounts, spec.UID, spec.GID = root, mounts, 0, 0
		want(t, r, spec, 0, text)
	}
	const edit = "rm /etc/remove; echo upper > /etc/change; mv /etc/keep /etc/kept; cat /etc/change; ls /etc"
	const replace = "rm -r /full && mkdir /full && ls -A /full; "
	const edited = "upper\nchange\nkept"

	t.Run("changes over a tmpfs are thrown away", func(t *testing.T) {
		scratch := Root{Lower: root.Lower, Tmpfs: 8 << 20}
		for range 2 {
			run(t, scratch, mounts, edit, edited)
		}
	})
	t.Run("changes stay in upper and the lower layer is as before", func(t *testing.T) {
		run(t, root, mounts, replace+edit, edited)
		// The links of the first run are in upper now.
		run(t, root, mounts[:1], "ls /etc", "change\nkept")
		run(t, Root{Lower: root.Lower, Tmpfs: 8 << 20}, mounts, "cat /etc/*", "lower\nlower\nlower")
	})
	t.Run("layers stack in the order of lowerdir", func(t *testing.T) {
		run(t, Root{Lower: []string{root.Upper, root.Lower[0]}, Tmpfs: 8 << 20}, mounts[:1], "cat /etc/change; ls /etc", edited)
	})
	t.Run("the sandbox can set owners in it", func(t *testing.T) {
		uid := "12 12"
		if r.Mapping().Kind == MapSingle {
			return // the documented limit of a single id
		}
		run(t, root, mounts[:1], "chown 12:12 /etc/kept && chmod 2755 /etc/kept && stat -c '%u %g %a' /etc/kept", uid+" 2755")
	})
	t.Run("an unprivileged payload cannot change it", func(t *testing.T) {
		spec := shell("touch /etc/x 2>/dev/null || echo no")
		spec.Root, spec.Mounts = root, mounts[:1]
		if r.Mapping().Kind == MapSingle {
			return // there the builder and root are one user
		}
		want(t, r, spec, 0, "no")
	})
	t.Run("one layer alone is read-only", func(t *testing.T) {
		lower := mappedDir(t, r, "ro", 0)
		fill(t, r, lower, "mkdir -p usr proc dev tmp var/tmp && ln -s usr/bin bin && ln -s usr/lib lib && ln -s usr/lib64 lib64")
		run(t, Root{Lower: []string{lower}}, programs()[:1], "touch /x 2>/dev/null || echo no; touch /tmp/x && echo tmp", "no\ntmp")
	})
	t.Run("a directory as root is written directly", func(t *testing.T) {
		dir := mappedDir(t, r, "dir", 0)
		run(t, Root{Dir: dir}, programs(), "echo x > /made; echo ok", "ok")
		if _, err := os.Lstat(filepath.Join(dir, "made")); err != nil {
			t.Error(err)
		}
	})
}

// TestMountsOfOverlays works on a directory as an installer does, which is the
// root of the next run.
func TestMountsOfOverlays(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	root, mounts := layered(t, r)
	fill(t, r, root.Lower[0], "mkdir etc && echo lower > etc/change && echo lower > etc/remove && ln -s /etc target")

	install := shell("umask 022; cd /inst && echo upper > etc/change && rm etc/remove && mkdir made && cat etc/change && ls /inst/proc/self/exe")
	install.UID, install.GID = 0, 0
	install.Mounts = append(install.Mounts,
		Mount{Type: TypeOverlay, Target: "/inst", Layers: root},
		Mount{Type: TypeProc, Target: "/inst/proc"},
		Mount{Type: TypeFile, Target: "/inst/target/file", Data: []byte("outside\n")})
	want(t, r, install, 0, "upper\n/inst/proc/self/exe")

	next := shell("cat /etc/change; ls /etc /made; touch /etc/x 2>/dev/null || echo no")
	next.Root, next.Mounts, next.UID, next.GID = root, mounts, 0, 0
	want(t, r, next, 0, "upper\n/etc:\nchange\n\n/made:")

	below := shell("cat /etc/*")
	below.Root, below.Mounts, below.UID, below.GID = Root{Lower: root.Lower, Tmpfs: 8 << 20}, mounts, 0, 0
	want(t, r, below, 0, "lower\nlower")

	// As with every mount, a link on the way to a target leads into the root
	// of the sandbox, not of the overlay.
	install.Args = []string{"/bin/cat", "/etc/file"}
	want(t, r, install, 0, "outside")
}

// TestMountsStayInside gives the sandbox a root in which everything that is
// mounted upon is a symbolic link to a place of the host.
func TestMountsStayInside(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	hostile := func(t *testing.T, script string) string {
		dir := mappedDir(t, r, "hostile", 0)
		fill(t, r, dir, script)
		return dir
	}
	build := mappedDir(t, r, "build", 1000)

	t.Run("absolute links and dots end in the root of the sandbox", func(t *testing.T) {
		t.Parallel()
		dir := hostile(t, "mkdir -p etc p d t v srv && ln -s ../../../../../../p proc && ln -s /d dev && ln -s /t tmp && ln -s /v var"+
			" && ln -s /etc builddir && ln -s ../../../../srv up")
		spec := shell("echo inside > /builddir/made && echo inside > /up/made && cat /etc/made /srv/made && echo $(ls -d /proc/self/exe /dev/null /p/self/exe)")
		spec.Root = Root{Dir: dir}
		spec.Mounts = append(programs(), Mount{Source: build, Target: "/builddir"}, Mount{Target: "/up", Tmpfs: 1 << 20, UID: 1000, GID: 1000})
		want(t, r, spec, 0, "inside\ninside\n/dev/null /p/self/exe /proc/self/exe")
		for _, path := range []string{"/etc/made", "/srv/made"} {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("written to the host's %s", path)
			}
		}
	})
	for name, script := range map[string]string{
		"a dangling link":          "ln -s /nowhere/at/all builddir",
		"a link to itself":         "ln -s builddir builddir",
		"a magic link of /proc":    "ln -s /proc/1/root/etc builddir",
		"a file where a directory": "echo x > builddir",
		"a dangling link as /proc": "ln -s /nowhere proc",
		"a file as /dev":           "echo x > dev",
		"a looping parent":         "ln -s tmp tmp",
	} {
		t.Run(name+" is an error", func(t *testing.T) {
			t.Parallel()
			spec := shell("echo ran")
			spec.Root = Root{Dir: hostile(t, script)}
			spec.Mounts = append(programs(), Mount{Source: build, Target: "/builddir"})
			res, err := r.Run(testContext(t), spec)
			if err == nil {
				t.Errorf("got %+v without error", res)
			}
		})
	}
	t.Run("files and links are never written through links", func(t *testing.T) {
		t.Parallel()
		for _, m := range []Mount{
			{Type: TypeFile, Target: "/link", Data: []byte("x")},
			{Type: TypeSymlink, Target: "/link", Source: "x"},
		} {
			spec := shell("echo ran")
			spec.Root = Root{Dir: hostile(t, "echo old > target && ln -s target link")}
			spec.Mounts = append(programs(), m)
			if _, err := r.Run(testContext(t), spec); err == nil {
				t.Errorf("%s: no error", m.Type)
			}
			if data, err := os.ReadFile(filepath.Join(spec.Root.Dir, "target")); err != nil || string(data) != "old\n" {
				t.Errorf("%s: target is now %q, %v", m.Type, data, err)
			}
		}
	})
}

func TestMountsOfEachType(t *testing.T) {
	t.Parallel()
	r := newRunner(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := shell(`cat /a/b/file; (echo x > /a/b/file) 2>/dev/null || echo read-only
(touch /ro/x) 2>/dev/null || echo read-only; touch /mine/x && stat -c %a /mine /made /dir; cat /made; readlink /link
test -e /chroot/proc/self/exe && echo x > /chroot/dev/null && echo nested; (echo 1 > /chroot/proc/sys/kernel/panic) 2>/dev/null || echo masked; ls -d /absent 2>&1 | wc -w`)
	spec.UID, spec.GID = 0, 0
	spec.Mounts = append(spec.Mounts,
		Mount{Source: file, Target: "/a/b/file", ReadOnly: true},
		Mount{Source: "/nonexistent", Target: "/absent", Optional: true},
		Mount{Target: "/ro", Tmpfs: 1 << 20, ReadOnly: true},
		Mount{Target: "/mine", Tmpfs: 1 << 20, Mode: 0o700},
		Mount{Type: TypeFile, Target: "/made", Data: []byte("made\n"), Mode: 0o640},
		Mount{Type: TypeDir, Target: "/dir", Mode: 0o777 | os.ModeSticky},
		Mount{Type: TypeSymlink, Target: "/link", Source: "/anywhere"},
		Mount{Type: TypeProc, Target: "/chroot/proc"},
		Mount{Type: TypeDev, Target: "/chroot/dev"},
	)
	want(t, r, spec, 0, "content\nread-only\nread-only\n700\n640\n1777\nmade\n/anywhere\nnested\nmasked\n9")
}
