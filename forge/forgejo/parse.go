package forgejo

import (
	"net/http"
	"strings"

	"github.com/distbot/distbot/forge"
)

// Parse implements forge.Forge.
//
// A new branch arrives twice, as create and as push with the same commit; both
// become the same EventPush, because a renamed branch arrives as delete and
// create only. A deleted branch arrives as delete only.
func (f *Forge) Parse(header http.Header, body []byte) (forge.Event, error) {
	delivery, err := f.Delivery(header)
	if err != nil {
		return forge.Event{}, err
	}
	switch delivery.Event {
	case "push":
		return f.parsePush(body)
	case "create":
		return f.parseCreate(body)
	case "delete":
		return f.parseDelete(body)
	case "pull_request":
		return f.parsePullRequest(body)
	case "issue_comment":
		return f.parseComment(body)
	}
	// Still a promise of the delivery that its body is JSON.
	if err := forge.DecodeObject(body, &struct{}{}); err != nil {
		return forge.Event{}, err
	}
	return forge.Event{}, ignored("event " + delivery.Event + " is not acted on")
}

func (f *Forge) parsePush(body []byte) (forge.Event, error) {
	var p pushPayload
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	return forge.PushEvent(repo, p.Ref, p.Before, p.After, p.Sender.Login)
}

func (f *Forge) parseCreate(body []byte) (forge.Event, error) {
	var p createPayload
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	if p.RefType != "branch" {
		return forge.Event{}, ignored("the ref is not a branch")
	}
	return forge.Event{
		Kind: forge.EventPush, Repository: repo, Ref: fullRef(p.Ref), Sender: p.Sender.Login,
		After: p.SHA,
	}.Vet()
}

func (f *Forge) parseDelete(body []byte) (forge.Event, error) {
	var p deletePayload
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	if p.RefType != "branch" {
		return forge.Event{}, ignored("the ref is not a branch")
	}
	return forge.Event{
		Kind: forge.EventBranchDelete, Repository: repo, Ref: fullRef(p.Ref), Sender: p.Sender.Login,
	}.Vet()
}

// fullRef makes a full ref of the branch of a create or delete: Gitea sends
// short names there, Forgejo full ones.
func fullRef(ref string) string {
	return forge.BranchRef(strings.TrimPrefix(ref, "refs/heads/"))
}

func (f *Forge) parsePullRequest(body []byte) (forge.Event, error) {
	var p pullRequestPayload
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	kind := forge.EventPullRequest
	switch p.Action {
	case "opened", "reopened", "synchronized", "synchronize":
	case "closed":
		kind = forge.EventPullRequestClosed
	default:
		return forge.Event{}, ignored("this pull request action is not acted on")
	}
	pr, err := f.pullRequest(p.PullRequest, p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	return forge.Event{Kind: kind, Repository: repo, PullRequest: pr, Sender: p.Sender.Login}.Vet()
}

func (f *Forge) parseComment(body []byte) (forge.Event, error) {
	var p commentPayload
	if err := forge.DecodeObject(body, &p); err != nil {
		return forge.Event{}, err
	}
	repo, err := f.repository("repository", p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	if !p.IsPull {
		return forge.Event{}, ignored("the comment is not on a pull request")
	}
	if p.Action != "created" {
		return forge.Event{}, ignored("the comment is not a new one")
	}
	pr, err := f.pullRequest(p.PullRequest, p.Repository)
	if err != nil {
		return forge.Event{}, err
	}
	return forge.Event{
		Kind: forge.EventComment, Repository: repo, PullRequest: pr, Sender: p.Sender.Login,
		Comment: &forge.Comment{ID: p.Comment.ID, Body: p.Comment.Body, Author: p.Comment.User.Login},
	}.Vet()
}

func ignored(reason string) error { return &forge.IgnoredError{Reason: reason} }
