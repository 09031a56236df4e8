package forgejo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/distbot/distbot/forge"
)

const (
	// pageSize is the API's own upper bound ([api] MAX_RESPONSE_ITEMS).
	pageSize = 50
	// maxPages bounds how many contexts Statuses reads: 1000, of which a build
	// for every arch of every target uses a few dozen.
	maxPages = 20
)

type statusBody struct {
	State       forge.State `json:"state"`
	TargetURL   string      `json:"target_url"`
	Description string      `json:"description"`
	Context     string      `json:"context"`
}

// SetStatus implements forge.Forge.
//
// An unknown commit is answered with 500, and its text is hidden from users
// who are not administrators, so a 500 is followed by the question whether the
// commit exists.
func (f *Forge) SetStatus(ctx context.Context, repo forge.Repository, commit string, status forge.Status) error {
	path, err := commitPath(repo, "/statuses/", commit)
	if err == nil {
		err = status.Check()
	}
	if err != nil {
		return fmt.Errorf("forgejo: set status: %w", err)
	}
	code, err := f.call(ctx, http.MethodPost, path, statusBody{
		State:       status.State,
		TargetURL:   status.TargetURL,
		Description: forge.CutDescription(status.Description),
		Context:     status.Context,
	}, nil)
	if code == http.StatusInternalServerError {
		_, gone := f.combined(ctx, repo, commit, 1)
		if errors.Is(gone, forge.ErrNotFound) {
			err = gone
		}
	}
	if err != nil {
		return fmt.Errorf("forgejo: set status %s of %s@%s: %w", status.Context, repo.FullName, commit, err)
	}
	return nil
}

// ShowsDetails implements forge.Forge: the API has nothing for them. A comment on
// the line of a pull request would notify people of every failed build and stay
// when the next one succeeds.
func (*Forge) ShowsDetails() bool { return false }

// KeepsStatuses implements forge.Forge.
func (*Forge) KeepsStatuses() bool { return true }

// Statuses implements forge.Forge. It reads the combined status, which holds
// the newest status of each context: the list of all statuses is sorted by
// second only.
func (f *Forge) Statuses(ctx context.Context, repo forge.Repository, commit string) ([]forge.Status, error) {
	var all []forge.Status
	for page := 1; page <= maxPages; page++ {
		statuses, err := f.combined(ctx, repo, commit, page)
		if err != nil {
			return nil, fmt.Errorf("forgejo: list statuses of %s@%s: %w", repo.FullName, commit, err)
		}
		all = append(all, statuses...)
		if len(statuses) == 0 {
			return all, nil
		}
	}
	return nil, fmt.Errorf("forgejo: list statuses of %s@%s: more than %d contexts", repo.FullName, commit, maxPages*pageSize)
}

// combined returns one page of the newest status of each context, or none
// behind the last page. A page may be shorter than asked for, because the
// instance's own limit can be lower.
func (f *Forge) combined(ctx context.Context, repo forge.Repository, commit string, page int) ([]forge.Status, error) {
	path, err := commitPath(repo, "/commits/", commit)
	if err != nil {
		return nil, err
	}
	var got struct {
		Statuses []struct {
			// The API reads "state" and writes "status".
			Status      forge.State `json:"status"`
			TargetURL   string      `json:"target_url"`
			Description string      `json:"description"`
			Context     string      `json:"context"`
		} `json:"statuses"`
	}
	path += fmt.Sprintf("/status?limit=%d&page=%d", pageSize, page)
	if _, err := f.call(ctx, http.MethodGet, path, nil, &got); err != nil {
		return nil, err
	}
	statuses := make([]forge.Status, 0, len(got.Statuses))
	for _, s := range got.Statuses {
		statuses = append(statuses, forge.Status{
			Context: s.Context, State: s.Status, Description: s.Description, TargetURL: s.TargetURL,
		})
	}
	return statuses, nil
}

// commitPath is /repos/OWNER/NAME followed by verb and commit.
func commitPath(repo forge.Repository, verb, commit string) (string, error) {
	owner, name, err := forge.SplitFullName(repo.FullName)
	if err != nil {
		return "", fmt.Errorf("repository name %w", err)
	}
	if err := forge.CheckCommit(commit); err != nil {
		return "", fmt.Errorf("commit %w", err)
	}
	return "/repos/" + owner + "/" + name + verb + commit, nil
}
