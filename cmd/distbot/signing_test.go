package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/internal/pgp"
	"github.com/distbot/distbot/queue/queuetest"
	"github.com/distbot/distbot/repopublish/signer"
)

// signingStage is the folder of an installation with a signer.
type signingStage struct {
	t      *testing.T
	config string
	// dir is the signer's.
	dir string
}

// newSigningStage adds a signer to a configuration.
func newSigningStage(t *testing.T, config string) *signingStage {
	t.Helper()
	dir, err := os.MkdirTemp("", "signer") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	file, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(file, "signing: {signer: child, dir: %s}\n", dir)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return &signingStage{t: t, config: config, dir: dir}
}

// call runs a command line in a process of its own.
func (s *signingStage) call(args ...string) said {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), self, append(args, "--config", s.config)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return said{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestKeyCommands(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	s := newSigningStage(t, c.config)
	var key signer.Key
	if err := json.Unmarshal([]byte(s.call("repo", "keygen", "release", "--json").want(t, exitDone).stdout), &key); err != nil {
		t.Fatal(err)
	}
	if key.Name != "release" || key.UserID != "release key of 127.0.0.1" || key.Expires != nil || key.Algorithm != pgp.RSA4096 {
		t.Errorf("made %+v", key)
	}
	passphrase, err := os.ReadFile(filepath.Join(s.dir, "passphrase"))
	if err != nil || len(passphrase) < 50 {
		t.Fatalf("passphrase of %d bytes, %v", len(passphrase), err)
	}
	for name, mode := range map[string]os.FileMode{"passphrase": 0o600, "keys/release.key": 0o600, "keys": 0o700 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if got := s.call("repo", "keygen", "release").want(t, exitFailed); !strings.Contains(got.stderr, "keys are never replaced") {
		t.Errorf("the same name: %s", got.stderr)
	}
	out := s.call("repo", "keygen", "second", "--type", "ed25519", "--expires", "10d", "--user-id", "Second <second@example.org>").want(t, exitDone).stdout
	if !strings.Contains(out, "fingerprint: ") || strings.Contains(out, strings.TrimSpace(string(passphrase))) {
		t.Errorf("made: %s", out)
	}
	if got := s.call("repo", "key", "retire", "second").want(t, exitDone).stdout; !strings.Contains(got, "nothing is signed with second any more") {
		t.Errorf("retired: %s", got)
	}
	for line, want := range map[string]struct {
		code   int
		stderr string
	}{
		"repo keygen":                          {exitUsage, "expected the name"},
		"repo keygen third --type dsa":         {exitUsage, "--type must be"},
		"repo keygen third --expires soon":     {exitUsage, "--expires"},
		"repo keygen ../third":                 {exitFailed, "is no name of a key"},
		"repo keygen third --user-id <nobody>": {exitFailed, "user id"},
		"repo key retire nobody":               {exitFailed, "there is no key nobody"},
		"repo key list":                        {exitDone, "that it has not told of yet: release second"},
		"repo key export nobody":               {exitFailed, "the signer can't be reached"},
		"repo key distrust release":            {exitFailed, "no key release of somebody else"},
		"repo sign nothing-1-1":                {exitUsage, "--key is missing"},
		"repo sign --key release nothing-1-1":  {exitFailed, "there is no build nothing-1-1"},
		"repo key trust other no-file":         {exitFailed, "no such file"},
		"signer audit":                         {exitFailed, "audit"},
	} {
		if got := s.call(strings.Fields(line)...); got.code != want.code || !strings.Contains(got.stderr, want.stderr) {
			t.Errorf("%s: exit code %d, %s, want %d, %q", line, got.code, got.stderr, want.code, want.stderr)
		}
	}

	other, err := pgp.Generate(pgp.Ed25519, "Other", time.Now().Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := other.Armored()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.asc")
	if err := os.WriteFile(file, []byte(armored), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.call("repo", "key", "trust", "other", file).want(t, exitDone).stdout; !strings.Contains(got, other.Fingerprint) {
		t.Errorf("trusted: %s", got)
	}
	// No signer runs: what is known is listed all the same.
	if got := s.call("repo", "key", "list").want(t, exitDone).stdout; !strings.Contains(got, "other") || !strings.Contains(got, "trusted") {
		t.Errorf("listed: %s", got)
	}
	if got := s.call("repo", "key", "export", "other").want(t, exitDone).stdout; got != armored {
		t.Errorf("exported: %s", got)
	}
	s.call("repo", "key", "distrust", "other").want(t, exitDone)
	if got := s.call("repo", "key", "list").want(t, exitDone).stdout; !strings.Contains(got, "not trusted any more") {
		t.Errorf("listed: %s", got)
	}
}

// TestSignerOfTheServer runs an installation whose signer is a child of it.
func TestSignerOfTheServer(t *testing.T) {
	t.Parallel()
	var log logText
	f := newFlowOn(t, 1, dbtest.NewURL(t), slog.New(slog.NewTextHandler(&log, nil)))
	f.deliver(t, packageName(0), "first")
	f.published(t, 1)
	f.close(t)
	path := filepath.Join(f.server.Config.dir, "distbot.yaml")
	s := newSigningStage(t, path)
	s.call("repo", "keygen", "release", "--type", "ed25519").want(t, exitDone)
	config, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(t, config, slog.New(slog.NewTextHandler(&log, nil)))

	nvr := packageName(0) + "-1-1"
	var signed []signedView
	if err := json.Unmarshal([]byte(s.call("repo", "sign", "--key", "release", nvr, "--json").want(t, exitDone).stdout), &signed); err != nil {
		t.Fatal(err)
	}
	if len(signed) != 3 || !signed[0].New || signed[0].SHA256 == "" {
		t.Errorf("signed %+v, want three packages", signed)
	}
	if got := s.call("repo", "sign", "--key", "release", nvr).want(t, exitDone).stdout; strings.Count(got, "was signed") != 3 {
		t.Errorf("signed once more: %s", got)
	}
	t.Run("its key is not trusted as somebody else's", func(t *testing.T) {
		public := filepath.Join(t.TempDir(), "release.asc")
		if err := os.WriteFile(public, []byte(s.call("repo", "key", "export", "release").want(t, exitDone).stdout), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"release", "mine"} {
			if got := s.call("repo", "key", "trust", name, public).want(t, exitFailed); !strings.Contains(got.stderr, "the key release of the signer") {
				t.Errorf("trusted as %s: %s", name, got.stderr)
			}
		}
	})
	t.Run("its public key is served", func(t *testing.T) {
		for file, want := range map[string]int{"release.asc": http.StatusOK, "nobody.asc": http.StatusNotFound, "release": http.StatusNotFound, "..%2frelease.asc": http.StatusNotFound} {
			response, err := http.Get("http://" + f.server.Addr() + "/keys/" + file)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != want || want == http.StatusOK && !bytes.HasPrefix(text, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")) {
				t.Errorf("%s: %s\n%s", file, response.Status, text)
			}
		}
	})
	first := signerPID(t, filepath.Join(s.dir, "socket"))
	t.Run("its secrets are in no argument, environment or log", func(t *testing.T) {
		var secrets []string
		for _, name := range []string{"passphrase", "database.url"} {
			text, err := os.ReadFile(filepath.Join(s.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, strings.TrimSpace(string(text)))
		}
		shown := log.String()
		for _, name := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", first, name))
			// Only root may look at a process that guards its memory.
			if err != nil && !(errors.Is(err, os.ErrPermission) && name == "environ") {
				t.Fatal(err)
			}
			shown += string(text)
		}
		for _, secret := range secrets {
			if strings.Contains(shown, secret) {
				t.Errorf("a secret is shown in %q", shown)
			}
		}
	})
	t.Run("it is started again when it was killed", func(t *testing.T) {
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		client := &signer.Client{Socket: filepath.Join(s.dir, "socket")}
		queuetest.Wait(t, "another signer answers", func() (bool, string) {
			_, err := client.Keys(t.Context())
			return err == nil && signerPID(t, client.Socket) != first, fmt.Sprint(err)
		})
	})
	second := signerPID(t, filepath.Join(s.dir, "socket"))
	t.Run("its log fits what the hub has", func(t *testing.T) {
		if got := s.call("signer", "audit", "--receipts", "--log").want(t, exitDone).stdout; !strings.Contains(got, "signatures: 3") || !strings.Contains(got, packageName(0)) {
			t.Errorf("audit: %s", got)
		}
	})
	f.close(t)
	queuetest.Wait(t, "the signer has ended with the server", func() (bool, string) {
		err := syscall.Kill(second, 0)
		return errors.Is(err, syscall.ESRCH), fmt.Sprint(err)
	})
	t.Run("a log that was cut is seen", func(t *testing.T) {
		file := filepath.Join(s.dir, "audit.log")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cut := text[:bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n')+1]
		if err := os.WriteFile(file, cut, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := s.call("signer", "audit").want(t, exitFailed).stderr; !strings.Contains(got, "CHANGED: line") {
			t.Errorf("audit: %s", got)
		}
		err = (&Server{Config: config, Logger: slog.New(slog.DiscardHandler), Driver: f.driver}).Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the audit log was changed") {
			t.Errorf("a server with the log: %v", err)
		}
	})
	// The flow closes its server when the test ends: this one was.
	f.server = &Server{}
}

// signerPID is the process that listens at a socket.
func signerPID(t *testing.T, socket string) int {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return -1
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return int(peer.Pid)
}
