package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/distbot/distbot/builders"
)

// mountedRepo is a repository as dnf sees it inside the sandbox.
type mountedRepo struct {
	name string
	// url is what dnf is given; dir is the directory of this host that is
	// mounted for it, empty for a repository on the network.
	url, dir string
	cost     int
}

// maxRepomd bounds repomd.xml.
const maxRepomd = 1 << 20

// readRepos reads what identifies the content of a recipe's repositories.
func (d *Driver) readRepos(ctx context.Context, recipe builders.Recipe) (repos []mountedRepo, key string, err error) {
	sum := sha256.New()
	for i, repo := range recipe.Repos {
		mounted := mountedRepo{name: repo.Name, cost: repo.Cost, url: repo.URL}
		var repomd []byte
		if dir, ok := strings.CutPrefix(repo.URL, "file://"); ok {
			mounted.dir, mounted.url = dir, fmt.Sprintf("file://%s/%d", repoRoot, i)
			repomd, err = readFile(filepath.Join(dir, "repodata", "repomd.xml"))
		} else {
			repomd, err = d.download(ctx, repo.URL)
		}
		if err != nil {
			// A directory that is not there is a mistake of the configuration,
			// everything else may pass.
			return nil, "", &builders.Failure{
				Phase: builders.PhaseBuildroot, Infrastructure: !errors.Is(err, fs.ErrNotExist), Err: err,
				Reason: fmt.Sprintf("repository %s can't be read: %v", repo.Name, err),
			}
		}
		digest := sha256.Sum256(repomd)
		fmt.Fprintf(sum, "%q %d %x\n", repo.Name, repo.Cost, digest)
		repos = append(repos, mounted)
	}
	return repos, hex.EncodeToString(sum.Sum(nil)), nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file)
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRepomd+1))
	if err == nil && len(text) > maxRepomd {
		err = errors.New("repomd.xml is larger than 1 MiB")
	}
	return text, err
}

// download reads repomd.xml of the repository at a URL, which may hold a
// password: errors do not.
func (d *Driver) download(ctx context.Context, repo string) ([]byte, error) {
	where, err := url.Parse(repo)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	where = where.JoinPath("repodata", "repomd.xml")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	response, err := d.config.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", where.Redacted(), response.Status)
	}
	return readBounded(response.Body)
}

// rootVersion changes when base roots are made in another way.
const rootVersion = 2

// rootKey names a base root by all that goes into it; tags that are made of the
// same share it. It holds until the next boot: nothing is forced to the disk
// while a root is installed, and after a power failure its files may be empty.
func rootKey(recipe builders.Recipe, repoKey, mapping, boot string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %q %q %q %q %q\n", rootVersion, recipe.Arch, repoKey, mapping, recipe.Install, boot)
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
