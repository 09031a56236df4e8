package forgetest

import (
	"net/http"
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

// NewGitHub starts a fake GitHub. What it takes and answers is compared with
// GitHub's own description in testdata/github; the limit of 140 characters,
// the answer to an unknown commit and to a renamed repository (307 for other
// methods than GET) are in GitHub's documentation only.
func NewGitHub(tb testing.TB) *Server {
	return newServer(tb, dialect{
		scheme:        "Bearer",
		sizeParameter: "per_page",
		maxSize:       100,
		created: func(id int, s forge.Status) map[string]any {
			return map[string]any{
				"id": id, "node_id": "SC_1", "avatar_url": "https://127.0.0.1/a.png", "url": "https://127.0.0.1/",
				"state": s.State, "description": s.Description, "target_url": s.TargetURL, "context": s.Context,
				"created_at": "2026-11-20T10:49:24Z", "updated_at": "2026-11-20T10:49:24Z",
				"creator": map[string]any{"login": "bot", "id": 1},
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
