package tagview

import (
	"context"
	"fmt"
)

// ExternalRepo is a repository made elsewhere that a tag's buildroots use.
type ExternalRepo struct {
	TagID int64  `json:"tag_id"`
	Tag   string `json:"tag_name"`
	Name  string `json:"external_repo_name"`
	// URL may hold $arch.
	URL      string `json:"url"`
	Priority int32  `json:"priority"`
}

// ExternalRepos returns the external repositories of a tag in the order in which
// they count: the tag's own by priority, then those of its parents in the order
// of the walk. The nearest of a name hides the others (Koji's
// getExternalRepoList).
func (r Reader) ExternalRepos(ctx context.Context, tagID int64, inherit bool) ([]ExternalRepo, error) {
	var steps []Step
	if inherit {
		var err error
		if steps, err = r.Inheritance(ctx, tagID); err != nil {
			return nil, err
		}
	}
	list, err := query[ExternalRepo](ctx, r, `select r.tag_id, t.name, r.name, r.url, r.priority
		from unnest($1::bigint[]) with ordinality as x (tag_id, position)
		join tag_external_repos r on r.tag_id = x.tag_id join tags t on t.id = r.tag_id
		where `+r.At.valid("r")+` order by x.position, r.priority, r.name`, distinct(chain(tagID, steps)))
	if err != nil {
		return nil, fmt.Errorf("tagview: read external repositories: %w", err)
	}
	seen := map[string]bool{}
	nearest := []ExternalRepo{}
	for _, repo := range list {
		if !seen[repo.Name] {
			seen[repo.Name] = true
			nearest = append(nearest, repo)
		}
	}
	return nearest, nil
}
