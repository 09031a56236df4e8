package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
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

	// dir is where the file lies: relative paths start there.
	dir string
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
		return fmt.Errorf("line %d: %q is no duration, such as 90s or 24h", node.Line, node.Value)
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
		return fmt.Errorf("line %d: %q is no size, such as 512M or 8G", node.Line, node.Value)
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
	return config, nil
}

// parseConfig reads a configuration whose relative paths start at dir.
func parseConfig(text []byte, dir string) (Config, error) {
	config := defaultConfig()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, inWords(err)
	}
	config.dir = dir
	config.StateDir = config.path(config.StateDir)
	config.Distro = config.path(config.Distro)
	if config.ExternalURL == "" {
		config.ExternalURL = "http://" + config.Listen
	}
	return config, config.check()
}

// unknownField is yaml's complaint about a key, which names a type of ours.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// wrongType is its complaint about a value, which does the same.
var wrongType = regexp.MustCompile("cannot unmarshal !!\\w+( `[^`]*`)? into \\S+")

// inWords tells the mistakes of a file in an administrator's words, on one
// line.
func inWords(err error) error {
	var mistakes *yaml.TypeError
	if !errors.As(err, &mistakes) {
		return err
	}
	text := unknownField.ReplaceAllString(strings.Join(mistakes.Errors, "; "), `unknown key "$1"`)
	return errors.New(wrongType.ReplaceAllString(text, "the value$1 is not what this key takes"))
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

// check refuses what could not work, all of it at once.
func (c Config) check() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if external, err := url.Parse(c.ExternalURL); err != nil || external.Host == "" || external.Scheme != "http" && external.Scheme != "https" {
		add("external_url: %q is no http or https URL", c.ExternalURL)
	}
	names := map[string]bool{}
	for i, f := range c.Forges {
		where := fmt.Sprintf("forges[%d] (%s)", i, f.Name)
		if !forgeName.MatchString(f.Name) {
			add("%s: name must be lower-case letters, digits, _ and -, at most 63", where)
		}
		if names[f.Name] {
			add("%s: the name is used twice", where)
		}
		names[f.Name] = true
		switch forge.Kind(f.Kind) {
		case forge.KindForgejo, forge.KindGitHub, forge.KindGit:
		default:
			add("%s: kind must be github, forgejo or git, not %q", where, f.Kind)
		}
		if f.URL == "" && forge.Kind(f.Kind) != forge.KindGitHub {
			add("%s: url is missing", where)
		}
		if len(f.WebhookSecretFiles) == 0 {
			add("%s: webhook_secret_files is missing: without a secret anybody could start builds", where)
		}
	}
	switch c.Builder.Driver {
	case driverAuto, driverRootfs, driverMock, driverHost, noDriver:
	default:
		add("builder: driver must be auto, rootfs, mock, host or none, not %q", c.Builder.Driver)
	}
	for key, list := range map[string][]string{"arches": c.Builder.Arches, "emulate": c.Builder.Emulate} {
		for _, name := range list {
			if !hostWord.MatchString(name) {
				add("builder: %s: %q is no name", key, name)
			}
		}
	}
	for _, name := range c.Builder.Emulate {
		if slices.Contains(c.Builder.Arches, name) {
			add("builder: emulate: %s is among arches, which this machine runs by itself", name)
		}
	}
	if c.Builder.Capacity < 1 || c.Builder.Capacity > 1000 {
		add("builder: capacity must be between 1 and 1000, not %d", c.Builder.Capacity)
	}
	for _, err := range c.Builders.check() {
		add("builders: %w", err)
	}
	if c.Retention.Generations < 1 {
		add("retention: generations must be at least 1")
	}
	return errors.Join(problems...)
}
