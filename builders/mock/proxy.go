package mock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/builders/buildroot"
	"github.com/distbot/distbot/internal/repomd"
)

// readHeaderTime bounds how long a client of the proxy may take to ask.
const readHeaderTime = 10 * time.Second

// maxRepomd bounds repomd.xml.
const maxRepomd = 1 << 20

// offer gives the run its configuration, and a proxy if the recipe has
// repositories on the network.
func (j *job) offer(l *launch) error {
	repos := j.order.Root.Repos
	if !slices.ContainsFunc(repos, func(r builders.Repo) bool { return buildroot.Dir(r) == "" }) {
		return writeFixed(j.configFile(), []byte(j.jobConfig(repos)))
	}
	p := &proxy{client: j.driver.config.HTTP, repos: make([]*proxied, len(repos))}
	for i, repo := range repos {
		if buildroot.Dir(repo) != "" {
			continue
		}
		base, err := url.Parse(repo.URL)
		if err != nil {
			return fmt.Errorf("mock: the URL of repository %s can't be understood", repo.Name)
		}
		p.repos[i] = &proxied{client: p.client, base: base}
	}
	l.repositories = p
	l.configure = func(address string) error {
		inside := slices.Clone(repos)
		for i := range inside {
			if p.repos[i] != nil {
				inside[i].URL = address + "/" + strconv.Itoa(i)
			}
		}
		return writeFixed(j.configFile(), []byte(j.jobConfig(inside)))
	}
	return nil
}

// proxy hands out the files of repositories on the network to a root that has
// no network: repomd.xml, what it names, and the packages that primary.xml
// lists. Whoever asks can't say anything to the repository's server but which
// of these he wants. It implements http.Handler.
type proxy struct {
	client *http.Client
	repos  []*proxied // by their place in the recipe; nil for those of this host
}

// proxied is one repository.
type proxied struct {
	client *http.Client
	base   *url.URL

	mu       sync.Mutex
	repomd   []byte
	metadata map[string]bool // locations in repomd.xml
	primary  string
	packages map[string]bool // locations in primary.xml, nil before it is read
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	i, err := strconv.Atoi(number)
	if r.Method != http.MethodGet && r.Method != http.MethodHead || err != nil || i < 0 || i >= len(p.repos) || p.repos[i] == nil || r.URL.RawQuery != "" {
		http.NotFound(w, r)
		return
	}
	if err := p.repos[i].serve(w, r, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		http.Error(w, err.Error(), http.StatusBadGateway)
	} else if err != nil {
		http.NotFound(w, r)
	}
}

// serve answers for one path of the repository. fs.ErrNotExist means that it is
// none of the repository's.
func (r *proxied) serve(w http.ResponseWriter, request *http.Request, path string) error {
	text, err := r.describe(request.Context())
	if err != nil {
		return err
	}
	if path == "repodata/repomd.xml" {
		http.ServeContent(w, request, "repomd.xml", time.Time{}, bytes.NewReader(text))
		return nil
	}
	if err := r.allow(request.Context(), path); err != nil {
		return err
	}
	answer, err := r.get(request.Context(), path, request.Header.Get("Range"))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for _, header := range []string{"Content-Length", "Content-Range", "Content-Type"} {
		if value := answer.Header.Get(header); value != "" {
			w.Header().Set(header, value)
		}
	}
	w.WriteHeader(answer.StatusCode)
	if request.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(w, answer.Body); err != nil {
		panic(http.ErrAbortHandler) // the answer has begun: the client must see that it is cut off
	}
	return nil
}

// describe reads repomd.xml, once.
func (r *proxied) describe(ctx context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repomd != nil {
		return r.repomd, nil
	}
	answer, err := r.get(ctx, "repodata/repomd.xml", "")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("repomd.xml: %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxRepomd+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRepomd {
		return nil, errors.New("repomd.xml is larger than 1 MiB")
	}
	md, err := repomd.ReadRepomd(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.metadata = map[string]bool{}
	for _, data := range md.Data {
		r.metadata[data.Href] = true
		if data.Type == "primary" {
			r.primary = data.Href
		}
	}
	r.repomd = text
	return text, nil
}

// allow returns fs.ErrNotExist for what is none of the repository's.
func (r *proxied) allow(ctx context.Context, path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.metadata[path] {
		return nil
	}
	if r.packages == nil {
		packages, err := r.list(ctx)
		if err != nil {
			return err
		}
		r.packages = packages
	}
	if !r.packages[path] {
		return fs.ErrNotExist
	}
	return nil
}

// list reads the locations of packages.
func (r *proxied) list(ctx context.Context) (map[string]bool, error) {
	if r.primary == "" {
		return nil, errors.New("repomd.xml names no primary.xml")
	}
	answer, err := r.get(ctx, r.primary, "")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", r.primary, answer.Status)
	}
	text, err := repomd.Decompress(r.primary, answer.Body)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	packages := map[string]bool{}
	err = repomd.ReadPrimary(text, func(pkg repomd.PrimaryPackage) error {
		packages[pkg.Href] = true
		return nil
	})
	return packages, err
}

// get asks the repository's server. Errors hold no password that the URL may
// have.
func (r *proxied) get(ctx context.Context, path, ranges string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, errors.New("its URL can't be understood")
	}
	if ranges != "" {
		request.Header.Set("Range", ranges)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	return answer, nil
}
