package main

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/host"
	"github.com/distbot/distbot/builders/mock"
)

func TestDriversThatCannotBeHad(t *testing.T) {
	config := Config{StateDir: t.TempDir()}
	logger := slog.New(slog.DiscardHandler)
	if os.Geteuid() == 0 {
		config.Builder.Driver = driverHost
		if _, err := newDriver(config, logger); !errors.Is(err, host.ErrRoot) {
			t.Errorf("driver host as root: got %v, want %v", err, host.ErrRoot)
		}
	}
	t.Setenv("PATH", t.TempDir())
	config.Builder.Emulate = []string{"vax"}
	for driver, want := range map[string]string{driverHost: errEmulate.Error(), driverMock: errEmulate.Error(), driverRootfs: "vax can't be emulated"} {
		config.Builder.Driver = driver
		if _, err := newDriver(config, logger); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("driver %s that is to emulate a vax: got %v, want %s", driver, err, want)
		}
	}
	config.Builder.Driver, config.Builder.Emulate = driverMock, nil
	if _, err := newDriver(config, logger); !errors.Is(err, mock.ErrNotInstalled) {
		t.Errorf("driver mock without mock: got %v, want %v", err, mock.ErrNotInstalled)
	}
	if f := probeMock(t.Context()); f.OK || f.Required || f.Remedy == "" {
		t.Errorf("finding %+v, want that there is no mock, and that none is needed", f)
	}
}

// TestAutoIsNeverHost asks for what auto means where rootfs can be and where
// nothing can.
func TestAutoIsNeverHost(t *testing.T) {
	name, err := chooseDriver(t.Context(), t.TempDir())
	if trouble := rootfsTrouble(t.Context(), t.TempDir()); trouble == nil && (name != driverRootfs || err != nil) {
		t.Errorf("auto is %q, %v; want rootfs", name, err)
	}
	// No overlay can be in a directory that is not there, and no mock is found.
	t.Setenv("PATH", t.TempDir())
	missing := t.TempDir() + "/missing"
	if name, err := chooseDriver(t.Context(), missing); !errors.Is(err, mock.ErrNotInstalled) {
		t.Errorf("auto is %q, %v; want that mock is not installed", name, err)
	}
	if f := probeAuto(t.Context(), missing); f.OK || !f.Required {
		t.Errorf("finding %+v, want that nothing can build", f)
	}
	if lacks := builders.Lacks(hubOnly{}); lacks != nil {
		t.Errorf("a driver that says nothing lacks %q", lacks)
	}
}
