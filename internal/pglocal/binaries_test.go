package pglocal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeBinaries makes a directory with programs that claim to be of a version.
func fakeBinaries(t *testing.T, version string, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range programs {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", p, version)
		if err := os.WriteFile(filepath.Join(dir, p), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()

	t.Run("TheMachineHasAServer", func(t *testing.T) {
		t.Parallel()
		b, err := findBinaries(t.Context(), "", 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if b.major < minMajor {
			t.Errorf("found PostgreSQL %d, want at least %d", b.major, minMajor)
		}
	})

	t.Run("DevelopmentVersionsCount", func(t *testing.T) {
		t.Parallel()
		b, err := findBinaries(t.Context(), fakeBinaries(t, "19devel", "postgres", "initdb", "pg_ctl"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if b.major != 19 {
			t.Errorf("major = %d, want 19", b.major)
		}
	})

	for _, tc := range []struct {
		name  string
		dir   func(t *testing.T) string
		major int
		want  string
	}{
		{
			name: "AnOldVersionIsRefused",
			dir:  func(t *testing.T) string { return fakeBinaries(t, "12.3 (Old 8)", "postgres", "initdb", "pg_ctl") },
			want: "find PostgreSQL 14 or newer (found: 12 in ",
		},
		{
			name: "AClientIsNotAServer",
			dir:  func(t *testing.T) string { return fakeBinaries(t, "15.1", "pg_ctl") },
			want: "run scripts/setup",
		},
		{
			name:  "AnotherMajorVersionDoesNotDo",
			dir:   func(t *testing.T) string { return fakeBinaries(t, "15.1", "postgres", "initdb", "pg_ctl") },
			major: 16,
			want:  "find PostgreSQL 16, which made the existing cluster (found: 15 in ",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := findBinaries(t.Context(), tc.dir(t), tc.major)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("findBinaries() = %v, want an error with %q", err, tc.want)
			}
			if !errors.Is(err, ErrNoPostgres) {
				t.Errorf("%v does not wrap ErrNoPostgres", err)
			}
		})
	}
}
