package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/arch"
	"github.com/distbot/distbot/internal/rpmfile"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/hostdoor"
)

// HostFile is builder.yaml: a build host on a machine of its own.
type HostFile struct {
	hostdoor.HostConfig `yaml:",inline"`

	// Name is only shown in the host's own log: the hub knows the host by its
	// certificate.
	Name   string `yaml:"name"`
	Driver string `yaml:"driver"`
	// User runs mock and driver host, see BuilderConfig.
	User string `yaml:"user"`
	// Arches the machine builds for by itself, and Emulate those that qemu runs.
	Arches  []string `yaml:"arches"`
	Emulate []string `yaml:"emulate"`
	// Channels are none for all that the hub allows. Like Arches and Capacity
	// they can only narrow what it does.
	Channels []string     `yaml:"channels"`
	Capacity float32      `yaml:"capacity"`
	Limits   LimitsConfig `yaml:"limits"`
	WorkDir  string       `yaml:"work_dir"`
	// MinDisk and MinMemory must be free for the host to take work.
	MinDisk   Bytes `yaml:"min_disk"`
	MinMemory Bytes `yaml:"min_memory"`
	// MaxLoad is the load average for each processor up to which it does.
	MaxLoad float64 `yaml:"max_load"`
	// Cache is how much of repositories is kept.
	Cache Bytes `yaml:"cache"`
}

// defaultHostFile is what an empty file means.
func defaultHostFile() HostFile {
	return HostFile{
		Driver: "auto", Arches: []string{hostArch()}, Capacity: float32(runtime.NumCPU()),
		Limits:  LimitsConfig{Memory: 8 << 30, FileSize: 8 << 30, Disk: 32 << 30, Log: 256 << 20, PIDs: 4096, Timeout: Duration(24 * time.Hour)},
		WorkDir: "work", MinDisk: 8 << 30, MinMemory: 512 << 20, MaxLoad: 4, Cache: 10 << 30,
	}
}

// loadHostFile reads and checks builder.yaml.
func loadHostFile(path string) (HostFile, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return HostFile{}, fmt.Errorf("there is no %s: distbot builder enroll makes one at the hub, or name another with --config", path)
	}
	if err != nil {
		return HostFile{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig))
	if err != nil {
		return HostFile{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return HostFile{}, err
	}
	config, err := parseHostFile(text, dir)
	if err != nil {
		return HostFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// parseHostFile reads a builder.yaml whose relative paths start at dir. What is
// wrong with it is told all at once, with the lines.
func parseHostFile(text []byte, dir string) (HostFile, error) {
	config := defaultHostFile()
	file, err := readSettings(text, &config)
	if err != nil {
		return HostFile{}, err
	}
	for _, path := range []*string{&config.CA, &config.Certificate, &config.Key, &config.DatabasePassword, &config.WorkDir} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	config.check(file)
	return config, file.err()
}

// hostWord is what architectures and channels are called.
var hostWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// check notes what could not work.
func (c HostFile) check(file *settingsFile) {
	for _, needed := range []struct{ key, value string }{
		{"hub", c.Hub},
		{"ca", c.CA},
		{"certificate", c.Certificate},
		{"key", c.Key},
		{"database_password", c.DatabasePassword},
		{"work_dir", c.WorkDir},
	} {
		if needed.value == "" {
			file.add(at(needed.key), "%s is missing", needed.key)
		}
	}
	if c.WorkDir != "" && isSystemDir(c.WorkDir) {
		file.add(at("work_dir"), "work_dir: %s is a directory of the operating system: name one of distbot's own", c.WorkDir)
	}
	switch c.Driver {
	case driverAuto, driverRootfs, driverMock, driverHost:
	default:
		file.add(at("driver"), "driver must be auto, rootfs, mock or host, not %q", c.Driver)
	}
	c.checkHub(file)
	c.checkWork(file)
	c.Limits.check(file, "", at("limits"))
	if !(c.Capacity > 0 && c.Capacity <= 1000) {
		file.add(at("capacity"), "capacity must be more than 0 and at most 1000, not %v", c.Capacity)
	}
}

// checkHub notes an address that hosts can't call, and a name that no log can
// show.
func (c HostFile) checkHub(file *settingsFile) {
	if c.Hub != "" {
		if problem := hostsURLProblem(c.Hub); problem != "" {
			file.add(at("hub"), "hub: %s", problem)
		}
	}
	if c.Name != queue.OneLine(c.Name) || len(c.Name) > maxHostName {
		file.add(at("name"), "name: %.80q is no line of at most %d bytes", c.Name, maxHostName)
	}
	// Not a number is neither.
	if !(c.MaxLoad >= 0 && c.MaxLoad <= maxMaxLoad) {
		file.add(at("max_load"), "max_load must be between 0, which is any, and %d, not %v", maxMaxLoad, c.MaxLoad)
	}
}

const (
	maxHostName = 100
	maxMaxLoad  = 10_000
)

// checkWork notes work that the host could not do, whatever the hub allows it.
func (c HostFile) checkWork(file *settingsFile) {
	if len(c.Arches)+len(c.Emulate) == 0 {
		file.add(at("arches"), "arches and emulate are empty: the host would get no work")
	}
	if c.Channels != nil && len(c.Channels) == 0 {
		file.add(at("channels"), "channels is empty: the host would get no work; without the key it takes all that the hub allows")
	}
	file.checkWords("", at("arches"), c.Arches)
	file.checkWords("", at("emulate"), c.Emulate)
	file.checkWords("", at("channels"), c.Channels)
	runs := arch.Runs(arch.Host())
	for i, name := range c.Arches {
		if hostWord.MatchString(name) && !slices.Contains(runs, name) {
			file.add(at("arches", i), "arches: this machine runs %s by itself, not %s, which emulate may name if qemu runs it", strings.Join(runs, ", "), name)
		}
	}
	emulated := slices.Sorted(maps.Keys(rpmfile.ELFTargets()))
	for i, name := range c.Emulate {
		if hostWord.MatchString(name) && !slices.Contains(emulated, name) {
			file.add(at("emulate", i), "emulate: %s is none of %s", name, strings.Join(emulated, ", "))
		}
	}
	for _, name := range c.Emulate {
		if slices.Contains(c.Arches, name) {
			file.add(at("emulate"), "emulate: %s is among arches, which this machine runs by itself", name)
		}
	}
}
