package giteatest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// pageSize is the most that Gitea lists at once.
const pageSize = 50

// Repo names a repository as OWNER/NAME.
type Repo string

// PullRequest is an open pull request.
type PullRequest struct {
	Number int64
	// Head is the commit it proposes.
	Head string
}

// Status is a commit status as Gitea tells it.
type Status struct {
	Context     string `json:"context"`
	State       string `json:"status"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url"`
}

// CreateUser makes an account with an access token for everything.
func (g *Gitea) CreateUser(t testing.TB, login string) User {
	t.Helper()
	g.call(t, g.Admin, http.MethodPost, "/admin/users", map[string]any{
		"username": login, "email": login + "@example.test", "password": password, "must_change_password": false,
	}, nil)
	// Tokens are made with the password only.
	var token struct {
		SHA1 string `json:"sha1"`
	}
	req := g.request(t, http.MethodPost, "/users/"+login+"/tokens", map[string]any{"name": "e2e", "scopes": []string{"all"}})
	req.SetBasicAuth(login, password)
	g.do(t, req, &token)
	return User{Login: login, Token: token.SHA1}
}

// CreateOrg makes an organisation that the administrator owns.
func (g *Gitea) CreateOrg(t testing.TB, name string) {
	t.Helper()
	g.call(t, g.Admin, http.MethodPost, "/orgs", map[string]any{"username": name}, nil)
}

// CreateRepo makes an empty repository in an organisation.
func (g *Gitea) CreateRepo(t testing.TB, org, name string) Repo {
	t.Helper()
	g.call(t, g.Admin, http.MethodPost, "/orgs/"+org+"/repos", map[string]any{"name": name}, nil)
	return Repo(org + "/" + name)
}

// AddCollaborator gives a user a permission on a repository: read, write or
// admin.
func (g *Gitea) AddCollaborator(t testing.TB, repo Repo, user User, permission string) {
	t.Helper()
	g.call(t, g.Admin, http.MethodPut, repo.path("/collaborators/"+user.Login), map[string]any{"permission": permission}, nil)
}

// CreateHook makes Gitea deliver the events of a repository, as signed JSON, to
// an address on the loopback interface.
func (g *Gitea) CreateHook(t testing.TB, repo Repo, address, secret string, events ...string) {
	t.Helper()
	g.call(t, g.Admin, http.MethodPost, repo.path("/hooks"), hook(address, secret, events), nil)
}

// CreateOrgHook is CreateHook for all repositories of an organisation.
func (g *Gitea) CreateOrgHook(t testing.TB, org, address, secret string, events ...string) {
	t.Helper()
	g.call(t, g.Admin, http.MethodPost, "/orgs/"+org+"/hooks", hook(address, secret, events), nil)
}

func hook(address, secret string, events []string) map[string]any {
	return map[string]any{
		"type": "gitea", "active": true, "events": events,
		"config": map[string]string{"url": address, "content_type": "json", "secret": secret},
	}
}

// Fork copies a repository into the user's own namespace.
func (g *Gitea) Fork(t testing.TB, user User, repo Repo) Repo {
	t.Helper()
	var fork struct {
		FullName string `json:"full_name"`
	}
	g.call(t, user, http.MethodPost, repo.path("/forks"), map[string]any{}, &fork)
	return Repo(fork.FullName)
}

// OpenPullRequest proposes head, BRANCH or USER:BRANCH for a fork, for the base
// branch of repo.
func (g *Gitea) OpenPullRequest(t testing.TB, user User, repo Repo, title, head, base string) PullRequest {
	t.Helper()
	var pr struct {
		Number int64 `json:"number"`
		Head   struct {
			SHA string `json:"sha"`
		} `json:"head"`
	}
	g.call(t, user, http.MethodPost, repo.path("/pulls"), map[string]any{"title": title, "head": head, "base": base}, &pr)
	return PullRequest{Number: pr.Number, Head: pr.Head.SHA}
}

// ClosePullRequest closes a pull request without merging it.
func (g *Gitea) ClosePullRequest(t testing.TB, user User, repo Repo, number int64) {
	t.Helper()
	g.call(t, user, http.MethodPatch, repo.path(fmt.Sprintf("/pulls/%d", number)), map[string]any{"state": "closed"}, nil)
}

// Comment writes a comment on an issue or pull request.
func (g *Gitea) Comment(t testing.TB, user User, repo Repo, number int64, body string) {
	t.Helper()
	g.call(t, user, http.MethodPost, repo.path(fmt.Sprintf("/issues/%d/comments", number)), map[string]any{"body": body}, nil)
}

// SetStatus sets a commit status as user.
func (g *Gitea) SetStatus(t testing.TB, user User, repo Repo, commit string, s Status) {
	t.Helper()
	g.call(t, user, http.MethodPost, repo.path("/statuses/"+commit), map[string]any{
		"context": s.Context, "state": s.State, "description": s.Description, "target_url": s.TargetURL,
	}, nil)
}

// Statuses returns the newest status of each context on a commit, by context.
// There are none on a commit nobody reported on.
func (g *Gitea) Statuses(t testing.TB, repo Repo, commit string) map[string]Status {
	t.Helper()
	newest := map[string]Status{}
	// The list of statuses has all there ever were, ordered by the second; the
	// combined status knows the newest.
	for page := 1; ; page++ {
		var combined struct {
			Statuses []Status `json:"statuses"`
		}
		g.call(t, g.Admin, http.MethodGet, repo.path(fmt.Sprintf("/commits/%s/status?limit=%d&page=%d", commit, pageSize, page)), nil, &combined)
		for _, s := range combined.Statuses {
			newest[s.Context] = s
		}
		if len(combined.Statuses) < pageSize {
			return newest
		}
	}
}

// StatusHistory returns every status that was ever set on a commit, oldest
// first.
func (g *Gitea) StatusHistory(t testing.TB, repo Repo, commit string) []Status {
	t.Helper()
	type numbered struct {
		ID int64 `json:"id"`
		Status
	}
	var all []numbered
	for page := 1; ; page++ {
		var statuses []numbered
		g.call(t, g.Admin, http.MethodGet, repo.path(fmt.Sprintf("/commits/%s/statuses?limit=%d&page=%d", commit, pageSize, page)), nil, &statuses)
		all = append(all, statuses...)
		if len(statuses) < pageSize {
			break
		}
	}
	// The list is ordered by the second.
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(a.ID, b.ID) })
	history := make([]Status, len(all))
	for i, s := range all {
		history[i] = s.Status
	}
	return history
}

// Branches returns the commits that the branches of a repository point to.
func (g *Gitea) Branches(t testing.TB, repo Repo) map[string]string {
	t.Helper()
	commits := map[string]string{}
	for page := 1; ; page++ {
		var branches []struct {
			Name   string `json:"name"`
			Commit struct {
				ID string `json:"id"`
			} `json:"commit"`
		}
		g.call(t, g.Admin, http.MethodGet, repo.path(fmt.Sprintf("/branches?limit=%d&page=%d", pageSize, page)), nil, &branches)
		for _, b := range branches {
			commits[b.Name] = b.Commit.ID
		}
		if len(branches) < pageSize {
			return commits
		}
	}
}

// DeleteBranch deletes a branch, which need not be merged.
func (g *Gitea) DeleteBranch(t testing.TB, repo Repo, branch string) {
	t.Helper()
	g.call(t, g.Admin, http.MethodDelete, repo.path("/branches/"+url.PathEscape(branch)), nil, nil)
}

func (r Repo) path(rest string) string { return "/repos/" + string(r) + rest }

// call sends a request as user and reads the answer into out, unless it is nil.
func (g *Gitea) call(t testing.TB, user User, method, path string, in, out any) {
	t.Helper()
	req := g.request(t, method, path, in)
	req.Header.Set("Authorization", "token "+user.Token)
	g.do(t, req, out)
}

func (g *Gitea) request(t testing.TB, method, path string, in any) *http.Request {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("giteatest: %s %s: %v", method, path, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, g.URL+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("giteatest: %s %s: %v", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

func (g *Gitea) do(t testing.TB, req *http.Request, out any) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("giteatest: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		t.Fatalf("giteatest: %s %s: %v", req.Method, req.URL.Path, err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("giteatest: %s %s: %s\n%s", req.Method, req.URL.Path, resp.Status, body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(body, out); err != nil {
		t.Fatalf("giteatest: %s %s: %v\n%s", req.Method, req.URL.Path, err, body)
	}
}
