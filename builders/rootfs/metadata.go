package rootfs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/diagnosis"
	"github.com/distbot/distbot/internal/sandbox"
)

// Publishing changes the content of a repository, but seldom what a base root
// is made of. So dnf is asked what it would install of a new content, by the
// command and the configuration by which it installs, and ended before it
// downloads a package: its answer, with the digests of the packages, is the key of
// the base root. What another solver would say does not matter, nor what could
// have an influence on dnf: groups, priorities, excludes, weak dependencies.
//
// What dnf keeps of the repositories stays beside the answer, for the builds in
// this content: dnf looks for their requirements in what is there now, whatever
// the base root was installed from.

// Names in the directory of a content's metadata.
const (
	cacheDir    = "cache"    // dnf's
	answerDir   = "resolved" // the plugin's
	packageFile = "packages.json"
)

// Places inside the sandbox in which dnf is asked.
const (
	pluginDir = dnfHome + "/plugins"
	answerIn  = dnfHome + "/resolved"
)

// resolver is a plugin of dnf 4 that writes down the packages which dnf decided
// to install, and ends dnf, come what may.
const resolver = `import json
import sys

import dnf


class Resolver(dnf.Plugin):
    name = "distbot_resolver"

    def resolved(self):
        try:
            transaction = self.base.transaction
            answer = {
                "install": [(str(p),) + p.returnIdSum() for p in transaction.install_set],
                "remove": [str(p) for p in transaction.remove_set],
            }
            with open("` + answerIn + "/" + packageFile + `", "w") as out:
                json.dump(answer, out)
        finally:
            sys.exit(0)
`

// resolve asks dnf for the packages of a base root, and keeps its answer and
// its metadata in dir. Nothing of a package runs.
func (b *bases) resolve(ctx context.Context, root *base, recipe builders.Recipe, dir string, log *diagnosis.Log) error {
	start := time.Now()
	fmt.Fprintf(log, "# resolving the packages of the base root for tag %s: %s\n", recipe.Tag, strings.Join(recipe.Install, " "))
	if err := b.makeDirs(ctx, dir, cacheDir, answerDir); err != nil {
		return err
	}
	ask := dnf{
		machine: b.driver.machines[recipe.Arch], step: diagnosis.StepRoot, repos: root.repos, log: log,
		root:  sandbox.Mount{Type: sandbox.TypeDir, Target: installRoot},
		cache: sandbox.Mount{Source: filepath.Join(dir, cacheDir), Target: dnfCache},
		extra: []sandbox.Mount{
			{Source: filepath.Join(dir, answerDir), Target: answerIn},
			{Type: sandbox.TypeFile, Target: pluginDir + "/distbot_resolver.py", Data: []byte(resolver)},
		},
		budget: b.newBudget("resolving the base root", dir),
	}
	options := []string{"--setopt=pluginpath=" + pluginDir, "--enableplugin=distbot_resolver", "install"}
	err := ask.once(ctx, ask.remote(), append(options, recipe.Install...))
	if err := b.judge(ctx, root, recipe, err); err != nil {
		return err
	}
	packages, err := readResolution(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "# %d packages, in %.2f s\n", len(packages), time.Since(start).Seconds())
	return nil
}

// resolution is the resolver's answer.
type resolution struct {
	// Install holds for each package its NEVRA, the kind of its digest and the
	// digest.
	Install [][3]*string `json:"install"`
	Remove  []string     `json:"remove"`
}

// maxResolution bounds the answer, in bytes. A package takes about 120.
const maxResolution = 32 << 20

// readResolution reads which packages a base root has, from the directory of
// its metadata: the NEVRA and the digest of each, in the same order for the same
// packages. It is nil when digests don't tell packages apart.
func readResolution(dir string) ([]string, error) {
	file, err := openBelow(dir, answerDir+"/"+packageFile)
	if err != nil {
		return nil, fmt.Errorf("rootfs: dnf did not say what it would install: %w", err)
	}
	defer file.Close()
	var answer resolution
	if err := json.NewDecoder(io.LimitReader(file, maxResolution)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("rootfs: read what dnf would install: %w", err)
	}
	if len(answer.Install) == 0 {
		return nil, fmt.Errorf("rootfs: dnf would install nothing: %.200q", answer.Remove)
	}
	packages := make([]string, len(answer.Install))
	for i, p := range answer.Install {
		if len(answer.Remove) > 0 || p[0] == nil || p[1] == nil || p[2] == nil || !slices.Contains([]string{"sha256", "sha384", "sha512"}, *p[1]) {
			return nil, nil
		}
		packages[i] = *p[0] + " " + *p[1] + " " + *p[2]
	}
	slices.Sort(packages)
	return packages, nil
}

// cacheOver lets dnf write to its cache without changing what it has.
func cacheOver(metadata, upper, work string) sandbox.Mount {
	return sandbox.Mount{
		Type: sandbox.TypeOverlay, Target: dnfCache,
		Layers: sandbox.Root{Lower: []string{metadata}, Upper: upper, Work: work},
	}
}
