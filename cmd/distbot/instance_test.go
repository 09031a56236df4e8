package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInstance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, boot, otherBoot := filepath.Join(dir, "instance"), filepath.Join(dir, "boot"), filepath.Join(dir, "other")
	for name, text := range map[string]string{boot: "11111111", otherBoot: "22222222"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, path, boot string) string {
		t.Helper()
		instance, err := readInstance(path, boot)
		if err != nil {
			t.Fatal(err)
		}
		return instance
	}
	first := read(t, path, boot)
	if again := read(t, path, boot); again != first {
		t.Errorf("started again, it is %s, was %s", again, first)
	}
	if clone := read(t, path, otherBoot); clone == first {
		t.Error("a copy of the whole disk, in another machine, is the same")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy")
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if instance := read(t, copied, boot); instance == first {
		t.Error("a copy of work_dir is the same")
	}
	// A process was killed while it made it.
	if err := os.WriteFile(path, text[:7], 0o600); err != nil {
		t.Fatal(err)
	}
	if instance := read(t, path, boot); instance == first || instance != read(t, path, boot) {
		t.Error("what was written by half is not made anew, once")
	}
}
