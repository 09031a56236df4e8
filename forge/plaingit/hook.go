package plaingit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/forge"
)

// Names inside a bare repository.
const (
	// HookConfigFile holds HookConfig as JSON.
	HookConfigFile = "distbot-hook.json"

	hookFile    = "hooks/post-receive"
	foreignHook = "hooks/post-receive.before-distbot"
	hookMarker  = "# distbot post-receive hook."
	maxHookFile = 64 << 10
)

// ErrForeignHook says that the repository has a post-receive hook that distbot
// did not write.
var ErrForeignHook = errors.New("plaingit: the repository has a post-receive hook of its own")

// HookConfig is what a repository's hook needs to know.
type HookConfig struct {
	// URL is distbot's endpoint for this forge,
	// https://distbot.example.org/webhooks/NAME.
	URL string `json:"url"`
	// Repository is the full name that deliveries carry: the path below the
	// forge's root without ".git".
	Repository string `json:"repository"`
	// SecretFile holds the webhook secret; see forge.ReadSecretFile. It must
	// be readable by the users that git runs hooks as.
	SecretFile string `json:"secret_file"`
	// Command is the absolute path of the distbot binary. Only InstallHook
	// uses it.
	Command string `json:"-"`
	// Force lets InstallHook replace a foreign hook; the old one is kept
	// beside it as post-receive.before-distbot and no longer runs.
	Force bool `json:"-"`
}

// Check returns an error that says which setting is wrong.
func (c HookConfig) Check() error {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return errors.New("plaingit: check hook: url is not an http or https address without a user")
	}
	if err := forge.CheckFullName(c.Repository, 1, maxElements); err != nil {
		return fmt.Errorf("plaingit: check hook: repository %w", err)
	}
	if !filepath.IsAbs(c.SecretFile) {
		return errors.New("plaingit: check hook: secret_file is not an absolute path")
	}
	return nil
}

// InstallHook writes the post-receive hook and its settings into the bare
// repository repoDir. It changes nothing that is already right, and returns
// ErrForeignHook rather than replace a hook of somebody else's.
func InstallHook(repoDir string, config HookConfig) error {
	if err := config.Check(); err != nil {
		return err
	}
	if !filepath.IsAbs(config.Command) || strings.ContainsAny(config.Command, "\x00\n") {
		return errors.New("plaingit: install hook: command is not an absolute path")
	}
	repoDir, err := filepath.Abs(repoDir)
	if err != nil {
		return fmt.Errorf("plaingit: install hook: %w", err)
	}
	repo, err := os.OpenRoot(repoDir)
	if err != nil {
		return fmt.Errorf("plaingit: install hook: %w", err)
	}
	defer repo.Close()
	if err := installHook(repo, config); err != nil {
		return fmt.Errorf("plaingit: install hook in %s: %w", repoDir, err)
	}
	return nil
}

func installHook(repo *os.Root, config HookConfig) error {
	if _, err := repo.Stat("HEAD"); err != nil {
		return fmt.Errorf("not a bare repository: %w", err)
	}
	if err := setAside(repo, config.Force); err != nil {
		return err
	}
	settings, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(repo, HookConfigFile, append(settings, '\n'), 0o644); err != nil {
		return err
	}
	if err := repo.Mkdir("hooks", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// The settings come first: a hook that runs finds them.
	return replaceFile(repo, hookFile, []byte(script(config.Command)), 0o755)
}

// setAside keeps a foreign hook under another name, if it may be replaced.
func setAside(repo *os.Root, force bool) error {
	old, err := readFile(repo, hookFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Contains(old, []byte(hookMarker)) {
		return nil
	}
	if !force {
		// A hook that can't be read is as foreign as one that says so.
		return ErrForeignHook
	}
	return repo.Rename(hookFile, foreignHook)
}

// script is the hook itself. Git runs it in the repository's directory.
func script(command string) string {
	return `#!/bin/sh
` + hookMarker + `
# Tells distbot which refs a push moved, so that it builds them. Git feeds
# "OLD NEW REF" lines on standard input. It never makes a push fail.
# Its settings are in ` + HookConfigFile + `; to stop it, delete this file.
exec ` + shellQuote(command) + ` hook post-receive --config "$PWD/` + HookConfigFile + `"
`
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ReadHookConfig reads the settings that InstallHook wrote.
func ReadHookConfig(path string) (HookConfig, error) {
	f, err := os.Open(path)
	if err != nil {
		return HookConfig{}, fmt.Errorf("plaingit: read hook settings: %w", err)
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, maxHookFile))
	decoder.DisallowUnknownFields()
	var config HookConfig
	if err := decoder.Decode(&config); err != nil {
		return HookConfig{}, fmt.Errorf("plaingit: read hook settings %s: %w", path, err)
	}
	if err := config.Check(); err != nil {
		return HookConfig{}, err
	}
	return config, nil
}

// replaceFile makes the file have this content and mode, in one step, and does
// nothing when it has.
func replaceFile(root *os.Root, name string, content []byte, mode fs.FileMode) error {
	old, err := readFile(root, name)
	if err == nil && bytes.Equal(old, content) {
		if info, err := root.Lstat(name); err == nil && info.Mode() == mode {
			return nil
		}
	}
	partial := name + ".distbot-new"
	if err := writeFile(root, partial, content, mode); err != nil {
		return err
	}
	return root.Rename(partial, name)
}

// writeFile writes a new file down to the disk, in place of a left-over.
func writeFile(root *os.Root, name string, content []byte, mode fs.FileMode) error {
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	// The umask of whoever pushes or installs does not count.
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHookFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxHookFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxHookFile)
	}
	return data, nil
}
