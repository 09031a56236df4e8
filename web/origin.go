package web

import (
	"net/url"
	"strconv"
	"strings"
)

// origin is where a build comes from, with links where the forge has pages.
type origin struct {
	Forge      string
	Repository string
	Ref        string
	Commit     string
	Pull       *int64
	// RepositoryURL, CommitURL and PullURL are empty for plain git hosts.
	RepositoryURL, CommitURL, PullURL string
}

// originOf makes the links. Forges with pages number their repositories; a
// plain git host's repository is known by its name only. The paths are the
// same on GitHub, Gitea and Forgejo; each sends issues/N of a pull request to
// the place where it keeps those.
func originOf(forge, forgeRepoID, fullName, cloneURL, ref, commit string, pull *int64) origin {
	o := origin{Forge: forge, Repository: fullName, Ref: shortRef(ref), Commit: commit, Pull: pull}
	base, err := url.Parse(cloneURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return o
	}
	if _, err := strconv.ParseUint(forgeRepoID, 10, 64); err != nil {
		return o
	}
	base = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, ".git")}
	o.RepositoryURL = base.String()
	o.CommitURL = base.JoinPath("commit", commit).String()
	if pull != nil {
		o.PullURL = base.JoinPath("issues", strconv.FormatInt(*pull, 10)).String()
	}
	return o
}

// shortRef is a ref as people write it.
func shortRef(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok {
			return name
		}
	}
	return ref
}
