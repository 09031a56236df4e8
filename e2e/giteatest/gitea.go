// Package giteatest runs a real Gitea for the e2e tests and does in it what
// people do: make repositories and hooks, push, open pull requests.
//
// It knows Gitea's configuration, its HTTP API and the git command. It refuses
// to know distbot. The program comes from scripts/gitea, which make e2e runs; a
// test without it fails, it is not skipped.
//
// Every operation fails the test when it does not succeed. A Gitea may be shared
// by parallel tests that each use an organisation of their own.
package giteatest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// The environment variables that say where the program is, and the directory
// with its templates and locales.
const (
	BinaryEnv = "DISTBOT_GITEA_BIN"
	StaticEnv = "DISTBOT_GITEA_STATIC"
)

const (
	// password is everybody's.
	password = "correct horse battery staple"

	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second
)

//go:embed app.ini
var appINI string

var accessToken = regexp.MustCompile(`\b[0-9a-f]{40}\b`)

// Gitea is a running server. It has no data but what the test makes.
type Gitea struct {
	// URL is its address, without a final slash.
	URL string
	// Admin may do everything.
	Admin User
	// Dir holds all its files.
	Dir string
}

// User is an account.
type User struct {
	Login string
	// Token is an access token with all scopes.
	Token string
}

// Start runs a Gitea until the test ends; it takes about a second. When the test
// fails, what Gitea logged is shown.
func Start(t testing.TB) *Gitea {
	t.Helper()
	return StartBehind(t, "")
}

// StartBehind is Start for a Gitea that a proxy stands before: public, without a
// final slash, is the address it gives itself in deliveries. URL and all methods
// bypass the proxy.
func StartBehind(t testing.TB, public string) *Gitea {
	t.Helper()
	binary, static := os.Getenv(BinaryEnv), os.Getenv(StaticEnv)
	if binary == "" || static == "" {
		t.Fatalf("giteatest: %s and %s are not set: run the test by make e2e, or by scripts/gitea go test …", BinaryEnv, StaticEnv)
	}
	addr, err := freeAddr()
	if err != nil {
		t.Fatalf("giteatest: find a free port: %v", err)
	}
	g := &Gitea{URL: "http://" + addr.String(), Dir: t.TempDir()}
	config := filepath.Join(g.Dir, "app.ini")
	if public == "" {
		public = g.URL
	}
	if err := writeConfig(config, g.Dir, static, public, addr); err != nil {
		t.Fatal(err)
	}
	g.run(t, binary, "--config", config, "migrate")
	out := g.run(t, binary, "--config", config, "admin", "user", "create", "--admin",
		"--username", "root0", "--password", password, "--email", "root0@example.test", "--must-change-password=false",
		"--access-token", "--access-token-name", "e2e", "--access-token-scopes", "all")
	g.Admin = User{Login: "root0", Token: accessToken.FindString(out)}
	if g.Admin.Token == "" {
		t.Fatalf("giteatest: create administrator: no access token in the output:\n%s", out)
	}
	g.serve(t, binary, config)
	return g
}

// freeAddr returns an address that nobody listens on. It is one of the 16 million
// of the loopback interface, chosen at random: between here and Gitea's start,
// nobody else takes that very one.
func freeAddr() (netip.AddrPort, error) {
	ip := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := netip.ParseAddrPort(listener.Addr().String())
	return addr, errors.Join(err, listener.Close())
}

func writeConfig(path, dir, static, public string, addr netip.AddrPort) error {
	tmpl, err := template.New("app.ini").Parse(appINI)
	if err != nil {
		return fmt.Errorf("giteatest: parse app.ini: %w", err)
	}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, map[string]any{"Dir": dir, "Static": static, "Public": public, "IP": addr.Addr(), "Port": addr.Port()}); err != nil {
		return fmt.Errorf("giteatest: write app.ini: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// command prepares a run of the program with none of the caller's environment.
func (g *Gitea) command(ctx context.Context, binary string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = g.Dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.Dir, "GITEA_WORK_DIR=" + g.Dir,
		"GIT_CONFIG_NOSYSTEM=1", "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true",
	}
	return cmd
}

func (g *Gitea) run(t testing.TB, binary string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	out, err := g.command(ctx, binary, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("giteatest: gitea %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve runs the server and waits until it answers.
func (g *Gitea) serve(t testing.TB, binary, config string) {
	t.Helper()
	log, err := os.Create(filepath.Join(g.Dir, "gitea.log"))
	if err != nil {
		t.Fatalf("giteatest: make log: %v", err)
	}
	defer log.Close()

	cmd := g.command(context.Background(), binary, "--config", config, "web")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("giteatest: start: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // stop or awaitHealthy look at the state.
	}()
	t.Cleanup(func() {
		stop(t, cmd, exited)
		if t.Failed() {
			t.Logf("gitea's log:\n%s", tail(log.Name()))
		}
	})
	g.awaitHealthy(t, exited)
}

// awaitHealthy waits for the health check, or the end of the server.
func (g *Gitea) awaitHealthy(t testing.TB, exited <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	go func() {
		select {
		case <-exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/api/healthz", nil)
		if err != nil {
			t.Fatalf("giteatest: %v", err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("health check answered %s", resp.Status)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("giteatest: start: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks the server to end, and kills it with its children if it does not.
func stop(t testing.TB, cmd *exec.Cmd, exited <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
	select {
	case <-exited:
	case <-time.After(stopTimeout):
		t.Logf("giteatest: gitea did not end in %s and is killed", stopTimeout)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	}
}

// tail returns the end of a log.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 16 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err.Error()
	}
	return string(b)
}
