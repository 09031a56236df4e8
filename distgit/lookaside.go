package distgit

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Layouts of lookaside caches, for Lookaside.Layout. Each is a path below
// Lookaside.Base.
const (
	// LayoutFedora is the one of Fedora (Base https://HOST/repo/pkgs) and
	// CentOS Stream (Base https://HOST/sources).
	LayoutFedora = "rpms/{name}/{file}/{hashtype}/{hash}/{file}"
	// LayoutFlat holds every file under its hash alone.
	LayoutFlat = "{name}/{hash}"
)

// Defaults of Lookaside.
const (
	DefaultMaxSourceBytes  = 4 << 30
	DefaultDownloadTimeout = 30 * time.Minute
)

// Lookaside fetches the sources of packages and keeps them by their digest.
//
// Its methods may be called by any number of goroutines and processes on the
// same Cache; a file that two ask for at once is downloaded twice at worst, and
// appears complete or not at all. It must not be copied after first use.
type Lookaside struct {
	// Base is an http or https URL without user, query or fragment.
	Base string
	// Layout is a path below Base in which {name} stands for the package,
	// {file} for the file, {hashtype} for the type in lower case, and {hash}.
	// Each is escaped. Default: LayoutFedora.
	Layout string
	// Cache is the folder of the files: Cache/TYPE/HASH. It is made when
	// missing. Nobody else may write there.
	Cache string
	// Transport does the requests. Default: http.DefaultTransport.
	Transport http.RoundTripper
	// MaxBytes bounds one file. Default: DefaultMaxSourceBytes.
	MaxBytes int64
	// Timeout bounds one download. Default: DefaultDownloadTimeout.
	Timeout time.Duration

	locks keyedLocks
}

// DigestError says that the lookaside gave another file than the sources file
// names. Asking again does not help.
type DigestError struct {
	File string
	// Type is the kind of hash; Want and Got are in hexadecimal.
	Type      HashType
	Want, Got string
}

// Error implements error.
func (e *DigestError) Error() string {
	return fmt.Sprintf("%s has another %s digest than the sources file names: %s instead of %s", e.File, e.Type, e.Got, e.Want)
}

// Fetch returns the path of a source in the cache, after downloading it if need
// be. The content has the digest that source names; what is in the cache was
// checked when it was written. The caller must not change the file.
//
// Redirects are followed within the scheme, host and port of Base and refused
// beyond. Errors: *DigestError, ErrSourceNotFound, ErrNotAllowed, *LimitError,
// and *TemporaryError for connections, timeouts, HTTP 429 and 5xx, a body that
// ends early and a full disk.
func (l *Lookaside) Fetch(ctx context.Context, packageName string, source SourceFile) (path string, err error) {
	path, err = l.fetch(ctx, packageName, source)
	if err != nil {
		return "", fmt.Errorf("distgit: fetch source %s of %s: %w", source.Name, packageName, classify(ctx, err))
	}
	return path, nil
}

func (l *Lookaside) fetch(ctx context.Context, packageName string, source SourceFile) (string, error) {
	from, err := l.sourceURL(packageName, source)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(l.Cache, strings.ToLower(string(source.Type)))
	path := filepath.Join(dir, source.Hash)
	if _, err := os.Stat(path); err == nil || !isNotExist(err) {
		return path, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, l.timeout())
	defer cancel()
	unlock, err := l.locks.turn(limited, path)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil || !isNotExist(err) {
		return path, err // the one before us brought it
	}
	sweepTemporary(dir, "tmp_"+source.Hash, 2*l.timeout()) // no download lasts that long
	return path, l.download(limited, from, path, source)
}

// sourceURL makes the URL of a source. It checks source again, which need not
// come from ParseSources.
func (l *Lookaside) sourceURL(packageName string, source SourceFile) (*url.URL, error) {
	base, err := parseRepositoryURL(l.Base)
	if err != nil || base.Scheme == "file" {
		return nil, fmt.Errorf("lookaside URL: %w: it must be http or https, without user, query and fragment", ErrNotAllowed)
	}
	if !nameForm.MatchString(packageName) || packageName == ".." {
		return nil, fmt.Errorf("package name %.80q: %w", packageName, ErrNotAllowed)
	}
	if wrong := wrongFileName(source.Name); wrong != "" {
		return nil, fmt.Errorf("%w: %s", ErrNotAllowed, wrong)
	}
	if digits := source.Type.hexDigits(); digits == 0 || len(source.Hash) != digits || strings.Trim(source.Hash, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("hash %.20s %.140q: %w", source.Type, source.Hash, ErrNotAllowed)
	}
	layout := l.Layout
	if layout == "" {
		layout = LayoutFedora
	}
	values := map[string]string{"{name}": packageName, "{file}": source.Name, "{hashtype}": strings.ToLower(string(source.Type)), "{hash}": source.Hash}
	var plain, escaped []string
	for _, element := range strings.Split(strings.Trim(layout, "/"), "/") {
		if value, ok := values[element]; ok {
			element = value
		} else if element == "" || strings.ContainsAny(element, "{}") || element == ".." || element == "." {
			return nil, fmt.Errorf("lookaside layout element %.80q: %w", element, ErrNotAllowed)
		}
		plain, escaped = append(plain, element), append(escaped, url.PathEscape(element))
	}
	from := *base
	from.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + "/" + strings.Join(escaped, "/")
	from.Path = strings.TrimSuffix(base.Path, "/") + "/" + strings.Join(plain, "/")
	return &from, nil
}

// download brings one file to path.
func (l *Lookaside) download(ctx context.Context, from *url.URL, path string, source SourceFile) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept-Encoding", "identity") // the digest is of the file, not of a packed one
	response, err := l.client(from).Do(request)
	if err != nil {
		return noAnswer(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch status := response.StatusCode; {
	case status == http.StatusOK:
	case status == http.StatusNotFound || status == http.StatusGone:
		return ErrSourceNotFound
	case temporaryStatus(status):
		return &TemporaryError{After: retryAfter(response.Header), Err: fmt.Errorf("the lookaside answers HTTP %d", status)}
	default:
		return fmt.Errorf("the lookaside answers HTTP %d", status)
	}
	limit := &LimitError{What: "bytes in " + source.Name, Limit: l.maxBytes()}
	if response.ContentLength > limit.Limit {
		return limit
	}
	digest := newHash(source.Type)
	return writeFileAtomic(path, func(w io.Writer) error {
		capped := &cappedReader{R: response.Body, Left: limit.Limit, Error: limit}
		if _, err := io.Copy(io.MultiWriter(w, digest), capped); err != nil {
			return err
		}
		if got := hex.EncodeToString(digest.Sum(nil)); got != source.Hash {
			return &DigestError{File: source.Name, Type: source.Type, Want: source.Hash, Got: got}
		}
		return nil
	})
}

// noAnswer explains why a request brought no answer, without its URL, which is
// longer than what a status shows. Only a refused redirect stays as it is.
func noAnswer(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if errors.Is(err, ErrNotAllowed) {
		return err
	}
	return &TemporaryError{Err: fmt.Errorf("lookaside: %w", err)}
}

// maxRedirects is how many redirects are followed.
const maxRedirects = 5

// client makes a client that stays at the host of from.
func (l *Lookaside) client(from *url.URL) *http.Client {
	transport := l.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if request.URL.Scheme != from.Scheme || !sameHost(request.URL, from) {
				return fmt.Errorf("redirect to another host: %w", ErrNotAllowed)
			}
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects: %w", maxRedirects, ErrNotAllowed)
			}
			return nil
		},
	}
}

// newHash starts a hash of the type, which is known.
func newHash(t HashType) hash.Hash {
	switch t {
	case SHA384:
		return sha512.New384()
	case SHA256:
		return sha256.New()
	case SHA224:
		return sha256.New224()
	case SHA1:
		return sha1.New()
	case MD5:
		return md5.New()
	}
	return sha512.New()
}

func (l *Lookaside) maxBytes() int64 {
	if l.MaxBytes > 0 {
		return l.MaxBytes
	}
	return DefaultMaxSourceBytes
}

func (l *Lookaside) timeout() time.Duration {
	if l.Timeout > 0 {
		return l.Timeout
	}
	return DefaultDownloadTimeout
}
