package distgit

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Remote is one dist-git repository at a configured forge.
type Remote struct {
	// Forge is the forge's name in distbot.yaml.
	Forge string
	// ID is the forge's stable id of the repository, or for kind git its path
	// below the forge's root. Mirrors are filed under (Forge, ID), so a
	// repository keeps its mirror when it is renamed.
	ID string
	// Base is the configured URL of the forge: https, http, or for kind git
	// file (an absolute path means file too).
	Base string
	// URL is where the repository is fetched from. It must lie below Base:
	// same scheme, host and port, path below Base's path, no user part, query
	// or fragment.
	URL string
	// Auth gives the HTTP basic user and password for URL, or two empty
	// strings. It is called once per connection. nil means no credentials.
	Auth func(ctx context.Context) (user, password string, err error)
}

// Pieces of the path of a mirror. An id may have slashes (kind git), which
// become %2F; since % itself is not allowed, no two ids share a path.
var (
	forgeName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	repositoryID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+~/-]{0,199}$`)
	commitID     = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// mirrorPath is where the mirror of r lies below dir.
func (r Remote) mirrorPath(dir string) (string, error) {
	if !forgeName.MatchString(r.Forge) {
		return "", fmt.Errorf("forge name %.80q: %w", r.Forge, ErrNotAllowed)
	}
	if !repositoryID.MatchString(r.ID) || path.Clean(r.ID) != r.ID || strings.Contains(r.ID, "/.") {
		return "", fmt.Errorf("repository id %.80q: %w", r.ID, ErrNotAllowed)
	}
	return filepath.Join(dir, r.Forge, strings.ReplaceAll(r.ID, "/", "%2F")+".git"), nil
}

// fetchURL checks URL against Base and returns it parsed. Nothing but the
// scheme, host and port of the configured forge is ever connected to.
func (r Remote) fetchURL() (*url.URL, error) {
	base, err := parseRepositoryURL(r.Base)
	if err != nil {
		return nil, fmt.Errorf("forge %s: configured URL: %w", r.Forge, err)
	}
	at, err := parseRepositoryURL(r.URL)
	if err != nil {
		return nil, fmt.Errorf("forge %s: clone URL: %w", r.Forge, err)
	}
	if at.Scheme != base.Scheme || !sameHost(at, base) {
		return nil, fmt.Errorf("forge %s: clone URL: %w: it is not at %s://%s", r.Forge, ErrNotAllowed, base.Scheme, base.Host)
	}
	if root := strings.TrimSuffix(base.Path, "/"); !strings.HasPrefix(at.Path, root+"/") {
		return nil, fmt.Errorf("forge %s: clone URL: %w: its path is not below %s", r.Forge, ErrNotAllowed, base.Path)
	}
	return at, nil
}

// parseRepositoryURL accepts an absolute http, https or file URL, or an
// absolute path. The text of a refused URL is not repeated: it could hold a
// password.
func parseRepositoryURL(text string) (*url.URL, error) {
	if strings.HasPrefix(text, "/") {
		text = (&url.URL{Scheme: "file", Path: text}).String()
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be parsed", ErrNotAllowed)
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "file":
		return nil, fmt.Errorf("%w: scheme %.20q is not https, http or file", ErrNotAllowed, u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it has a user part", ErrNotAllowed)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%w: it has a query or a fragment", ErrNotAllowed)
	case (u.Host == "") != (u.Scheme == "file"):
		return nil, fmt.Errorf("%w: it has no host, or a file URL has one", ErrNotAllowed)
	case u.Opaque != "" || strings.HasPrefix(u.Host, "-"):
		return nil, fmt.Errorf("%w: it has no proper host", ErrNotAllowed)
	case u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/":
		return nil, fmt.Errorf("%w: its path is not clean", ErrNotAllowed)
	case strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' || c == '?' || c == '#' }):
		return nil, fmt.Errorf("%w: its path has control characters, '?', '#' or a backslash", ErrNotAllowed)
	}
	return u, nil
}

// sameHost compares host and port; a missing port is the scheme's own.
func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

// portOf is u's port with the defaults of http and https filled in.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	}
	return ""
}
