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
			repomd, err = d.download(ctx, strings.TrimRight(repo.URL, "/")+"/repodata/repomd.xml")
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

func (d *Driver) download(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := d.config.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	return readBounded(response.Body)
}

// rootVersion changes when base roots are made in another way.
const rootVersion = 1

// rootKey names a base root by all that goes into it.
func rootKey(recipe builders.Recipe, repoKey, mapping string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %q %q %q %q %q\n", rootVersion, recipe.Tag, recipe.Arch, repoKey, mapping, recipe.Install)
	return hex.EncodeToString(sum.Sum(nil))[:40]
}
