package sandbox

import (
	"os"
	"path/filepath"
)

// hostRootSize bounds what a payload can write into the root made by HostView,
// outside of /tmp and of what is mounted: it is the memory of the host.
const hostRootSize = 64 << 20

// HostView is a root in which programs of the host run without seeing anything
// else of it: an empty file system with the host's /usr read-only (and /bin,
// /sbin and the library directories, as links into it or likewise), what the
// dynamic linker, Debian's alternatives and TLS libraries need of /etc, and
// synthetic passwd, group, hosts and nsswitch.conf with the users root and
// builder (1000).
//
// A buildroot is installed with it: append a mount of the directory that
// becomes the buildroot, and run the host's dnf or rpm with --installroot or
// --root as UID 0. Configuration of the host's package manager is not visible;
// pass it in a mounted directory. Python is /usr/bin/python3.
func HostView() (Root, []Mount) {
	mounts := []Mount{{Source: "/usr", Target: "/usr", ReadOnly: true}}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		mounts = append(mounts, linkOrBind(dir)...)
	}
	for _, path := range []string{
		"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
		"/etc/ssl", "/etc/pki", "/etc/crypto-policies", "/etc/localtime",
	} {
		mounts = append(mounts, Mount{Source: path, Target: path, ReadOnly: true, Optional: true})
	}
	for path, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" +
			"builder:x:1000:1000:builder:/builddir:/bin/sh\n" +
			"nobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":         "root:x:0:\nmail:x:12:\nbuilder:x:1000:\nnobody:x:65534:\n",
		"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
	} {
		mounts = append(mounts, Mount{Type: TypeFile, Target: path, Data: []byte(text)})
	}
	mounts = append(mounts,
		Mount{Type: TypeDir, Target: "/root", Mode: 0o700},
		Mount{Type: TypeDir, Target: "/run"},
		Mount{Type: TypeSymlink, Source: "../run", Target: "/var/run"},
	)
	return Root{Tmpfs: hostRootSize}, mounts
}

// linkOrBind shows a directory of the host's root the way it is there: hosts
// with a merged /usr have links into it.
func linkOrBind(dir string) []Mount {
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil
	}
	if fi.Mode()&os.ModeSymlink == 0 {
		return []Mount{{Source: dir, Target: dir, ReadOnly: true}}
	}
	to, err := os.Readlink(dir)
	if err != nil {
		return nil
	}
	return []Mount{{Type: TypeSymlink, Source: filepath.Clean(to), Target: dir}}
}
