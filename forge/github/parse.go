package github

import (
	"net/http"
	"strconv"

	"github.com/google/go-github/v60/github"

	"github.com/distbot/distbot/forge"
)

// Parse implements forge.Forge.
//
// The creation and the deletion of a branch each arrive as push and as create
// or delete; only the push is acted on, because it names the commits. A
// comment carries no commit: see forge.PullRequest.
func (f *Forge) Parse(header http.Header, body []byte) (forge.Event, error) {
	delivery, err := f.Delivery(header)
	if err != nil {
		return forge.Event{}, err
	}
	switch delivery.Event {
	case "push":
		return f.parsePush(body)
	case "pull_request":
		return f.parsePullRequest(body)
	case "issue_comment":
		return f.parseComment(body)
	}
	// Still a promise of the delivery that its body is JSON.
	if err := forge.DecodeObject(body, &struct{}{}); err != nil {
		return forge.Event{}, err
	}
	switch delivery.Event {
	case "create", "delete":
		return forge.Event{}, ignored("a push says the same of a branch, and tags are not acted on")
	}
	return forge.Event{}, ignored("event " + delivery.Event + " is not acted on")
}

func (f *Forge) parsePush(body []byte) (forge.Event, error) {
	var p github.PushEvent
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.GetRepo())
	if err != nil {
		return forge.Event{}, err
	}
	sender := p.GetSender().GetLogin()
	if sender == "" {
		// A deploy key pushes without a sender.
		sender = p.GetPusher().GetName()
	}
	event, err := forge.PushEvent(repo, p.GetRef(), p.GetBefore(), p.GetAfter(), sender)
	if err != nil {
		return forge.Event{}, err
	}
	if p.GetDeleted() != (event.Kind == forge.EventBranchDelete) {
		return forge.Event{}, &forge.MalformedError{Reason: "deleted and after contradict each other"}
	}
	return event, nil
}

func (f *Forge) parsePullRequest(body []byte) (forge.Event, error) {
	var p github.PullRequestEvent
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.GetRepo())
	if err != nil {
		return forge.Event{}, err
	}
	kind := forge.EventPullRequest
	switch p.GetAction() {
	case "opened", "reopened", "synchronize":
	case "closed":
		kind = forge.EventPullRequestClosed
	default:
		return forge.Event{}, ignored("this pull request action is not acted on")
	}
	pr := p.GetPullRequest()
	if pr.GetBase().GetRepo().GetID() != p.GetRepo().GetID() {
		return forge.Event{}, &forge.MalformedError{Reason: "pull_request.base.repo is not the repository"}
	}
	var head forge.Repository
	if r := pr.GetHead().GetRepo(); r != nil {
		if head, err = f.repository("pull_request.head.repo", r); err != nil {
			return forge.Event{}, err
		}
	}
	return forge.Event{
		Kind: kind, Repository: repo, Sender: p.GetSender().GetLogin(),
		PullRequest: &forge.PullRequest{
			Number:         int64(pr.GetNumber()),
			Head:           pr.GetHead().GetSHA(),
			HeadRepository: head,
			HeadBranch:     pr.GetHead().GetRef(),
			BaseBranch:     pr.GetBase().GetRef(),
			Title:          pr.GetTitle(),
			Author:         pr.GetUser().GetLogin(),
		},
	}.Vet()
}

func (f *Forge) parseComment(body []byte) (forge.Event, error) {
	var p github.IssueCommentEvent
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.GetRepo())
	if err != nil {
		return forge.Event{}, err
	}
	if p.GetIssue().GetPullRequestLinks() == nil {
		return forge.Event{}, ignored("the comment is not on a pull request")
	}
	if p.GetAction() != "created" {
		return forge.Event{}, ignored("the comment is not a new one")
	}
	return forge.Event{
		Kind: forge.EventComment, Repository: repo, Sender: p.GetSender().GetLogin(),
		PullRequest: &forge.PullRequest{
			Number: int64(p.GetIssue().GetNumber()),
			Title:  p.GetIssue().GetTitle(),
			Author: p.GetIssue().GetUser().GetLogin(),
		},
		Comment: &forge.Comment{
			ID:     p.GetComment().GetID(),
			Body:   p.GetComment().GetBody(),
			Author: p.GetComment().GetUser().GetLogin(),
		},
	}.Vet()
}

// payloadRepository is what go-github's two repository types share.
type payloadRepository interface {
	GetID() int64
	GetFullName() string
	GetCloneURL() string
	GetDefaultBranch() string
}

// repository turns the payload's repository into distbot's and refuses one
// that is not at this GitHub. go-github's getters answer zero values on nil.
func (f *Forge) repository(field string, r payloadRepository) (forge.Repository, error) {
	if r.GetID() <= 0 {
		return forge.Repository{}, &forge.MalformedError{Reason: field + ".id is not positive"}
	}
	if _, _, err := forge.SplitFullName(r.GetFullName()); err != nil {
		return forge.Repository{}, &forge.MalformedError{Reason: field + ".full_name " + err.Error()}
	}
	if err := f.origin.CheckCloneURL(r.GetCloneURL(), r.GetFullName()); err != nil {
		return forge.Repository{}, err
	}
	return forge.Repository{
		ID:            strconv.FormatInt(r.GetID(), 10),
		FullName:      r.GetFullName(),
		CloneURL:      r.GetCloneURL(),
		DefaultBranch: r.GetDefaultBranch(),
	}, nil
}

func ignored(reason string) error { return &forge.IgnoredError{Reason: reason} }
