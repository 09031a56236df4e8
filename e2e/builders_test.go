//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// farm is a hub that does not build, and hosts that do.
type farm struct {
	*plain
	listen string
}

// farPackage names the packages that the tests of build hosts push.
func farPackage(i int) string { return fmt.Sprintf("far%d", i) }

func farPackages() (names []string) {
	for i := range 40 {
		names = append(names, farPackage(i))
	}
	return names
}

// newFarm starts a hub that hosts reach at an address of ip.
func newFarm(t testing.TB, name, ip string) *farm {
	t.Helper()
	f := &farm{}
	f.plain, f.listen = installFarm(t, name, ip, "")
	f.start(t)
	return f
}

// installFarm writes the configuration of a hub that only hosts build for.
func installFarm(t testing.TB, name, ip, database string) (*plain, string) {
	t.Helper()
	listen := freePort(t, ip)
	return installPlain(t, setup{
		name: name, database: database,
		more: fmt.Sprintf("builder: {driver: none}\nbuilders: {listen: %q, url: \"https://%s\"}\n", listen, listen),
	}), listen
}

// freePort returns an address of ip that nobody listens on.
func freePort(t testing.TB, ip string) string {
	t.Helper()
	if ip == "" {
		return loopback(t)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// host is a build host: its files, and the process.
type host struct {
	farm *farm
	name string
	dir  string
	// before is a command that runs the program as the last of its arguments.
	before []string
	cmd    *exec.Cmd
	exited chan struct{}
}

// host enrolls a host; settings are further lines of its builder.yaml.
func (f *farm) host(t testing.TB, name, settings string) *host {
	t.Helper()
	h := &host{farm: f, name: name, dir: f.path("hosts/" + name)}
	f.run(t, "builder", "enroll", name, "--out", h.dir)
	config := filepath.Join(h.dir, "builder.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	// Whatever the disk of the machine is like.
	writeFile(t, config, string(text)+"work_dir: work\nmin_disk: 0\nmin_memory: 0\nmax_load: 0\n"+settings, 0o600)
	// Builds must be able to pass.
	for dir := h.dir; dir != f.dir; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if h.cmd != nil {
			h.kill(t)
		}
		if strings.Contains(h.log(t), "DATA RACE") {
			t.Errorf("%s has a data race:\n%s", name, h.log(t))
		}
		if t.Failed() {
			text := h.log(t)
			t.Logf("the end of %s's log:\n%s", name, text[max(0, len(text)-8<<10):])
		}
	})
	return h
}

// set changes a line of the host's builder.yaml.
func (h *host) set(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(h.path("builder.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, h.path("builder.yaml"), files{"": string(text)}.replaced(t, "", from, to)[""], 0o600)
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// start starts the process and waits until it is connected.
func (h *host) start(t testing.TB) *host {
	t.Helper()
	h.launch(t)
	eventually(t, "connection of "+h.name, func() (string, bool) {
		select {
		case <-h.exited:
			t.Fatalf("%s ended: %v\n%s", h.name, h.cmd.ProcessState, h.log(t))
		default:
		}
		return "", h.farm.count(t, "hosts where name = $1 and client_id is not null", h.name) == 1
	})
	return h
}

// launch starts the process.
func (h *host) launch(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(h.path("builder.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := append(h.before, binary, "builder", "--debug", "--config", h.path("builder.yaml"))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.cmd, h.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // stop looks at the state.
	}(h.exited)
}

// kill ends the process as a power cut would.
func (h *host) kill(t testing.TB) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Errorf("kill %s: %v", h.name, err)
	}
	<-h.exited
	h.cmd = nil
}

// stop asks the process to end and expects it to do so without an error.
func (h *host) stop(t testing.TB) {
	t.Helper()
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stop %s: %v", h.name, err)
	}
	select {
	case <-h.exited:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not end within a minute of SIGTERM", h.name)
	}
	if state := h.cmd.ProcessState; !state.Success() {
		t.Errorf("%s ended with %v, want exit status 0\n%s", h.name, state, h.log(t))
	}
	h.cmd = nil
}

func (h *host) log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(h.path("builder.log"))
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	return string(text)
}

// leftovers are the files and directories that tasks left at the host.
func (h *host) leftovers(t testing.TB) (left []string) {
	t.Helper()
	for _, dir := range []string{"work/tasks", "work/logs", "work/buildroots/builds"} {
		entries, err := os.ReadDir(h.path(dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			left = append(left, dir+"/"+entry.Name())
		}
	}
	return left
}

// running counts the processes of this machine whose command line has an
// argument.
func running(t testing.TB, argument string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for arg := range strings.SplitSeq(string(text), "\x00") {
			if arg == argument {
				n++
			}
		}
	}
	return n
}

// task waits until a task of a build meets a condition and returns its id.
func (b *pushedBuild) task(t testing.TB, method, condition string) (id int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s of build %s with %s", method, b.id, condition), func() (string, bool) {
		ids := b.d.column(t, "select id::text from tasks where build_id = $1::bigint and method = $2 and "+condition, b.id, method)
		if len(ids) == 0 {
			return strings.Join(b.d.column(t, "select method || ' ' || state || ' ' || phase || ' ' || reason from tasks where build_id = $1::bigint order by id", b.id), "; "), false
		}
		id, _ = strconv.ParseInt(ids[0], 10, 64)
		return "", true
	})
	return id
}

// attempts are how the attempts of a build's tasks ended that were not their
// last: "METHOD ATTEMPT HOST OUTCOME".
func (b *pushedBuild) attempts(t testing.TB) []string {
	t.Helper()
	return b.d.column(t, `select t.method || ' ' || a.attempt || ' ' || h.name || ' ' || a.outcome
		from task_attempts a join tasks t on t.id = a.task_id join hosts h on h.id = a.host_id where t.build_id = $1::bigint order by t.id, a.attempt`, b.id)
}

// rootLogs is how the buildroots of a build's tasks were made.
func (b *pushedBuild) rootLogs(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, task := range b.d.column(t, "select id::text from tasks where build_id = $1::bigint and method in ('buildSRPM', 'buildArch')", b.id) {
		text, err := os.ReadFile(b.d.path(filepath.Join("state/logs/tasks", task, "1/root.log")))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestBuildHosts builds on a host that has nothing of the hub but its
// credentials.
func TestBuildHosts(t *testing.T) {
	t.Parallel()
	f := newFarm(t, "farm", "")
	h := f.host(t, "b1", "").start(t)
	t.Run("ABuildIsComplete", func(t *testing.T) {
		b := f.pushed(t, small{name: farPackage(0)})
		b.ends(t, "COMPLETE")
		contains(t, "the log", b.rootLogs(t), "installing a base root")
		if left := h.leftovers(t); len(left) > 0 {
			t.Errorf("left at the host: %v", left)
		}
	})
	t.Run("TheNextUsesTheRootThatIsThere", func(t *testing.T) {
		b := f.pushed(t, small{name: farPackage(1)})
		b.ends(t, "COMPLETE")
		if log := b.rootLogs(t); !strings.Contains(log, "base root ") || strings.Contains(log, "installing a base root") {
			t.Errorf("a base root was installed for the same repositories:\n%s", log)
		}
	})
	t.Run("CancelKillsTheProcessTreeWithinASecond", func(t *testing.T) { f.testCancel(t, h) })
	t.Run("ARestartKeepsRootsAndPackages", func(t *testing.T) {
		h.stop(t)
		h.start(t)
		b := f.pushed(t, small{name: farPackage(3)})
		b.ends(t, "COMPLETE")
		if log := b.rootLogs(t); !strings.Contains(log, "base root ") || strings.Contains(log, "installing a base root") {
			t.Errorf("a base root was installed after a restart:\n%s", log)
		}
	})
	t.Run("ARevokedHostEnds", func(t *testing.T) {
		f.run(t, "builder", "revoke", "b1", "--reason", "stolen")
		select {
		case <-h.exited:
		case <-time.After(time.Minute):
			t.Fatal("the host goes on a minute after it was revoked")
		}
		if h.cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("the host ended with %v", h.cmd.ProcessState)
		}
		contains(t, "its log", h.log(t), "does not accept the host's credentials")
		h.cmd = nil
	})
	t.Run("TheHubStopsWhenAsked", func(t *testing.T) { f.stop(t) })
}

// testCancel cancels a build that forks daemons.
func (f *farm) testCancel(t *testing.T, h *host) {
	const marker = "98765.4321"
	b := f.pushed(t, small{name: farPackage(2), build: fmt.Sprintf("setsid -f sleep %s\n(trap '' TERM HUP INT; sleep %s) &\nsleep %s", marker, marker, marker)})
	b.task(t, "buildArch", "phase = 'build'")
	eventually(t, "three sleeping processes", func() (string, bool) {
		n := running(t, marker)
		return fmt.Sprint(n), n >= 3
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.run(t, "build", "cancel", b.id)
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for running(t, marker) > 0 && time.Now().Before(deadline) {
		<-ticker.C
	}
	gone := time.Now()
	<-done
	var canceled time.Time
	f.scan(t, "select max(finished_at) from tasks where build_id = $1::bigint and method = 'buildArch'", []any{b.id}, &canceled)
	took := gone.Sub(canceled)
	t.Logf("the process tree was gone %d ms after the cancellation", took.Milliseconds())
	if took > time.Second {
		t.Errorf("the process tree was gone %s after the cancellation, want less than a second", took)
	}
	eventually(t, "clean host", func() (string, bool) {
		left := h.leftovers(t)
		return fmt.Sprint(left), len(left) == 0
	})
}
