package pglocal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// userEnv makes the test binary a user of a server (see TestMain): its value is
// the Config as JSON.
const userEnv = "PGLOCAL_TEST_USER"

// TestMain lets the test binary be run as another process that uses a server:
// it starts it, prints its URL, and stops it when its standard input ends.
func TestMain(m *testing.M) {
	spec, ok := os.LookupEnv(userEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if err := useServer(spec); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func useServer(spec string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(spec), &cfg); err != nil {
		return err
	}
	s, err := Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Stop()
}

// userProcess is another process that uses a server.
type userProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

// startUser runs the test binary as a user of the server and waits until it has
// it.
func startUser(t *testing.T, binary string, cred *syscall.Credential, cfg Config) *userProcess {
	t.Helper()
	spec, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), userEnv+"="+string(spec))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "postgres://") {
		t.Fatalf("the other process did not get a server: %q, %v", line, err)
	}
	return &userProcess{cmd: cmd, stdin: stdin, url: strings.TrimSpace(line)}
}

func (u *userProcess) kill(t *testing.T) {
	t.Helper()
	if err := u.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = u.cmd.Wait() // It says "killed".
}

func (u *userProcess) leave(t *testing.T) {
	t.Helper()
	if err := u.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := u.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func testBinary(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestCrash(t *testing.T) {
	t.Parallel()

	t.Run("TheServerOfAKilledProcessIsStoppedAndKeepsWhatWasCommitted", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t), Durable: true}
		u := startUser(t, testBinary(t), nil, cfg)
		execute(t, &Server{cfg: Config{Database: "distbot"}, socketDir: filepath.Join(cfg.Dir, "socket")},
			"create table kept as select 42 n")
		u.kill(t)
		eventually(t, "the server stops after its last user was killed", func() bool { return !isRunning(cfg.Dir) })
		s := start(t, cfg)
		if got := query(t, s, "select n::text from kept"); got != "42" {
			t.Errorf("got %s, want 42", got)
		}
		if strings.Contains(s.logTail(), "was not properly shut down") {
			t.Errorf("the server was not shut down in order:\n%s", s.logTail())
		}
	})

	t.Run("AStartRightAfterAKillGetsAServer", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t), Durable: true}
		for round := range 5 {
			u := startUser(t, testBinary(t), nil, cfg)
			u.kill(t) // The watcher and the next round now compete.
			if got := query(t, start(t, cfg), "select 'up'"); got != "up" {
				t.Errorf("round %d: got %q", round, got)
			}
		}
	})

	t.Run("TheServerStaysWhileAnotherProcessUsesIt", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		first, second, third := startUser(t, testBinary(t), nil, cfg), startUser(t, testBinary(t), nil, cfg), startUser(t, testBinary(t), nil, cfg)
		pid := postmasterPid(t, cfg.Dir)
		first.kill(t)   // Who started it …
		second.leave(t) // … and who adopted it.
		s := start(t, cfg)
		if got := postmasterPid(t, cfg.Dir); got != pid {
			t.Errorf("the server was started again: pid %d, then %d", pid, got)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if !isRunning(cfg.Dir) {
			t.Fatal("the server was stopped under its last user")
		}
		third.leave(t)
		if isRunning(cfg.Dir) {
			t.Error("the server runs after its last user left")
		}
	})

	t.Run("AKilledServerIsStartedAgain", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t), Durable: true}
		first := start(t, cfg)
		execute(t, first, "create table kept as select 42 n")
		conn, err := pgx.Connect(t.Context(), first.URL()) // A backend that must notice.
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := syscall.Kill(postmasterPid(t, cfg.Dir), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-first.postmast.exited
		if got := query(t, start(t, cfg), "select n::text from kept"); got != "42" {
			t.Errorf("got %s, want 42", got)
		}
	})

	t.Run("AProcessIdThatNowIsAnotherProgramsIsNotBelieved", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		s := start(t, cfg)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		// A process of the server's account, to which a postmaster would yield.
		other := exec.Command("sleep", "600")
		s.owner.drop(other, cfg.Dir)
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = other.Process.Kill()
			_ = other.Wait()
		}()
		stale := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n  1 1\nready\n", other.Process.Pid, s.dataDir(), s.socketDir)
		if err := os.WriteFile(filepath.Join(cfg.Dir, "data", "postmaster.pid"), []byte(stale), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := query(t, start(t, cfg), "select 'up'"); got != "up" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		// As an ordinary user there is nothing to switch; all other tests of this
		// package just did without.
		own, err := ownerFor("postgres")
		if err != nil || own.switches || own.uid != os.Geteuid() {
			t.Fatalf("ownerFor() = %+v, %v; want the caller's own account", own, err)
		}
		return
	}

	t.Run("RunsTheServerAsTheAccount", func(t *testing.T) {
		t.Parallel()
		cfg := Config{Dir: tempDir(t)}
		s := start(t, cfg)
		info, err := os.Stat(fmt.Sprintf("/proc/%d", postmasterPid(t, cfg.Dir)))
		if err != nil {
			t.Fatal(err)
		}
		if got := fileOwner(info); got != s.owner.uid || got == 0 {
			t.Errorf("the server runs as uid %d, want that of postgres, %d", got, s.owner.uid)
		}
	})

	t.Run("SaysWhichDirectoryTheAccountMayNotEnter", func(t *testing.T) {
		t.Parallel()
		closed := t.TempDir()
		if err := os.Chmod(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		wantError(t, Config{Dir: filepath.Join(closed, "postgres")}, "account postgres, as which the server runs when distbot is root, may not enter "+filepath.Dir(closed))
	})

	t.Run("RefusesAnAccountThatDoesNotExistOrIsRoot", func(t *testing.T) {
		t.Parallel()
		wantError(t, Config{Dir: tempDir(t), Account: "no-such-account"}, "find account no-such-account")
		wantError(t, Config{Dir: tempDir(t), Account: "root"}, "PostgreSQL refuses to run")
	})

	t.Run("AnOrdinaryUserUsesTheirOwnAccount", func(t *testing.T) {
		t.Parallel()
		const nobody = 65534
		dir := tempDir(t)
		binary := filepath.Join(dir, "user.test")
		if err := copyFile(binary, testBinary(t)); err != nil {
			t.Fatal(err)
		}
		state := filepath.Join(dir, "state")
		if err := os.Mkdir(state, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(state, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		u := startUser(t, binary, &syscall.Credential{Uid: nobody, Gid: nobody}, Config{Dir: state})
		conn, err := pgx.Connect(t.Context(), u.url)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d", postmasterPid(t, state)))
		if err != nil {
			t.Fatal(err)
		}
		if got := fileOwner(info); got != nobody {
			t.Errorf("the server runs as uid %d, want %d", got, nobody)
		}
		u.kill(t)
		eventually(t, "the server of an ordinary user stops after a kill", func() bool { return !isRunning(state) })
	})
}

// copyFile copies a program, by another process: one that this process had open
// for writing could not be run while a child between fork and exec has it too.
func copyFile(to, from string) error {
	out, err := exec.Command("install", "--mode=755", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install: %w: %s", err, out)
	}
	return nil
}
