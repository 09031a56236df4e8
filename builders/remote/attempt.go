package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/distbot/distbot/builders"
	"github.com/distbot/distbot/queue"
)

// maxInstalled is how many packages a buildroot can hold.
const maxInstalled = 100_000

// begin opens an attempt and makes its token. A host that asks twice, since it
// did not hear the answer, gets another token that counts.
func (s *Server) begin(w http.ResponseWriter, r *request) error {
	token := newSecret()
	digest := sha256.Sum256([]byte(token))
	attempt, err := s.Stages.Begin(r.Context(), r.holder(), r.claim, digest[:])
	if err != nil {
		return err
	}
	shared, err := attempt.ShareRepos(r.Context())
	if err != nil {
		return err
	}
	work := attempt.Work()
	for place := range shared {
		work.Root.Repos[place].URL = hubScheme + strconv.Itoa(place)
	}
	writeJSON(w, http.StatusOK, beginAnswer{Work: work, Token: token})
	return nil
}

// attempt is the open attempt that a request is about.
func (s *Server) attempt(r *request) (*builders.Attempt, error) {
	return s.Stages.Continue(r.Context(), r.holder(), r.claim, r.token)
}

// phase notes that a phase began.
func (s *Server) phase(w http.ResponseWriter, r *request) error {
	var message phaseMessage
	if err := s.message(r, maxMessage, &message); err != nil {
		return err
	}
	if !message.Phase.Known() {
		return bad("%.40q is no phase", message.Phase)
	}
	attempt, err := s.attempt(r)
	if err != nil {
		return err
	}
	attempt.Phase(r.Context(), message.Phase)
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

// finish seals the results of an attempt.
func (s *Server) finish(w http.ResponseWriter, r *request) error {
	// Only whose attempt is open may send so much; one that has ended says so by
	// s.end below.
	if _, err := s.attempt(r); err != nil && !errors.Is(err, queue.ErrLostAttempt) {
		return err
	}
	var message finishMessage
	if err := s.message(r, maxFinish, &message); err != nil {
		return err
	}
	if err := checkOutcome(message.Outcome); err != nil {
		return err
	}
	if message.Results == nil {
		message.Results = []builders.Upload{}
	}
	return s.end(w, r, message.Results, func(ctx context.Context, attempt *builders.Attempt) error {
		return attempt.FinishUploaded(ctx, message.Outcome, message.Results)
	})
}

// fail ends an attempt as failed.
func (s *Server) fail(w http.ResponseWriter, r *request) error {
	var message failMessage
	if err := s.message(r, maxMessage, &message); err != nil {
		return err
	}
	if message.Failure.Phase != "" && !message.Failure.Phase.Known() {
		return bad("%.40q is no phase", message.Failure.Phase)
	}
	return s.end(w, r, nil, func(ctx context.Context, attempt *builders.Attempt) error {
		return attempt.Fail(ctx, message.Failure)
	})
}

// end ends an attempt. Once it is begun, the end does not depend on whether the
// host still listens: it will ask again, and be told.
func (s *Server) end(w http.ResponseWriter, r *request, files []builders.Upload, end func(context.Context, *builders.Attempt) error) error {
	attempt, err := s.attempt(r)
	if err == nil {
		err = end(context.WithoutCancel(r.Context()), attempt)
	}
	if errors.Is(err, queue.ErrLostAttempt) {
		err = s.Stages.Ended(r.Context(), r.holder(), r.claim, r.token, files)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

// release gives an attempt back.
func (s *Server) release(w http.ResponseWriter, r *request) error {
	return s.giveBack(w, r, (*builders.Attempt).Release)
}

// refuse gives an attempt back that the host can't take.
func (s *Server) refuse(w http.ResponseWriter, r *request) error {
	return s.giveBack(w, r, (*builders.Attempt).Refuse)
}

func (s *Server) giveBack(w http.ResponseWriter, r *request, how func(*builders.Attempt, context.Context, string) error) error {
	var message reasonMessage
	if err := s.message(r, maxMessage, &message); err != nil {
		return err
	}
	attempt, err := s.attempt(r)
	if err != nil {
		return err
	}
	if err := how(attempt, r.Context(), message.Reason); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

var (
	hexText = regexp.MustCompile(`^[0-9a-f]{0,128}$`)
	nevra   = regexp.MustCompile(`^[A-Za-z0-9+._:~^()@-]{1,300}$`)
)

// checkOutcome refuses what no driver tells of a success.
func checkOutcome(outcome builders.Outcome) error {
	switch {
	case !word.MatchString(outcome.Driver):
		return bad("%.80q is no driver", outcome.Driver)
	case len(outcome.RepoKey) > 200 || strings.ContainsFunc(outcome.RepoKey, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return bad("%.80q is no key of repositories", outcome.RepoKey)
	case len(outcome.Installed) > maxInstalled:
		return bad("the buildroot held more than %d packages", maxInstalled)
	}
	for _, installed := range outcome.Installed {
		if !nevra.MatchString(installed.NEVRA) || !hexText.MatchString(installed.Digest) || !hexText.MatchString(installed.SHA256) ||
			installed.Repo != "" && !word.MatchString(installed.Repo) {
			return bad("%s is no package with its digest", fmt.Sprintf("%.80q", installed.NEVRA))
		}
	}
	return nil
}
