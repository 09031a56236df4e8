package drivertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
)

// Eventually waits for a state, for as long as a slow machine may take.
func Eventually(t testing.TB, what string, state func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !state() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not reached in time: %s", what)
		}
	}
}

// Processes are those of this host with a marker in their command line.
func Processes(t testing.TB, marker string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, dir := range dirs {
		// Processes may end meanwhile.
		if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && strings.Contains(string(line), marker) {
			found = append(found, filepath.Base(dir))
		}
	}
	return found
}

// daemon is a script that starts a process with marker in its command line,
// which leaves its session and its parents, and goes on when it is there.
// Buildroots need not have setsid(1), but rpmbuild needs perl.
func daemon(marker string) string {
	return fmt.Sprintf(`perl -MPOSIX -e 'exit if fork; POSIX::setsid(); exit if fork; exec { "/bin/sleep" } "%[1]s", 1000' </dev/null >/dev/null 2>&1
until grep -qsa '[m]%[2]s' /proc/[0-9]*/cmdline; do sleep 0.1; done
echo the daemon runs
`, marker, marker[1:])
}

// endless is a spec whose build never ends, ignores signals, and has started a
// daemon.
func endless(t *testing.T, marker string) string {
	return spec(t, "endless", "%build\n"+daemon(marker)+"trap '' TERM INT HUP\necho really started\nwhile :; do sleep 100; done\n%files\n")
}

// hasLine says whether the log of an order has a line by now.
func hasLine(order builders.Order, line string) bool {
	text, err := os.ReadFile(filepath.Join(order.LogDir, "build.log"))
	return err == nil && strings.Contains("\n"+string(text), "\n"+line+"\n")
}

func (x *exercise) cancel(t *testing.T) {
	marker := "marker-" + rand.Text()
	srpm := x.srpm(t, endless(t, marker))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("stop")
	order := x.order(t)
	var after atomic.Bool
	order.Phase = func(phase builders.Phase) {
		if after.Load() {
			t.Errorf("phase %s is told after the answer", phase)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := x.driver.Build(ctx, builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"})
		after.Store(true)
		done <- err
	}()
	// The log is followed while it grows.
	Eventually(t, "the build runs", func() bool { return hasLine(order, "really started") && Processes(t, marker) != nil })
	before := time.Now()
	cancel(stop)
	err := <-done
	t.Logf("ended %s after it was canceled", time.Since(before))
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the context's cause", err)
	}
	if left := Processes(t, marker); left != nil {
		t.Errorf("processes %v are left", left)
	}
	if files := Names(t, order.ResultDir); files != nil {
		t.Errorf("results %q of a canceled build", files)
	}

	t.Run("One that was canceled before does not begin", func(t *testing.T) {
		order := x.order(t)
		if _, err := x.driver.Build(ctx, builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"}); !errors.Is(err, stop) {
			t.Errorf("got %v, want the context's cause", err)
		}
	})
}

func (x *exercise) timeLimit(t *testing.T) {
	marker := "marker-" + rand.Text()
	srpm := x.srpm(t, endless(t, marker))
	// A build that does nothing says what this machine needs.
	start := time.Now()
	if _, _, err := x.build(t, spec(t, "quick", "%files\n")); err != nil {
		t.Fatal(err)
	}
	wall := (5*time.Second + 2*time.Since(start)).Round(time.Second)
	_, err := x.Open(t, wall).Build(t.Context(), builders.BuildOrder{Order: x.order(t), SRPM: srpm, Arch: "noarch"})
	checkFailure(t, err, builders.PhaseBuild, "the build ran longer than "+wall.String()+" and was ended")
	if left := Processes(t, marker); left != nil {
		t.Errorf("processes %v are left", left)
	}
}

func (x *exercise) daemons(t *testing.T) {
	marker := "marker-" + rand.Text()
	order, _, err := x.build(t, spec(t, "daemon", "%install\n"+daemon(marker)+"%files\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !hasLine(order, "the daemon runs") {
		t.Error("there was no daemon")
	}
	if left := Processes(t, marker); left != nil {
		t.Errorf("processes %v are left", left)
	}
}

func (x *exercise) network(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var connections atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	script := fmt.Sprintf("%%build\n(exec 3<>/dev/tcp/127.0.0.1/%s) && echo reached the host || echo the host is out of reach\n"+
		"(exec 3<>/dev/tcp/192.0.2.1/80) && echo reached the world\n"+
		"echo interfaces: $(sed -n 's/:.*//p' /proc/net/dev)\n%%files\n", port)
	order, _, err := x.build(t, spec(t, "caller", script))
	if err != nil {
		t.Fatal(err)
	}
	if x.lacks(builders.LackIsolation) {
		if connections.Load() == 0 {
			t.Error("the host is out of reach of a driver that says it lacks isolation")
		}
		return
	}
	if !hasLine(order, "the host is out of reach") || hasLine(order, "reached the world") || !hasLine(order, "interfaces: lo") || connections.Load() != 0 {
		t.Errorf("%d connections to the host, or the world was reached", connections.Load())
	}
}

func (x *exercise) concurrency(t *testing.T) {
	var wait sync.WaitGroup
	for _, name := range []string{"left", "right"} {
		path := "/usr/share/" + name
		srpm := x.srpm(t, spec(t, name, "%install\nmkdir -p %{buildroot}/usr/share; echo "+name+" > %{buildroot}"+path+"\n%files\n"+path+"\n"))
		order := x.order(t)
		wait.Go(func() {
			if _, err := x.driver.Build(t.Context(), builders.BuildOrder{Order: order, SRPM: srpm, Arch: "noarch"}); err != nil {
				t.Error(err)
			}
		})
		defer func() {
			if files, want := Names(t, order.ResultDir), name+"-1-1.fc37.noarch.rpm"; len(files) != 1 || files[0] != want {
				t.Errorf("results %q, want %s", files, want)
			}
		}()
	}
	wait.Wait()
}
