package buildroot

import (
	"bytes"
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
	"slices"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/internal/repomd"
)

// Dir is the directory of a repository on this host, or empty for one on the
// network.
func Dir(repo builders.Repo) string {
	dir, ok := strings.CutPrefix(repo.URL, "file://")
	if !ok {
		return ""
	}
	return dir
}

// maxRepomd bounds repomd.xml.
const maxRepomd = 1 << 20

// ContentKey reads what identifies the content of repositories, and returns a
// key that changes exactly when that does, and the repomd.xml of each. Where the
// repositories are, and what their repomd.xml says of revisions and times, is no
// content: another generation of the same packages has the same key. A
// repository that can't be read is a *builders.Failure.
func ContentKey(ctx context.Context, client *http.Client, repos []builders.Repo) (key string, repomds [][]byte, err error) {
	sum := sha256.New()
	for _, repo := range repos {
		text, err := readRepomd(ctx, client, repo)
		if err != nil {
			// A directory that is not there is a mistake of the configuration,
			// everything else may pass.
			return "", nil, &builders.Failure{
				Phase: builders.PhaseBuildroot, Infrastructure: !errors.Is(err, fs.ErrNotExist), Err: err,
				Reason: fmt.Sprintf("repository %s can't be read: %v", repo.Name, err),
			}
		}
		fmt.Fprintf(sum, "%q %d %s\n", repo.Name, repo.Cost, identity(text))
		repomds = append(repomds, text)
	}
	return hex.EncodeToString(sum.Sum(nil)), repomds, nil
}

// identity is the same for two repomd.xml that describe the same content. One
// that does not say by SHA-256 what it describes stands for itself.
func identity(text []byte) string {
	md, err := repomd.ReadRepomd(bytes.NewReader(text))
	if err != nil || len(md.Data) == 0 || slices.ContainsFunc(md.Data, func(d repomd.Data) bool { return d.SHA256 == "" }) {
		return fmt.Sprintf("file %x", sha256.Sum256(text))
	}
	return md.Identity()
}

func readRepomd(ctx context.Context, client *http.Client, repo builders.Repo) ([]byte, error) {
	if dir := Dir(repo); dir != "" {
		return readFile(filepath.Join(dir, "repodata", "repomd.xml"))
	}
	return download(ctx, client, repo.URL)
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
func download(ctx context.Context, client *http.Client, repo string) ([]byte, error) {
	where, err := url.Parse(repo)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	where = where.JoinPath("repodata", "repomd.xml")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", where.Redacted(), response.Status)
	}
	return readBounded(response.Body)
}
