package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/forge"
	"github.com/distbot/distbot/forge/plaingit"
)

func hookCommands() []command {
	return []command{
		{
			name: "hook install", args: "REPOSITORY… [--forge NAME] [--force]", help: "let bare repositories report their pushes", run: hookInstall,
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("forge", "", "the `name` of the forge of kind git (default: the only one)")
				flags.Bool("force", false, "replace a post-receive hook of somebody else's, which is kept beside it")
			},
		},
		{
			name: "hook post-receive", args: "--config FILE", help: "what an installed hook runs", run: hookPostReceive,
			flags: func(flags *flag.FlagSet) {
				flags.String("config", plaingit.HookConfigFile, "the hook's settings `file`")
			},
		},
	}
}

// hookInstall installs the post-receive hook in repositories below the root of
// a forge of kind git.
func hookInstall(_ context.Context, t terminal, flags *flag.FlagSet) error {
	if flags.NArg() == 0 {
		return usage("expected one or more directories of bare repositories")
	}
	config, err := readConfig(flags)
	if err != nil {
		return err
	}
	c, err := gitForge(config, flags.Lookup("forge").Value.String())
	if err != nil {
		return err
	}
	installed := []hookView{}
	for _, dir := range flags.Args() {
		if err := installHook(config, c, dir, flags.Lookup("force").Value.String() == "true"); err != nil {
			return err
		}
		installed = append(installed, hookView{Repository: dir, URL: hookURL(config, c)})
		if !wantsJSON(flags) {
			fmt.Fprintf(t.stdout, "%s reports its pushes to %s\n", dir, hookURL(config, c))
		}
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, installed)
	}
	return nil
}

// hookView is a hook that was installed, for programs.
type hookView struct {
	Repository string `json:"repository"`
	URL        string `json:"url"`
}

// gitForge finds the forge of kind git by its name, or the only one.
func gitForge(config Config, name string) (ForgeConfig, error) {
	var found []ForgeConfig
	for _, c := range config.Forges {
		if forge.Kind(c.Kind) == forge.KindGit && (name == "" || c.Name == name) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return ForgeConfig{}, usage("%d forges of kind git fit: name one with --forge", len(found))
	}
	return found[0], nil
}

func hookURL(config Config, c ForgeConfig) string {
	return strings.TrimRight(config.ExternalURL, "/") + "/webhooks/" + c.Name
}

// installHook installs the hook in one bare repository.
func installHook(config Config, c ForgeConfig, dir string, force bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(config.path(c.URL), dir)
	if err != nil || !filepath.IsLocal(name) {
		return fmt.Errorf("%s is not below %s", dir, config.path(c.URL))
	}
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	return aboutHook(plaingit.InstallHook(dir, plaingit.HookConfig{
		URL: hookURL(config, c), Repository: strings.TrimSuffix(filepath.ToSlash(name), ".git"),
		SecretFile: config.path(c.WebhookSecretFiles[0]), Command: binary, Force: force,
	}))
}

// hookPostReceive reports a push. It never makes the push fail: git has taken
// it already.
func hookPostReceive(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	path, err := filepath.Abs(flags.Lookup("config").Value.String())
	if err != nil {
		return err
	}
	config, err := plaingit.ReadHookConfig(path)
	if err != nil {
		return err
	}
	notifier := plaingit.Notifier{RepoDir: filepath.Dir(path), Config: config, Pusher: plaingit.Pusher(t.getenv), Terminal: t.stderr}
	if err := notifier.Notify(ctx, t.stdin); err != nil {
		// The terminal has been told.
		return errFailed
	}
	return nil
}
