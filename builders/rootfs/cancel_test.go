package rootfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/sandbox"
)

func TestACanceledBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	marker := "marker-" + rand.Text()
	group := "distbot-test-" + rand.Text()[:8]
	b := setup(t, func(config *Config) {
		config.Runner = must(sandbox.New(t.Context(), sandbox.Config{CgroupParent: group}))(t)
	})
	text := drivertest.SpecText("endless", "%build\n(exec -a "+marker+" sleep 1000) &\ntrap '' TERM\ntouch started\nwait\n%files\n")
	srpm := must(setup(t, nil).srpm(t, drivertest.Checkout(t, map[string]string{"package.spec": text})))(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	order := b.order(t, buildGroup)
	done := make(chan error, 1)
	go func() {
		_, err := b.driver.Build(ctx, builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"})
		done <- err
	}()
	drivertest.Eventually(t, "the build runs", func() bool {
		text, err := os.ReadFile(filepath.Join(order.LogDir, "build.log"))
		return err == nil && strings.Contains(string(text), "+ wait")
	})
	before := time.Now()
	cancel(stop)
	err := <-done
	t.Logf("ended %s after it was canceled", time.Since(before))
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
	if left := drivertest.Processes(t, marker); left != nil {
		t.Errorf("processes %v are left", left)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/" + group, "/sys/fs/cgroup/*/" + group, "/sys/fs/cgroup/*/*/" + group} {
		if found := must(filepath.Glob(pattern))(t); found != nil {
			t.Errorf("control groups %q are left", found)
		}
	}
	if mounts := string(must(os.ReadFile("/proc/self/mountinfo"))(t)); strings.Contains(mounts, b.driver.config.Dir) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	if found := must(filepath.Glob(fmt.Sprintf("%s/%d-*", b.driver.buildsDir(), order.TaskID)))(t); found != nil {
		t.Errorf("directories %q are left", found)
	}
}
