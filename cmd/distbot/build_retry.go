package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/distbot/distbot/queue"
)

func buildRetryCommand() command {
	return command{
		name: "build retry", args: "ID [--failed-arches]", help: "build a failed or canceled build's commit again", run: withHub(readRetry, buildRetry),
		flags: func(flags *flag.FlagSet) {
			changeFlags(flags)
			flags.Bool("failed-arches", false, "keep the source package and the architectures that were finished")
		},
	}
}

// retry is which build is tried again, and how.
type retry struct {
	id           int64
	failedArches bool
}

func readRetry(flags *flag.FlagSet) (retry, error) {
	id, err := readID("build")(flags)
	return retry{id: id, failedArches: isSet(flags, "failed-arches")}, err
}

func buildRetry(ctx context.Context, h *hub, r retry) error {
	if _, err := h.actAs(ctx, ""); err != nil {
		return err
	}
	what := ""
	var again int64
	var arches []string
	var err error
	if r.failedArches {
		again, arches, err = queue.ResumeBuild(ctx, h.pool, h.client, h.config.ExternalURL, r.id)
		what = " for " + strings.Join(arches, " ")
	} else {
		again, err = queue.RetryBuild(ctx, h.pool, h.client, h.config.ExternalURL, r.id)
	}
	var not *queue.NotResumableError
	if errors.As(err, &not) {
		return fmt.Errorf("of build %d nothing can be kept: %s", r.id, not.Reason)
	}
	if err != nil {
		return notForBuild(r.id, "a failed or canceled build can be retried", err)
	}
	if h.json {
		return writeJSON(h.stdout, retryView{ID: again, RetryOf: r.id, Arches: append([]string{}, arches...), URL: queue.BuildURL(h.config.ExternalURL, again)})
	}
	_, err = fmt.Fprintf(h.stdout, "build %d%s: %s\n", again, what, queue.BuildURL(h.config.ExternalURL, again))
	return err
}

// retryView is a new build that does another's work again, for programs.
type retryView struct {
	ID      int64 `json:"id"`
	RetryOf int64 `json:"retry_of"`
	// Arches are those that are built; empty where everything is.
	Arches []string `json:"arches"`
	URL    string   `json:"url"`
}
