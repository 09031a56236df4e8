package repopublish

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/repopublish/signer"
)

// Gate is what refuses a repository.
type Gate string

// The gates.
const (
	// GateSettings: an extra setting of the tag can't be understood.
	GateSettings Gate = "settings"
	// GateGroups: the tag's groups make no comps.xml.
	GateGroups Gate = "groups"
	// GateModules: module documents that clients can't use, or modular packages
	// without theirs.
	GateModules Gate = "modules"
	// GateClosure: requirements that nothing meets.
	GateClosure Gate = "closure"
	// GatePackages: packages that no repository can have.
	GatePackages Gate = "packages"
	// GateKeys: keys that can't sign.
	GateKeys Gate = "signing keys"
	// GateRollback: the generation that somebody went back to is gone.
	GateRollback Gate = "rollback"
)

const (
	// maxProblems is how many problems are kept, maxProblem bounds each, in
	// bytes.
	maxProblems = 200
	maxProblem  = 1000
)

// RefusedError says that a repository is not made as its tag is: to try again
// would not help, a change of the tag may.
type RefusedError struct {
	Gate Gate
	// Problems are in words, at least one; at most maxProblems of Total.
	Problems []string
	Total    int
}

// Error is the gate with the first problem, in one line.
func (e *RefusedError) Error() string {
	text := string(e.Gate) + ": " + e.Problems[0]
	if e.Total > 1 {
		text += fmt.Sprintf(" (and %d more)", e.Total-1)
	}
	return text
}

// refuseAll is a *RefusedError of problems, nil where there are none.
func refuseAll(gate Gate, problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	listed := bounded(problems)
	return &RefusedError{Gate: gate, Problems: listed, Total: len(problems)}
}

// bounded are the first problems, each in one line of bounded length.
func bounded(problems []string) []string {
	listed := make([]string, 0, min(len(problems), maxProblems))
	for _, problem := range problems[:min(len(problems), maxProblems)] {
		problem = queue.OneLine(problem)
		if len(problem) > maxProblem {
			problem = strings.ToValidUTF8(problem[:maxProblem], "") + "…"
		}
		listed = append(listed, problem)
	}
	return listed
}

// refuse is a *RefusedError with one problem.
func refuse(gate Gate, err error) error { return refuseAll(gate, []string{err.Error()}) }

// refusalOf returns the refusal that an error is, or amounts to; nil for errors
// that may end by themselves, or by what somebody does elsewhere.
func refusalOf(err error) *RefusedError {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused
	}
	if errors.Is(err, signer.ErrUnreachable) || errors.Is(err, ErrNoSigner) {
		return nil
	}
	var bySigner *signer.RefusedError
	hopeless := errors.Is(err, ErrNoKey)
	if errors.As(err, &bySigner) {
		switch bySigner.Code {
		case signer.CodeUnknownKey, signer.CodeRetiredKey, signer.CodeExpiredKey, signer.CodeMalformed:
			hopeless = true
		}
	}
	if !hopeless {
		return nil
	}
	return &RefusedError{Gate: GateKeys, Problems: bounded([]string{inWords(err)}), Total: 1}
}
