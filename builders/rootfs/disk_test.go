package rootfs

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/sandbox"

	"github.com/distbot/distbot/builders/diagnosis"
)

func TestDiskIsCountedWhenItMatters(t *testing.T) {
	t.Parallel()
	const free = 100 << 30
	now := space{free: free, files: 1000, freeFiles: 1000}
	used, counts := int64(0), 0
	u := &disk{
		what: "the build", limit: 1 << 30,
		space:   func() (space, error) { return now, nil },
		measure: func(context.Context) (int64, error) { counts++; return used, nil },
	}
	clock := time.Unix(1_790_000_000, 0)
	check := func(after time.Duration, taken, use int64, wantCounts int, want string) {
		t.Helper()
		clock, used = clock.Add(after), use
		now.free = uint64(free - taken)
		err := u.check(t.Context(), clock)
		if counts != wantCounts || (err == nil) != (want == "") || err != nil && limitOf(t, err).Reason != want {
			t.Errorf("%d counts, %v; want %d, %q", counts, err, wantCounts, want)
		}
	}
	check(0, 0, 0, 0, "")
	check(time.Second, 400<<20, 0, 0, "")              // less than half of the limit
	check(time.Second, 600<<20, 500<<20, 1, "")        // could have been the build
	check(time.Second, 800<<20, 0, 1, "")              // less than half of what is left
	check(time.Second, 900<<20, 800<<20, 2, "")        //
	check(time.Second, 910<<20, 0, 2, "")              // not worth it
	check(diskRecount+time.Second, 0, 1000<<20, 3, "") // others freed more
	check(time.Second, 100<<20, 1<<30+1, 4, "the build wrote more than 1 GiB to the disk and was ended")

	now.freeFiles = 19
	check(time.Second, 0, 0, 4, "the builder's disk is nearly full: 102400 MiB and 19 files are left")
	now.files, now.freeFiles = 0, 0 // btrfs does not count them
	check(time.Second, 0, 0, 4, "")
	err := func() error { now.free = 500 << 20; return u.check(t.Context(), clock) }()
	if limit := limitOf(t, err); !limit.Infrastructure || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("limit %+v, want infrastructure's", limit)
	}
}

func limitOf(t *testing.T, err error) *diagnosis.Limit {
	t.Helper()
	var limit *diagnosis.Limit
	if !errors.As(err, &limit) {
		t.Fatalf("got error %v, want a *diagnosis.Limit", err)
	}
	return limit
}

func TestAFullDiskEndsBuildsBeforeOthersSuffer(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	must(b.srpm(t, demo(t, "greet-motd")))(t) // the base root is there
	b.driver.space = func(string) (space, error) { return space{free: 400 << 20, files: 100, freeFiles: 100}, nil }
	_, err := b.driver.SRPM(t.Context(), srpmOrder(b.order(t, buildGroup), demo(t, "greet-motd"), "greet-motd.spec"))
	if failure := drivertest.FailureOf(t, err); !failure.Infrastructure || failure.Reason != "the builder's disk is nearly full: 400 MiB and 100 files are left" {
		t.Errorf("failure %+v, want that the disk is nearly full", failure)
	}
}

func TestCountingFilesThatHide(t *testing.T) {
	t.Parallel()
	d := setup(t, nil).driver
	dir := filepath.Join(t.TempDir(), "dir")
	if err := d.config.Runner.MkdirMapped(t.Context(), dir, builder, builder, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.config.Runner.RemoveAll(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	root, mounts := sandbox.HostView()
	_, err := d.config.Runner.Run(t.Context(), sandbox.Spec{
		Root: root, Mounts: append(mounts, sandbox.Mount{Source: dir, Target: "/mnt"}), UID: builder, GID: builder,
		Args: []string{"/bin/sh", "-c", "cd /mnt && mkdir -p a/b && head -c 3145728 /dev/zero > a/b/file && ln a/b/file a/link && chmod 0 a/b a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	size, err := d.diskUsage(t.Context(), []string{dir})
	if err != nil || size < 3<<20 || size > 4<<20 {
		t.Errorf("%d bytes, %v; want a little more than 3 MiB", size, err)
	}
	if _, err := d.diskUsage(t.Context(), []string{filepath.Join(dir, "absent")}); err == nil || !strings.HasPrefix(err.Error(), "rootfs: count files: ") {
		t.Errorf("got %v, want an error", err)
	}
}
