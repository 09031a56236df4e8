package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/distbot/distbot/forge"
)

// Config is distbot.yaml: one installation. docs/configuration.md describes
// every key.
type Config struct {
	Listen      string          `yaml:"listen"`
	ExternalURL string          `yaml:"external_url"`
	StateDir    string          `yaml:"state_dir"`
	Distro      string          `yaml:"distro"`
	Database    DatabaseConfig  `yaml:"database"`
	Forges      []ForgeConfig   `yaml:"forges"`
	Builder     BuilderConfig   `yaml:"builder"`
	Builders    BuildersConfig  `yaml:"builders"`
	Lookaside   LookasideConfig `yaml:"lookaside"`
	Retention   RetentionConfig `yaml:"retention"`
	Reconcile   ReconcileConfig `yaml:"reconcile"`
	Signing     SigningConfig   `yaml:"signing"`

	// file is the file's path as it was given; dir is where it lies, from where
	// relative paths start, and absolute is the whole of it. All are empty for a
	// configuration that was not read from a file.
	file, dir, absolute string
}

// DatabaseConfig says where PostgreSQL is.
type DatabaseConfig struct {
	// URL is empty for a private PostgreSQL below the state directory.
	URL string `yaml:"url"`
}

// ForgeConfig is one code host.
type ForgeConfig struct {
	Name               string   `yaml:"name"`
	Kind               string   `yaml:"kind"`
	URL                string   `yaml:"url"`
	TokenFile          string   `yaml:"token_file"`
	AppID              int64    `yaml:"app_id"`
	KeyFile            string   `yaml:"key_file"`
	WebhookSecretFiles []string `yaml:"webhook_secret_files"`
	Allow              []string `yaml:"allow"`
}

// BuilderConfig says how this host builds.
type BuilderConfig struct {
	Driver   string       `yaml:"driver"`
	User     string       `yaml:"user"`
	Arches   []string     `yaml:"arches"`
	Emulate  []string     `yaml:"emulate"`
	Capacity int          `yaml:"capacity"`
	Limits   LimitsConfig `yaml:"limits"`
}

// LimitsConfig bounds one build.
type LimitsConfig struct {
	Memory   Bytes    `yaml:"memory"`
	FileSize Bytes    `yaml:"file_size"`
	Disk     Bytes    `yaml:"disk"`
	Log      Bytes    `yaml:"log"`
	PIDs     int64    `yaml:"pids"`
	CPUs     float64  `yaml:"cpus"`
	Timeout  Duration `yaml:"timeout"`
}

// LookasideConfig says where the files of sources are.
type LookasideConfig struct {
	URL     string `yaml:"url"`
	MaxSize Bytes  `yaml:"max_size"`
}

// RetentionConfig says what is kept.
type RetentionConfig struct {
	Generations   int      `yaml:"generations"`
	GenerationAge Duration `yaml:"generation_age"`
}

// ReconcileConfig says how lost deliveries are found.
type ReconcileConfig struct {
	Every Duration `yaml:"every"`
}

// Duration is a time.Duration in Go's notation, 90s or 24h.
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	value, err := time.ParseDuration(node.Value)
	if err != nil || value < 0 {
		return wrongValue(node, "%q is no duration, such as 90s or 24h", node.Value)
	}
	*d = Duration(value)
	return nil
}

// Bytes is a size, 512M or 8G (powers of 1024), or a plain number.
type Bytes int64

// UnmarshalYAML reads a size.
func (b *Bytes) UnmarshalYAML(node *yaml.Node) error {
	match := sizeText.FindStringSubmatch(node.Value)
	var n int64
	if match != nil {
		_, _ = fmt.Sscan(match[1], &n) // digits only; too many of them leave 0
	}
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
	if match == nil || n<<shift[match[2]]>>shift[match[2]] != n {
		return wrongValue(node, "%q is no size, such as 512M or 8G", node.Value)
	}
	*b = Bytes(n << shift[match[2]])
	return nil
}

var sizeText = regexp.MustCompile(`^([0-9]{1,18})([KMGT]?)$`)

// defaultConfig is what an empty file means.
func defaultConfig() Config {
	return Config{
		Listen:   "127.0.0.1:8080",
		StateDir: "state",
		Distro:   "distro.yaml",
		Builder: BuilderConfig{
			Driver: "auto", Capacity: runtime.NumCPU(),
			Limits: LimitsConfig{Memory: 8 << 30, FileSize: 8 << 30, Disk: 32 << 30, Log: 256 << 20, PIDs: 4096, Timeout: Duration(24 * time.Hour)},
		},
		Lookaside: LookasideConfig{MaxSize: 2 << 30},
		Retention: RetentionConfig{Generations: 5, GenerationAge: Duration(24 * time.Hour)},
		Signing:   SigningConfig{Signer: noSigner},
		Reconcile: ReconcileConfig{Every: Duration(10 * time.Minute)},
	}
}

// maxConfig bounds distbot.yaml.
const maxConfig = 1 << 20

// loadConfig reads and checks a configuration file.
func loadConfig(path string) (Config, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no %s: make one with distbot init, or name another with --config", path)
	}
	if err != nil {
		return Config{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig))
	if err != nil {
		return Config{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, err
	}
	config, err := parseConfig(text, dir)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	config.file, config.absolute = path, filepath.Join(dir, filepath.Base(path))
	return config, nil
}

// parseConfig reads a configuration whose relative paths start at dir. What is
// wrong with it is told all at once, with the lines.
func parseConfig(text []byte, dir string) (Config, error) {
	config := defaultConfig()
	file, err := readSettings(text, &config)
	if err != nil {
		return Config{}, err
	}
	config.dir = dir
	config.StateDir = config.path(config.StateDir)
	config.Distro = config.path(config.Distro)
	config.Signing.complete(config)
	if config.ExternalURL == "" {
		config.ExternalURL = "http://" + config.Listen
	}
	config.check(file)
	return config, file.err()
}

// path makes a path of the file absolute.
func (c Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// forgeName becomes a path element of a URL and of the state directory.
var forgeName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// at is a path in a configuration file, see settingsFile.add.
func at(path ...any) []any { return path }

// check notes what could not work.
func (c Config) check(file *settingsFile) {
	if !isAddress(c.Listen) {
		file.add(at("listen"), "listen: %q is no address such as 127.0.0.1:8080", c.Listen)
	} else if external, err := url.Parse(c.ExternalURL); err != nil || external.Host == "" || external.Scheme != "http" && external.Scheme != "https" {
		file.add(at("external_url"), "external_url: %q is no http or https URL", c.ExternalURL)
	}
	if c.StateDir == "" {
		file.add(at("state_dir"), "state_dir is empty")
	}
	names := map[string]bool{}
	for i, f := range c.Forges {
		f.check(file, i)
		if names[f.Name] {
			file.add(at("forges", i, "name"), "forges[%d] (%s): the name is used twice", i, f.Name)
		}
		names[f.Name] = true
	}
	c.Builder.check(file)
	c.Builders.check(file)
	c.Signing.check(file)
	if c.Retention.Generations < 1 {
		file.add(at("retention", "generations"), "retention: generations must be at least 1")
	}
}

// isAddress tells whether a text is a host, which may be empty, and a port by its
// number.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// check notes what could not work of the forge that is number i of the file.
func (f ForgeConfig) check(file *settingsFile, i int) {
	add := func(key, format string, args ...any) {
		file.add(at("forges", i, key), "forges[%d] (%s): %s", i, f.Name, fmt.Sprintf(format, args...))
	}
	if !forgeName.MatchString(f.Name) {
		add("name", "name must be lower-case letters, digits, _ and -, at most 63")
	}
	switch forge.Kind(f.Kind) {
	case forge.KindForgejo, forge.KindGitHub, forge.KindGit:
	default:
		add("kind", "kind must be github, forgejo or git, not %q", f.Kind)
	}
	if f.URL == "" && forge.Kind(f.Kind) != forge.KindGitHub {
		add("url", "url is missing")
	}
	isApp := f.AppID != 0 || f.KeyFile != ""
	switch {
	case isApp && forge.Kind(f.Kind) != forge.KindGitHub:
		add("app_id", "app_id and key_file are of kind github")
	case isApp && (f.AppID <= 0 || f.KeyFile == ""):
		add("app_id", "a GitHub App needs both app_id, a positive number, and key_file")
	case isApp && f.TokenFile != "":
		add("token_file", "a GitHub App has no token_file: give app_id and key_file, or token_file")
	}
	if len(f.WebhookSecretFiles) == 0 {
		add("webhook_secret_files", "webhook_secret_files is missing: without a secret anybody could start builds")
	}
}

// check notes what could not work.
func (c BuilderConfig) check(file *settingsFile) {
	add := func(key, format string, args ...any) { file.add(at("builder", key), "builder: "+format, args...) }
	switch c.Driver {
	case driverAuto, driverRootfs, driverMock, driverHost, noDriver:
	default:
		add("driver", "driver must be auto, rootfs, mock, host or none, not %q", c.Driver)
	}
	file.checkWords("builder: ", at("builder", "arches"), c.Arches)
	file.checkWords("builder: ", at("builder", "emulate"), c.Emulate)
	for _, name := range c.Emulate {
		if slices.Contains(c.Arches, name) {
			add("emulate", "emulate: %s is among arches, which this machine runs by itself", name)
		}
	}
	c.Limits.check(file, "builder: ", at("builder", "limits"))
	if c.Capacity < 1 || c.Capacity > 1000 {
		add("capacity", "capacity must be between 1 and 1000, not %d", c.Capacity)
	}
}

// checkWords notes those of a list that can't be names of architectures or
// channels, or are there twice.
func (f *settingsFile) checkWords(where string, path []any, list []string) {
	for i, name := range list {
		if !hostWord.MatchString(name) {
			f.add(append(slices.Clone(path), i), "%s%v: %q is no name", where, path[len(path)-1], name)
		} else if slices.Contains(list[:i], name) {
			f.add(append(slices.Clone(path), i), "%s%v: %s is there twice", where, path[len(path)-1], name)
		}
	}
}
