package sandbox

import (
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"
)

// Confinement is a control group for a process that the caller started itself,
// and for all that it starts. It bounds what they use and nothing else: it is no
// sandbox. Not safe for concurrent use, except Kill.
type Confinement struct {
	group   *cgroup
	rlimits []rlimit
	log     *slog.Logger
}

// Confine makes a confinement. Of limits, Wall is the caller's business. What
// can be enforced depends on the host: see [Capabilities].
func (r *Runner) Confine(limits Limits) (*Confinement, error) {
	group, err := r.cgroups.newGroup(limits)
	if err != nil {
		return nil, err
	}
	c := &Confinement{group: group, log: r.log}
	for _, limit := range r.rlimits(limits) {
		// RLIMIT_NPROC counts all processes of a user, whoever started them.
		if limit.Resource != rlimitNPROC {
			c.rlimits = append(c.rlimits, limit)
		}
	}
	return c, nil
}

// Add confines a process. What it started before stays outside.
func (c *Confinement) Add(pid int) error {
	if err := c.group.add(pid); err != nil {
		return err
	}
	for _, limit := range c.rlimits {
		var old unix.Rlimit
		if err := unix.Prlimit(pid, limit.Resource, nil, &old); err != nil {
			return fmt.Errorf("sandbox: read limit %d of process %d: %w", limit.Resource, pid, err)
		}
		value := min(limit.Value, old.Max)
		if err := unix.Prlimit(pid, limit.Resource, &unix.Rlimit{Cur: value, Max: value}, nil); err != nil {
			return fmt.Errorf("sandbox: set limit %d of process %d: %w", limit.Resource, pid, err)
		}
	}
	return nil
}

// Kill kills everything in the group where the kernel can do that (Linux 5.14,
// control groups version 2).
func (c *Confinement) Kill() { c.group.kill() }

// OOMKilled says that the kernel killed some process for reaching
// Limits.Memory. Known only with a memory cgroup.
func (c *Confinement) OOMKilled() bool { return c.group.oomKilled() }

// Remove removes the group; its processes must be gone.
func (c *Confinement) Remove() {
	if err := c.group.remove(); err != nil {
		c.log.Warn("sandbox: control group left behind", "error", err)
	}
}
