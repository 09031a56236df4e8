package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// plainTag is a tag that can be the name of a section of a .repo file.
var plainTag = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]*$`)

// RepoSigning says what of a generation is signed, and by whom.
type RepoSigning struct {
	Packages, Metadata bool
	// Keys are the URLs of the public keys, any of which may have signed.
	Keys []string
}

// repoText is a .repo file as dnf reads it (dnf.conf(5)), of a tag's latest
// generation, or of one that stays as it is, in a directory. gpgcheck and repo_gpgcheck are said
// also where nothing is signed: a system's own default must not refuse what
// can't be there. What is built is to be seen within minutes; one generation
// never changes.
func (s *server) repoText(tag, directory string, generation int64, signing RepoSigning) string {
	id, name, tree, expire := tag, tag, "latest", "5m"
	if generation > 0 {
		tree, expire = strconv.FormatInt(generation, 10), "never"
		id, name = tag+"-g"+tree, tag+" generation "+tree
	}
	var text strings.Builder
	fmt.Fprintf(&text, "[%s]\nname=%s - $basearch\nbaseurl=%s/repos/%s/%s/$basearch/\nenabled=1\n", id, name, s.ExternalURL, url.PathEscape(directory), tree)
	onOff := map[bool]int{true: 1}
	fmt.Fprintf(&text, "gpgcheck=%d\nrepo_gpgcheck=%d\n", onOff[signing.Packages], onOff[signing.Metadata])
	if (signing.Packages || signing.Metadata) && len(signing.Keys) > 0 {
		fmt.Fprintf(&text, "gpgkey=%s\n", strings.Join(signing.Keys, " "))
	}
	fmt.Fprintf(&text, "metadata_expire=%s\n", expire)
	return text.String()
}

// signingOf asks what of a generation of a tag is signed, of the newest one for 0;
// nothing where nobody can tell.
func (s *server) signingOf(ctx context.Context, tag string, generation int64) (RepoSigning, error) {
	if s.Signing == nil {
		return RepoSigning{}, nil
	}
	return s.Signing(ctx, tag, generation)
}

// dnfRepo answers with a .repo file of a tag, or of one of its generations.
func (s *server) dnfRepo(w http.ResponseWriter, r *http.Request, tag string, generation int64) error {
	line, err := s.repoNamed(r.Context(), tag)
	if err != nil {
		return err
	}
	if !plainTag.MatchString(tag) {
		return errNotFound
	}
	directory := tag
	if generation > 0 {
		row, err := s.generationOf(r.Context(), line.ID, generation)
		if err != nil {
			return err
		}
		if row.State != "published" {
			return errNotFound
		}
		directory = row.Directory
	}
	signing, err := s.signingOf(r.Context(), tag, generation)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(s.repoText(tag, directory, generation, signing))) // the client hanging up is its own affair
	return nil
}

// repoSnippet is a .repo file on a page.
type repoSnippet struct {
	ID   string // within the page
	Name string // of the file, without .repo
	URL  string
	Text string
	Signed,
	Pinned bool
}

// snippet is the .repo file of a tag's latest generation, or of one in a
// directory; nil for a
// tag that can have none.
func (s *server) snippet(ctx context.Context, tag, directory string, id, generation int64) (*repoSnippet, error) {
	if !plainTag.MatchString(tag) {
		return nil, nil
	}
	signing, err := s.signingOf(ctx, tag, generation)
	if err != nil {
		return nil, err
	}
	snippet := &repoSnippet{
		ID: fmt.Sprintf("repo-%d", id), Name: tag, URL: "/repos/" + url.PathEscape(tag) + ".repo",
		Text: s.repoText(tag, directory, generation, signing), Signed: signing.Packages, Pinned: generation > 0,
	}
	if generation > 0 {
		number := strconv.FormatInt(generation, 10)
		snippet.Name, snippet.URL = tag+"-g"+number, "/repos/"+url.PathEscape(tag)+"/"+number+".repo"
	}
	return snippet, nil
}
