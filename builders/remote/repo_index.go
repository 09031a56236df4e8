package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"

	"github.com/distbot/distbot/internal/repomd"
)

// listed is what a repository says of one of its files.
type listed struct {
	sum  string
	size int64
}

// lookUp finds what the repository says of a file. What can't be found is passed
// on without being kept.
func (p *RepoProxy) lookUp(ctx context.Context, repo *sharedRepo, source repoSource, path string) (listed, bool) {
	repo.indexing.Lock()
	defer repo.indexing.Unlock()
	if repo.index == nil {
		if err := p.readIndex(ctx, repo, source); err != nil {
			if passing(err) && !errors.Is(err, repomd.ErrMalformed) && !errors.Is(err, repomd.ErrTooLarge) {
				repo.index = nil // the next request may have more luck
			}
			if ctx.Err() == nil {
				p.logger.Warn("remote: packages of a repository can't be kept", "error", err)
			}
		}
	}
	file, ok := repo.index[path]
	return file, ok
}

// readIndex reads which files a repository has. repo.indexing is held. Of a
// repository whose list can't be read the index holds nothing, until its
// repomd.xml changes.
func (p *RepoProxy) readIndex(ctx context.Context, repo *sharedRepo, source repoSource) error {
	text, err := fetchAll(ctx, source, repomdPath, maxRepomd)
	if err != nil {
		return err
	}
	repo.repomd, repo.index = sha256.Sum256(text), map[string]listed{}
	documents, err := repomd.ReadRepomd(bytes.NewReader(text))
	if err != nil {
		return err
	}
	for _, document := range documents.Data {
		if isSHA256(document.SHA256) && document.Size > 0 {
			repo.index[document.Href] = listed{document.SHA256, document.Size}
		}
	}
	primary, ok := documents.Find("primary")
	if !ok {
		return local(errors.New("it has no primary.xml"))
	}
	return p.readPrimary(ctx, repo, source, primary)
}

// readPrimary adds the packages to a repository's index. dnf will want the
// document, too: it is kept.
func (p *RepoProxy) readPrimary(ctx context.Context, repo *sharedRepo, source repoSource, primary repomd.Data) error {
	if kept := p.cache.open(primary.SHA256); kept != nil {
		defer kept.Close()
		return repo.addPackages(primary.Href, kept)
	}
	response, err := source.get(ctx, primary.Href, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	fill := p.cache.fill(primary.SHA256, primary.Size)
	if fill == nil {
		return repo.addPackages(primary.Href, response.Body)
	}
	body := io.TeeReader(response.Body, fill)
	err = repo.addPackages(primary.Href, body)
	if err == nil {
		// What follows the compressed document belongs to the file.
		_, err = io.Copy(io.Discard, io.LimitReader(body, primary.Size))
	}
	return errors.Join(err, fill.end())
}

// addPackages adds what a primary.xml lists to the index.
func (repo *sharedRepo) addPackages(name string, body io.Reader) error {
	document, err := repomd.Decompress(name, body)
	if err != nil {
		return err
	}
	defer document.Close()
	return repomd.ReadPrimary(document, func(pkg repomd.PrimaryPackage) error {
		if pkg.ChecksumType == "sha256" && isSHA256(pkg.Checksum) && pkg.Size > 0 {
			repo.index[pkg.Href] = listed{pkg.Checksum, pkg.Size}
		}
		return nil
	})
}

func isSHA256(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}
