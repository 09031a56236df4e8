package mock

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
	"github.com/distbot/distbot/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	if os.Getenv(testRole) != "" {
		if err := playBuilder(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const distGit = "../../testdata/distgit"

// programs are the mocks that drivers are tested with: the stand-in, and the
// real one if it is installed or named by DISTBOT_MOCK.
func programs(t testing.TB) map[string]Config {
	t.Helper()
	config, err := standIn()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Config{"stand-in": config}
	real := os.Getenv("DISTBOT_MOCK")
	if path, err := exec.LookPath("mock"); err == nil && real == "" {
		real = path
	}
	if real != "" {
		all["mock"] = Config{Program: real}
	} else {
		t.Log("mock is not installed: its stand-in is tested only")
	}
	return all
}

// standIn is the stand-in. It needs no group mock; everybody has nobody.
func standIn() (Config, error) {
	nobody, err := user.LookupId("65534")
	if err != nil {
		return Config{}, err
	}
	group, err := user.LookupGroupId(nobody.Gid)
	if err != nil {
		return Config{}, err
	}
	program, err := filepath.Abs("testdata/mock")
	return Config{Program: program, User: nobody.Username, Group: group.Name}, err
}

// bundle is where a test's drivers live.
type bundle struct {
	config Config
	base   builders.Repo
}

// newBundle makes a directory for drivers, which anybody may pass.
func newBundle(t testing.TB, config Config) *bundle {
	t.Helper()
	//nolint:usetesting // builds run as others, who may not pass the parent of t.TempDir
	dir, err := os.MkdirTemp("", "distbot-mock-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := drivertest.Base(t.Context(), filepath.Join(dir, "base")); err != nil {
		t.Fatalf("%v (run scripts/setup if a tool is missing)", err)
	}
	if config.Runner, err = sandbox.New(t.Context(), sandbox.Config{}); err != nil {
		t.Fatal(err)
	}
	config.Dir, config.Logger = filepath.Join(dir, "mock"), slog.New(slog.NewTextHandler(t.Output(), nil))
	config.Limits = sandbox.Limits{Memory: 2 << 30, PIDs: 1024, FileSize: 1 << 30, Wall: 5 * time.Minute}
	return &bundle{config, builders.Repo{Name: "base", URL: "file://" + filepath.Join(dir, "base"), Cost: 10}}
}

func (b *bundle) open(t testing.TB, change func(*Config)) *Driver {
	t.Helper()
	config := b.config
	if change != nil {
		change(&config)
	}
	driver, err := New(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

// leftovers are what jobs left.
func (b *bundle) leftovers(t testing.TB) []string {
	t.Helper()
	var left []string
	for _, pattern := range []string{"roots/*", "jobs/[0-9]*"} {
		found, err := filepath.Glob(filepath.Join(b.config.Dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	return left
}

func TestDriver(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if _, err := New(t.Context(), Config{Program: "testdata/mock", Dir: t.TempDir()}); err == nil {
			t.Error("no error, want that root is needed")
		}
		return
	}
	for name, config := range programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, config)
			drivertest.Exercise(t, drivertest.Setup{
				Open: func(t *testing.T, wall time.Duration) builders.Driver {
					return b.open(t, func(config *Config) {
						if wall > 0 {
							config.Limits.Wall = wall
						}
					})
				},
				Leftovers: func(t *testing.T) []string { return b.leftovers(t) },
				Base:      b.base, DistGit: distGit,
			})
		})
	}
}
