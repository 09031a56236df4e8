//go:build e2e

package e2e_test

import (
	"bytes"
	crypto "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// distbot is an installation: its files, and the process that serves it.
type distbot struct {
	dir string
	url string
	// secret signs deliveries.
	secret string
	// databaseURL is where the database is, once the process runs.
	databaseURL string
	// before is a command that runs the program as the last of its arguments.
	before []string
	// inside has commands see the mounts that the process sees.
	inside bool

	cmd    *exec.Cmd
	exited chan struct{}
	// pool is connected to the database of the running process.
	pool *pgxpool.Pool
}

// setup says what an installation is like.
type setup struct {
	name      string
	forges    string // the value of forges, in YAML
	lookaside string // its URL
	targets   []target
	database  string // its URL; empty for a private one
	more      string // further lines of distbot.yaml
}

// install writes the configuration of an installation. The process is killed
// when the test ends, if it still runs then; if the test failed, the end of its
// log is shown.
func install(t testing.TB, s setup) *distbot {
	t.Helper()
	addr := loopback(t)
	d := &distbot{dir: makeDir(t, s.name), url: "http://" + addr, secret: randomText(), databaseURL: s.database}
	if d.databaseURL == "" {
		d.databaseURL = privateDatabase(d.path("state"))
	}
	text := fmt.Sprintf("listen: %s\nstate_dir: state\ndatabase: {url: %q}\nlookaside: {url: %q}\nforges:\n%s%s", addr, s.database, s.lookaside, s.forges, s.more)
	writeFile(t, d.path("distbot.yaml"), text, 0o644)
	writeFile(t, d.path("distro.yaml"), distro(s.targets...), 0o644)
	writeFile(t, d.path("webhook.secret"), d.secret+"\n", 0o600)
	t.Cleanup(func() {
		if d.cmd != nil {
			d.kill(t)
		}
		if strings.Contains(d.log(t), "DATA RACE") {
			t.Errorf("%s has a data race:\n%s", s.name, d.log(t))
		}
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", s.name, d.logTail(t))
		}
	})
	return d
}

func (d *distbot) path(name string) string { return filepath.Join(d.dir, name) }

func (d *distbot) hookURL(forge string) string { return d.url + "/webhooks/" + forge }

// privateDatabase is how the private PostgreSQL of a state directory is
// reached, by who may enter it.
func privateDatabase(stateDir string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User("distbot"), Path: "/distbot",
		RawQuery: url.Values{"host": {filepath.Join(stateDir, "postgres", "socket")}, "port": {"5432"}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

// start starts the process and waits until it answers.
func (d *distbot) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(d.path("distbot.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := append(d.before, binary, "serve", "--debug", "--config", d.path("distbot.yaml"))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.cmd, d.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // stop looks at the state.
	}(d.exited)
	eventually(t, "answer of distbot", func() (string, bool) {
		select {
		case <-d.exited:
			t.Fatalf("distbot ended: %v\n%s", cmd.ProcessState, d.logTail(t))
		default:
		}
		resp, err := http.Get(d.url + "/readyz")
		if err != nil {
			return err.Error(), false
		}
		resp.Body.Close()
		return resp.Status, resp.StatusCode == http.StatusOK
	})
	if d.pool, err = pgxpool.New(t.Context(), d.databaseURL); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process as a power cut would.
func (d *distbot) kill(t testing.TB) {
	t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Errorf("kill distbot: %v", err)
	}
	d.ended()
}

// stop asks the process to end and expects it to do so without an error.
func (d *distbot) stop(t testing.TB) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stop distbot: %v", err)
	}
	select {
	case <-d.exited:
	case <-time.After(time.Minute):
		t.Fatal("distbot did not end within a minute of SIGTERM")
	}
	state := d.cmd.ProcessState
	d.ended()
	if !state.Success() {
		t.Errorf("distbot ended with %v, want exit status 0\n%s", state, d.logTail(t))
	}
}

func (d *distbot) ended() {
	<-d.exited
	if d.pool != nil {
		d.pool.Close()
	}
	d.cmd, d.pool = nil, nil
}

// saysNoError checks that nothing was logged that an operator must look into.
func (d *distbot) saysNoError(t testing.TB) {
	t.Helper()
	for line := range strings.Lines(d.log(t)) {
		if strings.Contains(line, " level=ERROR ") {
			t.Errorf("nothing is wrong, but the log says %s", line)
		}
	}
}

// log is all the process has logged.
func (d *distbot) log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(d.path("distbot.log"))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func (d *distbot) logTail(t testing.TB) string {
	text := d.log(t)
	return text[max(0, len(text)-24<<10):]
}

// run runs a command of the program on this installation and returns its
// standard output.
func (d *distbot) run(t testing.TB, args ...string) string {
	t.Helper()
	command := append([]string{binary}, append(args, "--config", d.path("distbot.yaml"))...)
	if d.inside {
		command = append(enter(d.cmd.Process.Pid), command...)
	}
	cmd := exec.Command(command[0], command[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("distbot %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// show returns what "build show --json" tells of a build.
func (d *distbot) show(t testing.TB, build string) (view struct {
	ID                 int64
	NVR, State, Reason string
	RPMs               []string
	Statuses           []struct{ Context, State, Description string }
},
) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.run(t, "build", "show", build, "--json")), &view); err != nil {
		t.Fatalf("build show %s --json: %v", build, err)
	}
	return view
}

// get fetches a page of the installation; it may be given whole or by its path.
func (d *distbot) get(t testing.TB, page string) (code int, body string) {
	t.Helper()
	resp, err := http.Get(d.url + strings.TrimPrefix(page, d.url))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// scan reads one row of the database.
func (d *distbot) scan(t testing.TB, sql string, args []any, into ...any) {
	t.Helper()
	if err := d.pool.QueryRow(t.Context(), sql, args...).Scan(into...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// count counts rows of the database.
func (d *distbot) count(t testing.TB, sql string, args ...any) (n int) {
	t.Helper()
	d.scan(t, "select count(*) from "+sql, args, &n)
	return n
}

// loopback returns an address that nobody listens on. It is one of the many of
// the loopback interface, at random: nobody else takes it before we do.
func loopback(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// randomText is a secret.
func randomText() string { return crypto.Text() }
