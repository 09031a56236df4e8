// Package forge is the contract between distbot and the places that host
// dist-git: GitHub, Forgejo/Gitea, and plain bare repositories.
//
// It knows how a delivery is authenticated and what it says, how a commit
// status is sent, and where a repository is cloned from. It refuses to know
// what a build, a tag or a database is: a driver is given everything it needs
// in its arguments, keeps nothing that it could not ask for again, and may be
// called by any number of goroutines at once.
//
// Every driver passes forgetest.Exercise.
package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind names a driver as distbot.yaml does.
type Kind string

// The kinds of forges distbot speaks to. Forgejo stands for Gitea too: their
// deliveries and their API differ only where the driver says so.
const (
	KindForgejo Kind = "forgejo"
	KindGitHub  Kind = "github"
	KindGit     Kind = "git"
)

// Forge is one configured code host.
type Forge interface {
	// Kind is the driver's name.
	Kind() Kind

	// Verify authenticates a delivery: it returns nil when body carries a valid
	// HMAC-SHA256 of at least one of the secrets, compared in constant time,
	// and ErrUnauthenticated (never wrapped with a reason, never with the
	// expected value) otherwise: missing, malformed, repeated or wrong
	// signature, or no secret at all. It looks at the primary signature header
	// of its kind only; a good fallback header never rescues a bad primary.
	Verify(header http.Header, body []byte, secrets []Secret) error

	// Delivery reads who the delivery is from the headers of this kind of forge
	// and no other: its id and the name of its event. It returns
	// *MalformedError when one of them is missing, repeated, or not a plain
	// word of at most MaxHeader bytes. The headers are not covered by the
	// signature, so they decide nothing but bookkeeping and which shape Parse
	// expects of the body.
	Delivery(header http.Header) (Delivery, error)

	// Parse reads an authenticated delivery. It never panics, whatever the
	// body. It returns *IgnoredError for deliveries that are well-formed but
	// ask nothing of distbot (unknown events, tag deletions, a "test delivery"
	// whose before equals after), and *MalformedError for a body that is not
	// what the event promises.
	Parse(header http.Header, body []byte) (Event, error)

	// SetStatus sets a commit status. It returns *RetryError when the forge
	// asks for patience (403 with a rate limit, 429, 5xx, no connection),
	// ErrNotFound when repository or commit are gone, and any other error when
	// sending again would not help.
	SetStatus(ctx context.Context, repo Repository, commit string, status Status) error

	// ShowsDetails reports whether SetStatus shows Status.Detail. Where it does
	// not, the detail is left out and the status is sent alone; a detail that no
	// forge would take is an error everywhere.
	ShowsDetails() bool

	// KeepsStatuses reports whether SetStatus shows anything to anybody. Where
	// it does not, to set a status twice is the same as once.
	KeepsStatuses() bool

	// Statuses returns the newest status of each context on the commit, in no
	// particular order and without details. Used after a crash between sending
	// and recording. What others set is among them, on Gitea with states that are
	// not ours. Errors are those of SetStatus.
	Statuses(ctx context.Context, repo Repository, commit string) ([]Status, error)

	// CloneURL is where the repository is fetched from, without credentials.
	CloneURL(repo Repository) string

	// CloneAuth is the HTTP basic user and password for CloneURL, or two empty
	// strings. It never ends up in a URL, an argument or a log.
	CloneAuth(ctx context.Context, repo Repository) (user, password string, err error)
}

// Secret is the key of a webhook. Its value never appears in output: String,
// GoString and LogValue print a placeholder.
type Secret []byte

// String implements fmt.Stringer without giving the secret away.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer without giving the secret away.
func (Secret) GoString() string { return "[secret]" }

// EventKind says what a delivery asks for.
type EventKind string

// The events distbot acts on.
const (
	// EventPush is a branch that points to another commit: an update, a new
	// branch, a force-push.
	EventPush EventKind = "push"
	// EventBranchDelete is a branch that went away.
	EventBranchDelete EventKind = "branch_delete"
	// EventPullRequest is a pull request that was opened, reopened, or whose
	// head moved.
	EventPullRequest EventKind = "pull_request"
	// EventPullRequestClosed is a pull request that was closed or merged.
	EventPullRequestClosed EventKind = "pull_request_closed"
	// EventComment is a new comment on a pull request.
	EventComment EventKind = "comment"
)

// Event is one delivery in distbot's words. Fields that an event does not have
// are zero.
type Event struct {
	Kind       EventKind
	Repository Repository
	// Ref is the full ref name, refs/heads/… for pushes; for pull requests the
	// ref of the base repository that holds the head (refs/pull/N/head).
	Ref string
	// Before and After are full object ids; 40 zeros become the empty string.
	Before, After string
	// PullRequest is set for the pull request and comment events.
	PullRequest *PullRequest
	Comment     *Comment
	// Sender is the login of the one who acted.
	Sender string
}

// Repository names a repository at its forge.
type Repository struct {
	// ID is the forge's own stable id in decimal (for kind git: the name),
	// which survives renames.
	ID string
	// FullName is OWNER/NAME; for kind git the path below the forge's root
	// without ".git", for example rpms/hello.
	FullName string
	// CloneURL is what the delivery says. Drivers check it against the
	// configured forge: same scheme, host and port, or it is refused.
	CloneURL string
	// DefaultBranch is a short branch name, empty when the delivery has none.
	DefaultBranch string
}

// Name is the last path element of FullName: the package's name in dist-git.
func (r Repository) Name() string {
	for i := len(r.FullName) - 1; i >= 0; i-- {
		if r.FullName[i] == '/' {
			return r.FullName[i+1:]
		}
	}
	return r.FullName
}

// PullRequest is a change proposed to Repository.
type PullRequest struct {
	Number int64
	// Head is the commit to build. Head, HeadRepository, HeadBranch and
	// BaseBranch are empty in GitHub's comment events, which do not carry them.
	Head string
	// HeadRepository is where the head lives; it differs from the base
	// repository for a fork, and has an empty ID when the fork is gone.
	HeadRepository Repository
	HeadBranch     string
	// BaseBranch is the short name of the branch the change is meant for: it
	// selects the target.
	BaseBranch string
	Title      string
	Author     string
}

// Comment is a comment on a pull request.
type Comment struct {
	ID   int64
	Body string
	// Author is the login of the writer.
	Author string
}

// State is a commit status's state: only the four that every forge knows.
type State string

// The states of a commit status.
const (
	StatePending State = "pending"
	StateSuccess State = "success"
	StateFailure State = "failure"
	StateError   State = "error"
)

// Final reports whether nothing follows the state in the life of one build.
func (s State) Final() bool { return s != StatePending }

// MaxDescription is the longest description every forge accepts, in
// characters. GitHub answers 422 above it.
const MaxDescription = 140

// Status is one commit status.
type Status struct {
	// Context is the name branch protection refers to, for example
	// distbot/f37/x86_64.
	Context string
	State   State
	// Description is at most MaxDescription characters; drivers cut longer
	// ones at a character border and end them with an ellipsis.
	Description string
	// TargetURL is an absolute http or https URL, or empty.
	TargetURL string
	// Finer refines State; forges that know the four only leave it out.
	Finer FinerState
	// Run names what the status is about among what the context was about
	// before, such as one build of several of a commit: at most 255 bytes. A
	// forge that keeps a record of each shows the newest one. It may be empty.
	Run string
	// Detail is shown where Forge.ShowsDetails; nil when there is none.
	Detail *Detail
}

// Same reports whether both would read the same to somebody who sees statuses
// without their details.
func (s Status) Same(other Status) bool {
	return s.Context == other.Context && s.State == other.State && s.Description == other.Description && s.TargetURL == other.TargetURL
}

// ErrUnauthenticated is the one answer to every signature that does not hold.
var ErrUnauthenticated = errors.New("forge: delivery is not authenticated")

// ErrNotFound says that the repository or the commit is gone (or that the
// token may not see it).
var ErrNotFound = errors.New("forge: repository or commit not found")

// IgnoredError says why a well-formed delivery asks nothing of distbot.
type IgnoredError struct{ Reason string }

// Error implements error.
func (e *IgnoredError) Error() string { return "forge: delivery ignored: " + e.Reason }

// MalformedError says what is wrong with a delivery's body. Its text is shown
// to the sender and holds nothing of the body but field names.
type MalformedError struct{ Reason string }

// Error implements error.
func (e *MalformedError) Error() string { return "forge: malformed delivery: " + e.Reason }

// RetryError says that the same request may succeed later.
type RetryError struct {
	// After is how long the forge asked to wait; 0 when it did not say.
	After time.Duration
	Err   error
}

// Error implements error.
func (e *RetryError) Error() string {
	if e.After > 0 {
		return fmt.Sprintf("forge: try again in %s: %v", e.After, e.Err)
	}
	return fmt.Sprintf("forge: try again later: %v", e.Err)
}

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }
