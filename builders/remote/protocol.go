package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// Prefix is what the paths of all requests begin with.
const Prefix = "/builder/v1/"

const (
	headerSession = "Distbot-Session"
	headerSHA256  = "Distbot-SHA256"
	// hubScheme and a number stand for a repository of the hub in a work.
	hubScheme = "hub:"
)

// Bounds of the messages.
const (
	maxMessage = 1 << 20
	// maxFinish is for the list of what a buildroot held.
	maxFinish = 4 << 20
	// maxChunk is how much of a log is sent at a time.
	maxChunk = 1 << 20
	// stall is how long a body may bring no byte.
	stall = time.Minute
	// messageTime is how long a message may take to arrive.
	messageTime = 30 * time.Second
)

// connectAnswer is the answer to connect.
type connectAnswer struct {
	HostID  int64  `json:"host_id"`
	Host    string `json:"host"`
	Session string `json:"session"`
}

// probeAnswer is the answer to probe.
type probeAnswer struct {
	// Unready says why the host would be given no work.
	Unready string `json:"unready,omitempty"`
}

// beginAnswer is the answer to begin.
type beginAnswer struct {
	// Work has hub:K for the URL of each repository of the hub.
	Work  builders.Work `json:"work"`
	Token string        `json:"token"`
}

type phaseMessage struct {
	Phase builders.Phase `json:"phase"`
}

// logAnswer is the answer to bytes of a log, also to those that do not fit.
type logAnswer struct {
	// Size is how long the log is now.
	Size int64 `json:"size"`
	// Full says that no more of it is taken.
	Full bool `json:"full,omitempty"`
}

type finishMessage struct {
	Outcome builders.Outcome  `json:"outcome"`
	Results []builders.Upload `json:"results"`
}

type failMessage struct {
	Failure builders.Failure `json:"failure"`
}

// reasonMessage releases or refuses.
type reasonMessage struct {
	Reason string `json:"reason"`
}

// problem is the body of an answer that is not 2xx.
type problem struct {
	Code    string            `json:"code"`
	Message string            `json:"message"`
	Failure *builders.Failure `json:"failure,omitempty"`
}

// The codes of problems, and what they are at the other side.
const (
	codeIdentity    = "identity"
	codeTaken       = "taken"
	codeLostLease   = "lost_lease"
	codeLostAttempt = "lost_attempt"
	codeTaskOver    = "task_over"
	codeToken       = "token"
	codeSealed      = "sealed"
	codeFailure     = "failure"
	codeRequest     = "request"
	codeFull        = "full"
	codeBusy        = "busy"
	codePassing     = "passing"
	codeInternal    = "internal"
	codeNotFound    = "not_found"
)

// ErrIdentity says that the hub does not, or no longer, accept the host's
// credentials. Trying again does not help.
var ErrIdentity = errors.New("remote: the hub does not accept the host's credentials")

// AnswerError is an answer of the hub that says that it could not do what was
// asked.
type AnswerError struct {
	// Status is the HTTP status.
	Status int
	// Code and Message are the hub's words; Code is empty when something else
	// than a hub has answered.
	Code, Message string
}

// Error implements error.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the hub answers %d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}

// passing reports whether the same request may be answered otherwise later.
func (e *AnswerError) passing() bool {
	return e.Code == "" || e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

// readProblem turns an answer that is not 2xx into the error that the hub had.
func readProblem(response *http.Response) error {
	var p problem
	text, err := io.ReadAll(io.LimitReader(response.Body, maxMessage))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	switch {
	case err != nil && response.StatusCode == http.StatusForbidden:
		return ErrIdentity
	case err != nil:
		return &AnswerError{Status: response.StatusCode, Message: "this is no answer of a hub"}
	}
	answer := &AnswerError{Status: response.StatusCode, Code: p.Code, Message: queue.OneLine(p.Message)}
	switch p.Code {
	case codeIdentity:
		return fmt.Errorf("%w: %w", ErrIdentity, answer)
	case codeTaken:
		return fmt.Errorf("%w: %w", queue.ErrHostTaken, answer)
	case codeLostLease:
		return queue.ErrLostLease
	case codeLostAttempt, codeToken:
		return queue.ErrLostAttempt
	case codeTaskOver:
		return queue.ErrTaskOver
	case codeFailure:
		if p.Failure != nil {
			return p.Failure
		}
	}
	return answer
}

// taskPath is the path of what a request about an attempt is for.
func taskPath(claim queue.Claim, rest string) string {
	return Prefix + "tasks/" + strconv.FormatInt(claim.TaskID, 10) + "/" + strconv.FormatInt(int64(claim.Attempt), 10) + "/" + rest
}
