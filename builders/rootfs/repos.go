package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
)

// mountedRepo is a repository as dnf sees it inside the sandbox.
type mountedRepo struct {
	// Repo has the URL that dnf is given.
	builders.Repo
	// dir is the directory of this host that is mounted for it, empty for a
	// repository on the network.
	dir string
	// repomd is the repomd.xml that was read.
	repomd []byte
}

// readRepos reads what identifies the content of a recipe's repositories.
func (d *Driver) readRepos(ctx context.Context, recipe builders.Recipe) (repos []mountedRepo, key string, err error) {
	key, repomds, err := buildroot.ContentKey(ctx, d.config.HTTP, recipe.Repos)
	if err != nil {
		return nil, "", err
	}
	for i, repo := range recipe.Repos {
		mounted := mountedRepo{Repo: repo, dir: buildroot.Dir(repo)}
		if mounted.dir != "" {
			mounted.URL = fmt.Sprintf("file://%s/%d", repoRoot, i)
		}
		mounted.repomd = repomds[i]
		repos = append(repos, mounted)
	}
	return repos, key, nil
}

// rootVersion changes when base roots are made in another way.
const rootVersion = 3

// rootKey names what is made for an architecture of what of says; tags that are
// made of the same share it. It holds until the next boot: nothing is forced to
// the disk while a root is installed, and after a power failure its files may be
// empty.
func rootKey(arch, mapping, boot string, of ...string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %q %q %q %q\n", rootVersion, arch, mapping, boot, of)
	return hex.EncodeToString(sum.Sum(nil))[:40]
}

// bootID is the kernel's name for the time since it started (random(4)), or
// empty where it has none.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
