package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A test binary started with this variable is a process that TestMain sends to
// work on a store, to be killed or to run out of disk.
const childVariable = "DISTBOT_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role := os.Getenv(childVariable); role {
	case "":
		os.Exit(m.Run())
	case "put for ever":
		fmt.Fprintln(os.Stderr, putForEver(os.Args[1]))
	case "fill a small disk":
		if err := fillSmallDisk(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	default:
		fmt.Fprintf(os.Stderr, "unknown role %q\n", role)
	}
	os.Exit(1)
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, dir)
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	return cmd
}

// putForEver stores and links random files and prints each digest once Link
// has returned.
func putForEver(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	for {
		content := strings.Repeat(fmt.Sprint(rand.Uint64()), 20_000)
		blob, err := s.Put(context.Background(), strings.NewReader(content), "", 1<<20)
		if err != nil {
			return err
		}
		if err := s.Link(context.Background(), blob, "packages/"+blob.SHA256[:1]+"/"+blob.SHA256); err != nil {
			return err
		}
		fmt.Println(blob.SHA256)
	}
}

func TestKilledProcessesLeaveNoPartialBlob(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	var promised []string
	for round := range 10 {
		cmd := child(t, "put for ever", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + round {
			if !lines.Scan() {
				t.Fatalf("the child ended: %v", lines.Err())
			}
			promised = append(promised, lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
	}

	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := files(t, s)
	for name, content := range got {
		if !strings.HasPrefix(name, tmpDir) && filepath.Base(name) != sum(content) {
			t.Errorf("%s holds %d bytes with digest %s", name, len(content), sum(content))
		}
	}
	for _, digest := range promised {
		if _, ok := got["packages/"+digest[:1]+"/"+digest]; !ok {
			t.Errorf("%s was reported stored and linked, and is not there", digest)
		}
	}
	if _, err := s.Sweep(time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	for name := range files(t, s) {
		if strings.HasPrefix(name, tmpDir) {
			t.Errorf("%s left after Sweep", name)
		}
	}
}

// fillSmallDisk mounts 1 MiB of tmpfs on dir, in the child's own mount
// namespace, and checks what a store does when it is full.
func fillSmallDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	s, err := Open(dir)
	if err != nil {
		return err
	}
	switch _, err := s.Put(context.Background(), strings.NewReader(strings.Repeat("x", 4<<20)), "", 8<<20); {
	case err == nil:
		return errors.New("4 MiB fit into 1 MiB")
	case !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("put of 4 MiB into 1 MiB: want ErrFull and ENOSPC, got %w", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, tmpDir))
	if err != nil {
		return err
	}
	if len(left) != 0 {
		return fmt.Errorf("left in tmp: %v", left)
	}
	blob, err := s.Put(context.Background(), strings.NewReader(strings.Repeat("x", 512<<10)), "", 8<<20)
	if err != nil {
		return fmt.Errorf("put of what fits, after the failure: %w", err)
	}
	return s.Verify(context.Background(), blob)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	cmd := child(t, "fill a small disk", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	} else {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS // makes mounts private
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v (this test needs root or unprivileged user namespaces)\n%s", err, out)
	}
}
