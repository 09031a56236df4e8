package forge

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxURL bounds a clone URL of a delivery, in bytes.
const maxURL = 2048

// Origin is the public web address of a forge: what its deliveries' clone URLs
// must begin with. The zero Origin matches nothing.
type Origin struct{ base url.URL }

// ParseOrigin reads an absolute http or https URL without user, query and
// fragment, for example https://git.example.org/forge.
func ParseOrigin(raw string) (Origin, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Origin{}, fmt.Errorf("forge: parse url: %w", withoutURL(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Origin{}, fmt.Errorf("forge: parse url: scheme is neither http nor https")
	case u.Hostname() == "":
		return Origin{}, fmt.Errorf("forge: parse url: host is missing")
	case u.User != nil:
		return Origin{}, fmt.Errorf("forge: parse url: a user or password does not belong here")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Origin{}, fmt.Errorf("forge: parse url: a query or fragment does not belong here")
	}
	return Origin{base: url.URL{
		Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: strings.TrimRight(u.Path, "/"),
	}}, nil
}

// withoutURL drops the text of the URL from a parse error: it may hold a
// password.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// String is the address without a trailing slash.
func (o Origin) String() string { return o.base.String() }

// CloneURL is where the forge serves a repository for git over HTTP.
func (o Origin) CloneURL(fullName string) string { return o.String() + "/" + fullName + ".git" }

// CheckCloneURL returns *MalformedError unless raw is where this forge serves
// the repository: same scheme, host and port, same path with or without
// ".git", nothing else. The host is compared as a whole, after parsing.
func (o Origin) CheckCloneURL(raw, fullName string) error {
	u, err := url.Parse(raw)
	if len(raw) > maxURL || err != nil || !o.Same(u) {
		return &MalformedError{Reason: "clone_url is not at the configured forge"}
	}
	want := o.base.Path + "/" + fullName
	plain := u.RawPath == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
	if !plain || (u.Path != want && u.Path != want+".git") {
		return &MalformedError{Reason: "clone_url is not that of the repository"}
	}
	return nil
}

// Same reports whether u has the scheme, host and port of the forge, and no
// user.
func (o Origin) Same(u *url.URL) bool {
	return o.base.Scheme != "" && u.Scheme == o.base.Scheme && u.User == nil &&
		strings.EqualFold(u.Hostname(), o.base.Hostname()) && port(u) == port(&o.base)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
