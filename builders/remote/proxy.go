package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	repomdPath = "repodata/repomd.xml"
	// maxRepomd bounds repomd.xml.
	maxRepomd = 4 << 20
	// keepShared is how many repositories that nobody uses are remembered.
	keepShared = 32
)

// RepoProxy serves repositories to the drivers of this host, on a port of the
// loopback interface and below a secret path: those of the hub, for which it
// shows the host's certificate and the attempt's token, and those elsewhere. It
// keeps the packages it has served.
//
// A repository has the same URL for as long as it has the same content, from one
// task to the next and after a restart: dnf keeps what it knows of a repository
// by the URL. One that nobody works with is not served. It is safe for
// concurrent use.
type RepoProxy struct {
	cache *Cache
	// outside fetches repositories that are not the hub's.
	outside *http.Client
	logger  *slog.Logger

	secret   string
	listener net.Listener
	server   *http.Server

	mu     sync.Mutex
	shared map[string]*sharedRepo
}

// OpenProxy listens, at the port of last time if it is free, and keeps that and
// the secret in the file state. outside fetches repositories that are not the
// hub's.
func OpenProxy(ctx context.Context, state string, cache *Cache, outside *http.Client, logger *slog.Logger) (*RepoProxy, error) {
	p := &RepoProxy{cache: cache, outside: outside, logger: logger, shared: map[string]*sharedRepo{}}
	if err := p.listen(ctx, state); err != nil {
		return nil, fmt.Errorf("remote: open proxy for repositories: %w", err)
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	go func() {
		// Its error is that of Close.
		_ = p.server.Serve(p.listener)
	}()
	return p, nil
}

// secretLength is the length of newSecret.
const secretLength = 64

func (p *RepoProxy) listen(ctx context.Context, state string) (err error) {
	port := "0"
	text, err := os.ReadFile(state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if fields := strings.Fields(string(text)); len(fields) == 2 && len(fields[1]) == secretLength {
		port, p.secret = fields[0], fields[1]
	} else {
		p.secret = newSecret()
	}
	var config net.ListenConfig
	p.listener, err = config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil && port != "0" {
		// Somebody else has it now.
		p.listener, err = config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return err
	}
	_, port, err = net.SplitHostPort(p.listener.Addr().String())
	if err != nil {
		return err
	}
	if err := os.WriteFile(state+partSuffix, []byte(port+" "+p.secret+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(state+partSuffix, state)
}

// Close ends the serving.
func (p *RepoProxy) Close() error { return p.server.Close() }

// repoSource fetches files of a repository, with a header for ranges. Its
// answers are 2xx.
type repoSource struct {
	get func(ctx context.Context, path string, header http.Header) (*http.Response, error)
	// ofHub repositories never change; others are known by their url.
	ofHub bool
	url   string
}

// external is the repository at a URL outside of the hub.
func (p *RepoProxy) external(base string) repoSource {
	return repoSource{url: base, get: func(ctx context.Context, path string, header http.Header) (*http.Response, error) {
		where, err := url.Parse(base)
		if err != nil || where.Scheme != "http" && where.Scheme != "https" {
			return nil, local(errors.New("its URL can't be understood"))
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, where.JoinPath(path).String(), nil)
		if err != nil {
			return nil, local(errors.New("its URL can't be understood"))
		}
		for name, values := range header {
			r.Header[name] = values
		}
		r.Header.Set("Accept-Encoding", "identity")
		response, err := p.outside.Do(r)
		if err != nil {
			return nil, err
		}
		if response.StatusCode/100 != 2 {
			response.Body.Close()
			return nil, &AnswerError{Status: response.StatusCode, Message: where.Redacted()}
		}
		return response, nil
	}}
}

// sharedRepo is a repository that attempts use, or used.
type sharedRepo struct {
	// users are the sources of the attempts that use it; any will do.
	users []*repoSource
	used  time.Time

	// indexing is held by who reads the index.
	indexing sync.Mutex
	// repomd is the digest of the repomd.xml that index belongs to.
	repomd [sha256.Size]byte
	index  map[string]listed
}

// share serves a repository until end is called, and returns its URL.
func (p *RepoProxy) share(ctx context.Context, source repoSource) (repoURL string, end func(), err error) {
	key := sha256.Sum256([]byte(source.url))
	if source.ofHub {
		text, err := fetchAll(ctx, source, repomdPath, maxRepomd)
		if err != nil {
			return "", nil, err
		}
		key = sha256.Sum256(text)
	}
	name := hex.EncodeToString(key[:])[:40]
	user := &source
	p.mu.Lock()
	defer p.mu.Unlock()
	repo := p.shared[name]
	if repo == nil {
		repo = &sharedRepo{}
		p.shared[name] = repo
	}
	repo.users, repo.used = append(repo.users, user), time.Now()
	end = sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, u := range repo.users {
			if u == user {
				repo.users = append(repo.users[:i:i], repo.users[i+1:]...)
			}
		}
		repo.used = time.Now()
		p.prune()
	})
	return "http://" + p.listener.Addr().String() + "/" + p.secret + "/" + name, end, nil
}

// prune forgets the repositories that were not used for longest. p.mu is held.
func (p *RepoProxy) prune() {
	for len(p.shared) > keepShared {
		oldest := ""
		for name, repo := range p.shared {
			if len(repo.users) == 0 && (oldest == "" || repo.used.Before(p.shared[oldest].used)) {
				oldest = name
			}
		}
		if oldest == "" {
			return
		}
		delete(p.shared, oldest)
	}
}

// fetchAll fetches a file of at most so many bytes.
func fetchAll(ctx context.Context, source repoSource, path string, most int64) ([]byte, error) {
	response, err := source.get(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err == nil && int64(len(text)) > most {
		err = local(fmt.Errorf("%s has more than %d bytes", path, most))
	}
	return text, err
}

// ServeHTTP implements http.Handler.
func (p *RepoProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, path, _ := strings.Cut(rest, "/")
	if subtle.ConstantTimeCompare([]byte(secret), []byte(p.secret)) != 1 || !fs.ValidPath(path) || !filepath.IsLocal(path) {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "repositories are read only", http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	repo := p.shared[name]
	var source *repoSource
	if repo != nil && len(repo.users) > 0 {
		source = repo.users[len(repo.users)-1]
	}
	p.mu.Unlock()
	if source == nil {
		http.NotFound(w, r)
		return
	}
	err := p.serve(w, r, repo, *source, path)
	if err != nil && r.Context().Err() == nil {
		p.logger.Warn("remote: repository can't be read", "path", path, "error", err)
	}
	if errors.Is(err, errBroken) {
		// What was promised can't be kept: the driver must notice.
		panic(http.ErrAbortHandler)
	}
}

// serve answers with a file of a repository.
func (p *RepoProxy) serve(w http.ResponseWriter, r *http.Request, repo *sharedRepo, source repoSource, path string) error {
	if path == repomdPath {
		return p.serveRepomd(w, r, repo, source)
	}
	file, ok := p.lookUp(r.Context(), repo, source, path)
	if !ok {
		return p.pass(w, r, source, path, nil)
	}
	if kept := p.cache.open(file.sum); kept != nil {
		defer kept.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, path, time.Time{}, kept)
		return nil
	}
	if r.Method != http.MethodGet || r.Header.Get("Range") != "" {
		return p.pass(w, r, source, path, nil)
	}
	fill := p.cache.fill(file.sum, file.size)
	if fill == nil {
		return p.pass(w, r, source, path, nil)
	}
	err := p.pass(w, r, source, path, fill)
	return errors.Join(err, fill.end())
}

// errBroken says that an answer broke off after it had begun.
var errBroken = errors.New("remote: the answer broke off")

// serveRepomd answers with repomd.xml, from which on the index is another when
// it is another.
func (p *RepoProxy) serveRepomd(w http.ResponseWriter, r *http.Request, repo *sharedRepo, source repoSource) error {
	text, err := fetchAll(r.Context(), source, repomdPath, maxRepomd)
	if err != nil {
		badGateway(w, err)
		return err
	}
	repo.indexing.Lock()
	if sha256.Sum256(text) != repo.repomd {
		repo.index = nil
	}
	repo.indexing.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	http.ServeContent(w, r, "repomd.xml", time.Time{}, bytes.NewReader(text))
	return nil
}

// pass answers with what the source gives, and writes a whole file to also.
func (p *RepoProxy) pass(w http.ResponseWriter, r *http.Request, source repoSource, path string, also io.Writer) error {
	header := http.Header{}
	if ranges := r.Header.Get("Range"); ranges != "" {
		header.Set("Range", ranges)
	}
	response, err := source.get(r.Context(), path, header)
	if err != nil {
		badGateway(w, err)
		return err
	}
	defer response.Body.Close()
	for _, name := range []string{"Content-Type", "Content-Range", "Accept-Ranges", "Last-Modified", "Etag"} {
		if value := response.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	if response.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
	}
	w.WriteHeader(response.StatusCode)
	if r.Method == http.MethodHead {
		return nil
	}
	body, stop := watched(response.Body)
	defer stop()
	if also != nil {
		body = io.TeeReader(body, also)
	}
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// badGateway passes on that a source could not answer.
func badGateway(w http.ResponseWriter, err error) {
	var answer *AnswerError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	http.Error(w, "the repository can't be read", http.StatusBadGateway)
}
