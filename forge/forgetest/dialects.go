package forgetest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/distbot/distbot/forge"
)

// NewForgejo starts a fake Forgejo or Gitea. Its answers are those a Gitea
// 1.26.0 gave (testdata/gitea-1.26.0-statuses.json): an unknown commit is 500
// without a word for a POST, and a renamed repository 301 for any method.
func NewForgejo(tb testing.TB) *Server {
	return newServer(tb, dialect{
		apiPath:       "/api/v1",
		scheme:        "token",
		sizeParameter: "limit",
		maxSize:       50,
		created: func(id int, s forge.Status) map[string]any {
			return map[string]any{
				"id": id, "status": s.State, "target_url": s.TargetURL, "description": s.Description,
				"url": "http://127.0.0.1/", "context": s.Context, "creator": map[string]any{"login": "bot"},
				"created_at": "2026-11-20T10:49:24Z", "updated_at": "2026-11-20T10:49:24Z",
			}
		},
		unauthorized:      "invalid username, password or token",
		forbidden:         "user should have a permission to write to a repo",
		postUnknownCommit: refusal{http.StatusInternalServerError, ""},
		getUnknownCommit:  refusal{http.StatusNotFound, "not found"},
		moved:             func(string) int { return http.StatusMovedPermanently },
	})
}

// NewGitHub starts a fake GitHub, with check runs for Apps. It refuses what
// GitHub's own description in testdata/github does, and its answers are as
// described. What the description leaves out is in GitHub's documentation only:
// the limit of 140 characters, the answers to an unknown commit and to a renamed
// repository (307 for other methods than GET), who may write checks, that a
// completed check run has a conclusion.
func NewGitHub(tb testing.TB) *Server {
	return newServer(tb, dialect{
		scheme:        "Bearer",
		apps:          true,
		sizeParameter: "per_page",
		maxSize:       100,
		created: func(id int, s forge.Status) map[string]any {
			return map[string]any{
				"id": id, "node_id": "SC_1", "avatar_url": "https://127.0.0.1/a.png", "url": "https://127.0.0.1/",
				"state": s.State, "description": s.Description, "target_url": s.TargetURL, "context": s.Context,
				"created_at": "2026-11-20T10:49:24Z", "updated_at": "2026-11-20T10:49:24Z",
				"creator": describedUser("bot"),
			}
		},
		unauthorized:      "Bad credentials",
		forbidden:         "Resource not accessible by personal access token",
		postUnknownCommit: refusal{http.StatusUnprocessableEntity, "No commit found for SHA: 1111111111111111111111111111111111111111"},
		getUnknownCommit:  refusal{http.StatusNotFound, "Not Found"},
		moved: func(method string) int {
			if method == http.MethodGet {
				return http.StatusMovedPermanently
			}
			return http.StatusTemporaryRedirect
		},
	})
}

// describedRepository is a repository as GitHub's description has it in other
// answers. Its many addresses are what no driver reads.
func describedRepository(fullName string) map[string]any {
	owner, name, _ := strings.Cut(fullName, "/")
	repository := map[string]any{
		"id": 1, "node_id": "R_1", "name": name, "full_name": fullName, "description": nil, "fork": false, "private": false, "hooks_url": "https://127.0.0.1/",
		"owner": describedUser(owner),
	}
	for _, link := range strings.Fields(`archive_url assignees_url blobs_url branches_url collaborators_url comments_url commits_url compare_url contents_url
		contributors_url deployments_url downloads_url events_url forks_url git_commits_url git_refs_url git_tags_url html_url issue_comment_url
		issue_events_url issues_url keys_url labels_url languages_url merges_url milestones_url notifications_url pulls_url releases_url stargazers_url
		statuses_url subscribers_url subscription_url tags_url teams_url trees_url url`) {
		repository[link] = "https://127.0.0.1/"
	}
	return repository
}

func describedUser(login string) map[string]any {
	user := map[string]any{"login": login, "id": 1, "node_id": "U_1", "gravatar_id": nil, "type": "Organization", "site_admin": false}
	for _, link := range strings.Fields(`avatar_url url html_url followers_url following_url gists_url starred_url subscriptions_url organizations_url
		repos_url events_url received_events_url`) {
		user[link] = "https://127.0.0.1/"
	}
	return user
}
