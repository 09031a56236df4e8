package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/builders/buildlog"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// A build's files lie on the host's file system, where neither a process limit
// nor a control group bounds their sum, and quotas need a file system and
// rights this program may not have. So what a build keeps is measured while it
// runs. Counting files costs time, asking the file system how much is free
// does not: it is counted only when so much was taken from the disk, by
// whomever, that this build could be the one.

const (
	// diskTick is how often the file system is asked.
	diskTick = 250 * time.Millisecond
	// diskRecount is when files are counted although hardly anything was
	// taken: others may have freed what the build took.
	diskRecount = 2 * time.Minute
	// diskRest is how many times as long as a count no other one begins.
	diskRest = 5
	// reserveBytes and reserveFiles (one of so many) stay free on the disk:
	// the program, its database and its logs live there too. Below it, builds
	// end, as which of them took it is not always known: a file that is
	// deleted but open is in no directory.
	reserveBytes = 512 << 20
	reserveFiles = 50
)

// space is what is left of a file system.
type space struct {
	free             uint64 // bytes, for unprivileged users
	files, freeFiles uint64 // 0 files: unknown
}

func diskSpace(dir string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return space{}, fmt.Errorf("rootfs: ask for free space: %w", err)
	}
	return space{free: st.Bavail * uint64(st.Bsize), files: st.Files, freeFiles: st.Ffree}, nil
}

// disk watches what one piece of work keeps on the disk, through all its runs.
type disk struct {
	what    string
	limit   int64 // bytes
	space   func() (space, error)
	measure func(context.Context) (int64, error)

	counted int64     // bytes, when last counted
	free    uint64    // of the file system, then
	at      time.Time // when that was; zero before the first look
	rest    time.Time // no count before
}

// watch cancels with a *diagnosis.Limit when the work has taken too much. It
// returns when ctx is done. One watch of a disk may go on at a time.
func (u *disk) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(diskTick)
	defer tick.Stop()
	for {
		if err := u.check(ctx, time.Now()); err != nil {
			cancel(err) // without effect when the run ended during the count
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// check looks once.
func (u *disk) check(ctx context.Context, now time.Time) error {
	s, err := u.space()
	if err != nil {
		return err
	}
	if s.free < reserveBytes || s.freeFiles < s.files/reserveFiles {
		return &diagnosis.Limit{
			Kind: diagnosis.KindDiskFull, Infrastructure: true, Err: unix.ENOSPC,
			Reason: fmt.Sprintf("the builder's disk is nearly full: %d MiB and %d files are left", s.free>>20, s.freeFiles),
		}
	}
	if u.at.IsZero() {
		u.free, u.at = s.free, now
	}
	taken := int64(u.free) - int64(s.free)
	due := taken > max((u.limit-u.counted)/2, u.limit/64) || now.Sub(u.at) > diskRecount
	if !due || now.Before(u.rest) {
		return nil
	}
	start := time.Now()
	counted, err := u.measure(ctx)
	if err != nil {
		return err
	}
	u.counted, u.free, u.at = counted, s.free, now
	u.rest = now.Add((diskRest + 1) * time.Since(start))
	if u.counted > u.limit {
		return &diagnosis.Limit{Kind: diagnosis.KindDiskFull, Reason: fmt.Sprintf("%s wrote more than %s to the disk and was ended", u.what, buildlog.SizeText(u.limit))}
	}
	return nil
}

// countTime bounds one count.
const countTime = time.Minute

// diskUsage counts what the files below directories of mapped owners take, in
// bytes. It does so in a sandbox, as root of the mapped ids: a build can make
// directories that the caller may not read.
func (d *Driver) diskUsage(ctx context.Context, dirs []string) (int64, error) {
	root, mounts := sandbox.HostView()
	for i, dir := range dirs {
		mounts = append(mounts, sandbox.Mount{Source: dir, Target: "/counted/" + strconv.Itoa(i), ReadOnly: true})
	}
	var out, notes bytes.Buffer
	_, err := d.config.Runner.Run(ctx, sandbox.Spec{
		Root: root, Mounts: mounts, Env: []string{"PATH=/usr/bin", "LC_ALL=C"},
		Args:   []string{"/usr/bin/du", "-s", "--block-size=1", "/counted"},
		Limits: sandbox.Limits{Memory: 1 << 30, PIDs: 16, Wall: countTime},
		Stdout: &buildlog.Tail{Buffer: &out}, Stderr: &buildlog.Tail{Buffer: &notes},
	})
	if errors.Is(err, sandbox.ErrTimeout) {
		return 0, &diagnosis.Limit{Kind: diagnosis.KindDiskFull, Reason: fmt.Sprintf("more files were written than can be counted in %s", countTime)}
	}
	if err != nil {
		return 0, fmt.Errorf("rootfs: count files: %w", err)
	}
	// The exit code is 1 when something vanished meanwhile, too; the sum is
	// right then.
	number, _, _ := strings.Cut(out.String(), "\t")
	size, err := strconv.ParseInt(number, 10, 64)
	if err != nil || strings.Contains(notes.String(), "Permission denied") {
		return 0, fmt.Errorf("rootfs: count files: du printed %.100q and %.200q", out.String(), notes.String())
	}
	return size, nil
}
