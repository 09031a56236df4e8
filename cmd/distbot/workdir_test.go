package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaimWorkDir(t *testing.T) {
	t.Parallel()
	const instance = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for name, test := range map[string]struct {
		files   map[string]string
		refused string
	}{
		"An empty one is taken":                            {},
		"One with its mark is taken, whatever lies there":  {files: map[string]string{"instance": instance, "tasks": "x"}},
		"One whose first process was killed is taken":      {files: map[string]string{"builder.lock": "", "instance": "ABC"}},
		"A file system's own directory does not count":     {files: map[string]string{"lost+found/x": "x"}},
		"One with anything else is refused":                {files: map[string]string{"todo": "x"}, refused: "todo lies there"},
		"A hidden file counts":                             {files: map[string]string{".git/config": "x"}, refused: ".git lies there"},
		"Somebody else's file of the mark's name does not": {files: map[string]string{"instance": "db.example.org\nfor the reports\n"}, refused: "instance lies there"},
		"A directory of the mark's name is none":           {files: map[string]string{"instance/x": "x"}, refused: "instance lies there"},
		"Somebody else's lock is not ours":                 {files: map[string]string{"builder.lock": "4711"}, refused: "builder.lock lies there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range test.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := claimWorkDir(dir)
			if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("%v, want %q in it", err, test.refused)
			}
		})
	}
}

func TestClearWorkDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check, err := makeCheckDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "tasks", "7"), filepath.Join(dir, "logs", "7"), filepath.Join(dir, "cache", "7")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := clearWorkDir(dir); err != nil {
		t.Fatal(err)
	}
	for path, stays := range map[string]bool{filepath.Join(dir, "cache", "7"): true, filepath.Join(dir, "tasks", "7"): false, filepath.Join(dir, "logs", "7"): false, check: false} {
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: %v, should stay: %t", path, err, stays)
		}
	}
}
