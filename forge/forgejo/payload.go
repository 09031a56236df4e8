package forgejo

import (
	"strconv"

	"github.com/distbot/distbot/forge"
)

// The payloads hold what distbot reads of Gitea's modules/structs/hook.go and
// nothing else: commits, for one, list at most five of a push.

type pushPayload struct {
	Ref        string     `json:"ref"`
	Before     string     `json:"before"`
	After      string     `json:"after"`
	Repository repository `json:"repository"`
	Sender     user       `json:"sender"`
}

type createPayload struct {
	Ref        string     `json:"ref"`
	RefType    string     `json:"ref_type"`
	SHA        string     `json:"sha"`
	Repository repository `json:"repository"`
	Sender     user       `json:"sender"`
}

type deletePayload struct {
	Ref        string     `json:"ref"`
	RefType    string     `json:"ref_type"`
	Repository repository `json:"repository"`
	Sender     user       `json:"sender"`
}

type pullRequestPayload struct {
	Action      string       `json:"action"`
	PullRequest *pullRequest `json:"pull_request"`
	Repository  repository   `json:"repository"`
	Sender      user         `json:"sender"`
}

type commentPayload struct {
	Action      string       `json:"action"`
	IsPull      bool         `json:"is_pull"`
	PullRequest *pullRequest `json:"pull_request"`
	Comment     comment      `json:"comment"`
	Repository  repository   `json:"repository"`
	Sender      user         `json:"sender"`
}

type repository struct {
	ID            int64  `json:"id"`
	FullName      string `json:"full_name"`
	CloneURL      string `json:"clone_url"`
	DefaultBranch string `json:"default_branch"`
}

type user struct {
	Login string `json:"login"`
}

type comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	User user   `json:"user"`
}

type pullRequest struct {
	Number int64    `json:"number"`
	Title  string   `json:"title"`
	User   user     `json:"user"`
	Head   prBranch `json:"head"`
	Base   prBranch `json:"base"`
}

type prBranch struct {
	Ref string `json:"ref"`
	SHA string `json:"sha"`
	// Repo is null when the fork is gone.
	Repo *repository `json:"repo"`
}

// repository turns the payload's repository into distbot's and refuses one
// that is not at this forge.
func (f *Forge) repository(field string, r repository) (forge.Repository, error) {
	if r.ID <= 0 {
		return forge.Repository{}, &forge.MalformedError{Reason: field + ".id is not positive"}
	}
	if _, _, err := forge.SplitFullName(r.FullName); err != nil {
		return forge.Repository{}, &forge.MalformedError{Reason: field + ".full_name " + err.Error()}
	}
	if err := f.origin.CheckCloneURL(r.CloneURL, r.FullName); err != nil {
		return forge.Repository{}, err
	}
	return forge.Repository{
		ID:            strconv.FormatInt(r.ID, 10),
		FullName:      r.FullName,
		CloneURL:      r.CloneURL,
		DefaultBranch: r.DefaultBranch,
	}, nil
}

func (f *Forge) pullRequest(pr *pullRequest, base repository) (*forge.PullRequest, error) {
	if pr == nil {
		return nil, &forge.MalformedError{Reason: "pull_request is missing"}
	}
	if pr.Base.Repo == nil || pr.Base.Repo.ID != base.ID {
		return nil, &forge.MalformedError{Reason: "pull_request.base.repo is not the repository"}
	}
	var head forge.Repository
	if pr.Head.Repo != nil {
		var err error
		if head, err = f.repository("pull_request.head.repo", *pr.Head.Repo); err != nil {
			return nil, err
		}
	}
	return &forge.PullRequest{
		Number:         pr.Number,
		Head:           pr.Head.SHA,
		HeadRepository: head,
		HeadBranch:     pr.Head.Ref,
		BaseBranch:     pr.Base.Ref,
		Title:          pr.Title,
		Author:         pr.User.Login,
	}, nil
}
