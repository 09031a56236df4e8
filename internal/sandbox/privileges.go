package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// rootCaps are what rpm needs to install packages as uid 0 inside: unpack files
// of all owners, modes and file capabilities, chroot into the installation
// root, and run scriptlets that change users. They hold over mapped ids only.
var rootCaps = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL,
	unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT, unix.CAP_SETFCAP,
}

// giveUpPrivileges restricts this thread and so all it forks. The thread keeps
// its own capabilities, to change the ids of its child; the bounding set and
// the empty inheritable set keep them from the program that is executed
// (capabilities(7), "Transformation of capabilities during execve"). root keeps
// rootCaps; noSync is that of the Spec.
func giveUpPrivileges(root, noSync bool) error {
	keep := make(map[uintptr]bool)
	if root {
		for _, c := range rootCaps {
			keep[c] = true
		}
	}
	last, err := lastCapability()
	if err != nil {
		return err
	}
	for c := uintptr(0); c <= uintptr(last); c++ {
		if keep[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("get capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0 // the ambient set goes with it
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return installFilter(noSync)
}

// lastCapability is the highest capability the kernel knows.
func lastCapability() (int, error) {
	for c := 0; c < 64; c++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err != nil {
			if err == unix.EINVAL && c > 0 {
				return c - 1, nil
			}
			return 0, fmt.Errorf("read capability %d: %w", c, err)
		}
	}
	return 63, nil
}
