//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// wake ends the processes of builds that have an argument.
func wake(t testing.TB, argument string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if slices.Contains(strings.Split(string(text), "\x00"), argument) {
			pid, err := strconv.Atoi(strings.Split(path, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
	}
}

// sleeper is a package whose build sleeps until its sleep is ended.
func sleeper(i int) (p small, marker string) {
	marker = fmt.Sprintf("7654321.%03d", i)
	return small{name: farPackage(i), build: "sleep " + marker + " || :"}, marker
}
