package snapshot

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Source says where a repository is, and what to call it.
type Source struct {
	Name     string
	Location string // directory, or URL of scheme http, https or file
}

// ParseSource reads NAME,LOCATION as dnf's --repofrompath does, or LOCATION
// alone, which is its own name then; a name has no slash, so that a directory
// may have a comma. The error says what a location looks like.
func ParseSource(text string) (Source, error) {
	name, location, named := strings.Cut(text, ",")
	if !named || strings.Contains(name, "/") {
		named, name, location = false, text, text
	}
	s := Source{Name: name, Location: location}
	if name == "" || location == "" {
		return Source{}, fmt.Errorf("snapshot: repository %.200q: expected a directory, a URL, or NAME,URL", text)
	}
	scheme, _, isURL := strings.Cut(location, "://")
	if !isURL {
		return s, nil
	}
	u, err := url.Parse(location)
	switch {
	case err != nil:
		// The error of url.Parse repeats the URL, which may hold a password.
		return Source{}, errors.New("snapshot: what is given as the repository's URL is none")
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && u.Path != "":
		s.Location = filepath.FromSlash(u.Path)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return Source{}, fmt.Errorf("snapshot: repository %.200q: expected http, https or file, not %.40q", u.Redacted(), scheme)
	}
	if !named {
		s.Name = u.Redacted()
	}
	return s, nil
}

// IsURL says whether the source is fetched over the network.
func (s Source) IsURL() bool {
	return strings.HasPrefix(s.Location, "http://") || strings.HasPrefix(s.Location, "https://")
}

// Directory is the directory that the repository is in; empty for one on the web.
func (s Source) Directory() string {
	if s.IsURL() {
		return ""
	}
	return s.Location
}

// String is the location without a password.
func (s Source) String() string {
	if u, err := url.Parse(s.Location); err == nil && s.IsURL() {
		return u.Redacted()
	}
	return s.Location
}
