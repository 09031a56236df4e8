package bootstrap

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSwap(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]string{"nothing": "", "an old repository": "old"} {
		t.Run("it takes the place of "+name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			stage, out := filepath.Join(dir, "stage"), filepath.Join(dir, "out")
			write(t, filepath.Join(stage, "x"), "new")
			if old != "" {
				write(t, filepath.Join(out, "x"), old)
			}
			if err := swap(stage, out); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(out, "x")); err != nil || string(text) != "new" {
				t.Errorf("out holds %q, %v, want the new repository", text, err)
			}
			if text, err := os.ReadFile(filepath.Join(stage, "x")); old != "" && string(text) != old {
				t.Errorf("stage holds %q, %v, want the old repository", text, err)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	alive, err := newStage(parent, "out")
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(parent, ".out.new-dead")
	others := []string{filepath.Join(parent, "out"), filepath.Join(parent, ".other.new-1")}
	for _, d := range append(others, dead) {
		write(t, filepath.Join(d, "x"), "")
	}
	if err := sweep(parent, "out"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stage of a dead process is still there: %v", err)
	}
	for _, d := range append(others, alive.Name()) {
		if _, err := os.Stat(d); err != nil {
			t.Errorf("%s was removed: %v", d, err)
		}
	}
	if err := alive.discard(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(alive.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a discarded stage is still there: %v", err)
	}
}

func TestIntact(t *testing.T) {
	t.Parallel()
	published := func(t *testing.T) (string, manifest) {
		t.Helper()
		p := newPacker(t)
		tb, err := loadTables()
		if err != nil {
			t.Fatal(err)
		}
		file, err := p.pack(t.Context(), tb.filesystem())
		if err != nil {
			t.Fatal(err)
		}
		a, err := readArtifact(file, deb{})
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out")
		m, err := publish(t.Context(), out, manifest{Key: "key", Arch: "x86_64"}, []artifact{a})
		if err != nil {
			t.Fatal(err)
		}
		return out, m
	}
	t.Run("what was published is", func(t *testing.T) {
		t.Parallel()
		out, _ := published(t)
		if _, ok := intact(out, "key"); !ok {
			t.Error("the repository is not intact")
		}
		if _, ok := intact(out, "other"); ok {
			t.Error("it is what another key asks for")
		}
	})
	for name, damage := range map[string]func(out string, m manifest) error{
		"without an RPM": func(out string, m manifest) error { return os.Remove(filepath.Join(out, m.Packages[0].File)) },
		"with a changed RPM": func(out string, m manifest) error {
			name := filepath.Join(out, m.Packages[0].File)
			return errors.Join(os.Remove(name), os.WriteFile(name, []byte("x"), 0o644))
		},
		"without metadata": func(out string, _ manifest) error { return os.RemoveAll(filepath.Join(out, "repodata")) },
		"with changed metadata": func(out string, _ manifest) error {
			return os.WriteFile(filepath.Join(out, "repodata", "repomd.xml"), nil, 0o644)
		},
		"with a broken record": func(out string, _ manifest) error {
			return os.WriteFile(filepath.Join(out, manifestName), []byte("{"), 0o644)
		},
	} {
		t.Run("a repository "+name+" is not", func(t *testing.T) {
			t.Parallel()
			out, m := published(t)
			if err := damage(out, m); err != nil {
				t.Fatal(err)
			}
			if _, ok := intact(out, "key"); ok {
				t.Error("it counts as intact")
			}
		})
	}
}

func TestOpenCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release, err := openCache(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "work", "left by a killed process"), "")

	short, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("gave up"))
	defer cancel()
	if _, err := openCache(short, dir); err == nil || !strings.Contains(err.Error(), "gave up") {
		t.Errorf("openCache of a locked cache = %v, want the context's cause", err)
	}

	opened := make(chan error, 1)
	go func() {
		again, err := openCache(t.Context(), dir)
		if err == nil {
			err = again()
		}
		opened <- err
	}()
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("openCache after release: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "work")); err != nil || len(left) > 0 {
		t.Errorf("work holds %v, %v, want nothing", left, err)
	}
}
