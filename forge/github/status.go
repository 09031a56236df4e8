package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-github/v60/github"

	"github.com/distbot/distbot/forge"
)

const (
	// pageSize is the API's own upper bound of per_page.
	pageSize = 100
	// maxPages bounds how many contexts Statuses reads.
	maxPages = 10
	// statusPermission is what a token needs for statuses.
	statusPermission = `repository permission "Commit statuses: write", or scope repo:status`
)

// SetStatus implements forge.Forge. An App sends check runs, anybody else commit
// statuses: GitHub lets nobody but Apps make check runs.
func (f *Forge) SetStatus(ctx context.Context, repo forge.Repository, commit string, status forge.Status) error {
	owner, name, err := commitOf(repo, commit)
	if err == nil {
		err = status.Check()
	}
	if err != nil {
		return fmt.Errorf("github: set status: %w", err)
	}
	err = f.withClient(ctx, repo.FullName, func(client *github.Client) error {
		if f.app != nil {
			return f.setCheckRun(ctx, client, checkRunPlace{owner, name, commit}, status)
		}
		return createStatus(ctx, client, owner, name, commit, status)
	})
	if err != nil {
		return fmt.Errorf("github: set status %s of %s@%s: %w", status.Context, repo.FullName, commit, err)
	}
	return nil
}

func createStatus(ctx context.Context, client *github.Client, owner, name, commit string, status forge.Status) error {
	_, _, err := client.Repositories.CreateStatus(ctx, owner, name, commit, &github.RepoStatus{
		State:       github.String(string(status.State)),
		TargetURL:   nonEmpty(status.TargetURL),
		Description: nonEmpty(forge.CutDescription(status.Description)),
		Context:     github.String(status.Context),
	})
	return err
}

// ShowsDetails implements forge.Forge: check runs do.
func (f *Forge) ShowsDetails() bool { return f.app != nil }

// KeepsStatuses implements forge.Forge.
func (*Forge) KeepsStatuses() bool { return true }

// Statuses implements forge.Forge by the combined status, which holds the
// newest status of each context, or by the App's own check runs.
func (f *Forge) Statuses(ctx context.Context, repo forge.Repository, commit string) ([]forge.Status, error) {
	owner, name, err := commitOf(repo, commit)
	if err != nil {
		return nil, fmt.Errorf("github: list statuses: %w", err)
	}
	var all []forge.Status
	err = f.withClient(ctx, repo.FullName, func(client *github.Client) (err error) {
		if f.app != nil {
			all, err = f.checkRunStatuses(ctx, client, checkRunPlace{owner, name, commit})
			return err
		}
		all, err = combinedStatus(ctx, client, owner, name, commit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("github: list statuses of %s@%s: %w", repo.FullName, commit, err)
	}
	return all, nil
}

func combinedStatus(ctx context.Context, client *github.Client, owner, name, commit string) ([]forge.Status, error) {
	var all []forge.Status
	options := &github.ListOptions{PerPage: pageSize, Page: 1}
	for range maxPages {
		combined, resp, err := client.Repositories.GetCombinedStatus(ctx, owner, name, commit, options)
		if err != nil {
			return nil, err
		}
		for _, s := range combined.Statuses {
			all = append(all, forge.Status{
				Context:     s.GetContext(),
				State:       forge.State(s.GetState()),
				Description: s.GetDescription(),
				TargetURL:   s.GetTargetURL(),
			})
		}
		if resp.NextPage == 0 {
			return all, nil
		}
		options.Page = resp.NextPage
	}
	return nil, &answerError{fmt.Sprintf("more than %d contexts", maxPages*pageSize)}
}

func commitOf(repo forge.Repository, commit string) (owner, name string, err error) {
	if owner, name, err = forge.SplitFullName(repo.FullName); err != nil {
		return "", "", fmt.Errorf("repository name %w", err)
	}
	if err := forge.CheckCommit(commit); err != nil {
		return "", "", fmt.Errorf("commit %w", err)
	}
	return owner, name, nil
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// callError maps go-github's errors to those of forge.Forge.SetStatus; others
// stay as they are. permission is what who asked needs, secret what is kept out
// of the error.
func (f *Forge) callError(ctx context.Context, err error, permission, secret string) error {
	refusal, answered := refusalOf(err)
	if !answered {
		if _, ours := errors.AsType[*answerError](err); ours {
			return err
		}
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return fmt.Errorf("answer is larger than %d bytes", maxAnswer)
		}
		return forge.ConnectionError(ctx, err)
	}
	if refusal.StatusCode == http.StatusUnprocessableEntity && noCommit(refusal.Message) {
		return forge.ErrNotFound
	}
	refusal.Permission, refusal.Token, refusal.Now = permission, secret, f.now()
	return refusal.Err()
}

// answerError says what is wrong with an answer that is none of GitHub's errors.
type answerError struct{ text string }

func (e *answerError) Error() string { return e.text }

// refusalOf returns what GitHub answered, and false for an error without an
// answer.
func refusalOf(err error) (forge.Refusal, bool) {
	if e, ok := errors.AsType[*github.RateLimitError](err); ok {
		return refusal(e.Response, e.Message), true
	}
	if e, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		return refusal(e.Response, e.Message), true
	}
	if e, ok := errors.AsType[*github.TwoFactorAuthError](err); ok {
		return refusal(e.Response, e.Message), true
	}
	if e, ok := errors.AsType[*github.ErrorResponse](err); ok {
		message := e.Message
		for _, detail := range e.Errors {
			message += " " + detail.Message
		}
		return refusal(e.Response, message), true
	}
	return forge.Refusal{}, false
}

func refusal(resp *http.Response, message string) forge.Refusal {
	return forge.Refusal{StatusCode: resp.StatusCode, Header: resp.Header, Message: message}
}
