package forge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of the texts of an Event, in characters. Longer ones are cut.
const (
	maxLogin   = 255
	maxTitle   = 255
	maxComment = 65536
)

// DecodeObject reads body, one JSON object and nothing after it, into the
// struct that into points to. It returns *MalformedError otherwise.
func DecodeObject(body []byte, into any) error {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return &MalformedError{Reason: "body is not a JSON object"}
	}
	err := json.Unmarshal(body, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return &MalformedError{Reason: "field " + wrong.Field + " has the wrong type"}
	}
	if err != nil {
		return &MalformedError{Reason: "body is not a JSON object"}
	}
	return nil
}

// PushEvent is what a push of one ref means: EventPush, or EventBranchDelete
// when after is all zeros. Before and after are object ids as git's hooks write
// them, all zeros for "no commit". It returns *IgnoredError when ref is not a
// branch or nothing moved, which is how forges test a hook, and *MalformedError
// as Vet does.
func PushEvent(repo Repository, ref, before, after, sender string) (Event, error) {
	if _, ok := Branch(ref); !ok {
		return Event{}, &IgnoredError{Reason: "the ref is not a branch"}
	}
	event := Event{Kind: EventPush, Repository: repo, Ref: ref, Sender: sender}
	var err error
	if event.Before, err = commitOrNone("before", before); err != nil {
		return Event{}, err
	}
	if event.After, err = commitOrNone("after", after); err != nil {
		return Event{}, err
	}
	if event.Before == event.After {
		return Event{}, &IgnoredError{Reason: "test delivery: before equals after"}
	}
	if event.After == "" {
		event.Kind = EventBranchDelete
	}
	return event.Vet()
}

func commitOrNone(field, id string) (string, error) {
	if (len(id) == 40 || len(id) == 64) && strings.Trim(id, "0") == "" {
		return "", nil
	}
	if err := CheckCommit(id); err != nil {
		return "", malformed(field, err)
	}
	return id, nil
}

// Vet is the last step of every driver's Parse: it returns the event with its
// texts made harmless (one line where a line is expected, no NUL, bounded), or
// *MalformedError when a field is not what the contract of Event says. Full
// names are OWNER/NAME; the kind git checks its own before.
func (e Event) Vet() (Event, error) {
	e.Sender = cutLine(e.Sender, maxLogin)
	if err := e.Repository.vet("repository"); err != nil {
		return Event{}, err
	}
	var err error
	switch e.Kind {
	case EventPush, EventBranchDelete:
		err = e.vetBranch()
	case EventPullRequest, EventPullRequestClosed, EventComment:
		err = e.vetPullRequest()
	default:
		err = malformed("kind", errors.New("is unknown"))
	}
	if err != nil {
		return Event{}, err
	}
	return e, nil
}

func (e *Event) vetBranch() error {
	branch, ok := Branch(e.Ref)
	if !ok {
		return malformed("ref", errors.New("is not a branch"))
	}
	if err := CheckBranch(branch); err != nil {
		return malformed("ref", err)
	}
	if e.Before != "" {
		if err := CheckCommit(e.Before); err != nil {
			return malformed("before", err)
		}
	}
	if e.Kind == EventBranchDelete {
		if e.After != "" {
			return malformed("after", errors.New("is not all zeros"))
		}
		return nil
	}
	if err := CheckCommit(e.After); err != nil {
		return malformed("after", err)
	}
	return nil
}

// vetPullRequest copies what it cleans, so that the caller's values stay.
func (e *Event) vetPullRequest() error {
	if e.PullRequest == nil {
		return malformed("pull_request", errors.New("is missing"))
	}
	pr := *e.PullRequest
	if pr.Number <= 0 {
		return malformed("number", errors.New("is not positive"))
	}
	pr.Title = cutLine(pr.Title, maxTitle)
	pr.Author = cutLine(pr.Author, maxLogin)
	if err := pr.vetHead(e.Kind); err != nil {
		return err
	}
	e.PullRequest = &pr
	e.Ref = fmt.Sprintf("refs/pull/%d/head", pr.Number)
	if e.Kind != EventComment {
		return nil
	}
	if e.Comment == nil || e.Comment.ID <= 0 {
		return malformed("comment.id", errors.New("is not positive"))
	}
	comment := *e.Comment
	comment.Author = cutLine(comment.Author, maxLogin)
	if comment.Author == "" {
		return malformed("comment.user.login", errors.New("is empty"))
	}
	comment.Body = cutText(comment.Body, maxComment)
	e.Comment = &comment
	return nil
}

// vetHead wants everything of an open pull request. The head of a closed one
// may be gone, and comments need not say.
func (pr *PullRequest) vetHead(kind EventKind) error {
	open := kind == EventPullRequest
	if err := CheckCommit(pr.Head); (open || pr.Head != "") && err != nil {
		return malformed("pull_request.head.sha", err)
	}
	if err := CheckBranch(pr.HeadBranch); pr.HeadBranch != "" && err != nil {
		return malformed("pull_request.head.ref", err)
	}
	if err := CheckBranch(pr.BaseBranch); (open || pr.BaseBranch != "") && err != nil {
		return malformed("pull_request.base.ref", err)
	}
	if pr.HeadRepository.ID == "" {
		pr.HeadRepository = Repository{}
		return nil
	}
	return pr.HeadRepository.vet("pull_request.head.repo")
}

func (r Repository) vet(field string) error {
	if r.ID == "" {
		return malformed(field+".id", errors.New("is missing"))
	}
	if err := CheckFullName(r.FullName, 1, maxFullNameElements); err != nil {
		return malformed(field+".full_name", err)
	}
	if err := CheckBranch(r.DefaultBranch); r.DefaultBranch != "" && err != nil {
		return malformed(field+".default_branch", err)
	}
	return nil
}

// cutText keeps line ends and tabs, drops NUL, which PostgreSQL's text can't
// hold, and cuts after limit characters.
func cutText(text string, limit int) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
	n := 0
	for i := range text {
		if n == limit {
			return text[:i]
		}
		n++
	}
	return text
}

func malformed(field string, cause error) error {
	return &MalformedError{Reason: field + " " + cause.Error()}
}
