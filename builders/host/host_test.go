package host

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/drivertest"
)

// setup is a configuration with a directory that anybody may pass.
func setup(t *testing.T) Config {
	t.Helper()
	//nolint:usetesting // builds run as others, who may not pass the parent of t.TempDir
	dir, err := os.MkdirTemp("", "distbot-host-test-")
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
	config := Config{Dir: filepath.Join(dir, "builds"), Wall: 5 * time.Minute, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if os.Geteuid() == 0 {
		nobody, err := user.LookupId("65534")
		if err != nil {
			t.Fatal(err)
		}
		config.User = nobody.Username
	}
	return config
}

func open(t *testing.T, config Config) *Driver {
	t.Helper()
	driver, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func TestDriver(t *testing.T) {
	t.Parallel()
	config := setup(t)
	lacks := []builders.Lack{builders.LackIsolation, builders.LackBuildroot}
	if out, err := exec.Command("rpm", "-qa").Output(); err != nil {
		t.Fatal(err)
	} else if len(out) == 0 { // on Debian
		lacks = append(lacks, builders.LackRequirements)
	}
	drivertest.Exercise(t, drivertest.Setup{
		Open: func(t *testing.T, wall time.Duration) builders.Driver {
			own := config
			if wall > 0 {
				own.Wall = wall
			}
			return open(t, own)
		},
		Leftovers: func(t *testing.T) []string { return drivertest.Names(t, config.Dir) },
		Base:      builders.Repo{Name: "base", URL: "file:///nonexistent"}, DistGit: "../../testdata/distgit", Lacks: lacks,
	})
}

func TestRootMustNameAnother(t *testing.T) {
	t.Parallel()
	config := setup(t)
	if os.Geteuid() != 0 {
		config.User = "root"
		if _, err := New(t.Context(), config); err == nil {
			t.Error("no error, want that only root can build as another")
		}
		return
	}
	for _, name := range []string{"", "root"} {
		config.User = name
		if _, err := New(t.Context(), config); !errors.Is(err, ErrRoot) {
			t.Errorf("user %q: got %v, want %v", name, err, ErrRoot)
		}
	}
}
