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
			flags.Bool("failed-arches", false, "keep the source package and the architectures that were finished; of a complete build, what lagged and failed or was canceled")
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
		again, arches, err = retryArches(ctx, h, r.id)
		what = " for " + strings.Join(arches, " ")
	} else {
		again, err = queue.RetryBuild(ctx, h.pool, h.client, h.config.ExternalURL, r.id)
	}
	var standing *queue.StandingBuildError
	if errors.As(err, &standing) {
		return fmt.Errorf("build %d can't be retried: %s", r.id, standing.Reason())
	}
	var not *queue.NotResumableError
	if errors.As(err, &not) {
		return fmt.Errorf("of build %d nothing can be kept: %s", r.id, not.Reason)
	}
	var nothing *queue.NotRebuildableError
	if errors.As(err, &nothing) {
		return fmt.Errorf("of build %d nothing can be built again: %s", r.id, nothing.Reason)
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

// retryArches builds the architectures of a build that are not finished: of a
// complete one those that it did not wait for, which join it, and of any other
// in a new build. It returns the build they are part of.
func retryArches(ctx context.Context, h *hub, id int64) (build int64, arches []string, err error) {
	build, arches, err = queue.ResumeBuild(ctx, h.pool, h.client, h.config.ExternalURL, id)
	var over *queue.NotBuildingError
	if errors.As(err, &over) && over.State == queue.BuildComplete {
		arches, err = queue.RebuildArches(ctx, h.pool, h.client, id, nil)
		build = id
	}
	return build, arches, err
}

// retryView is a build that does another's work again, for programs.
type retryView struct {
	// ID is of a new build, or the same as RetryOf where architectures of a
	// complete one are built again.
	ID      int64 `json:"id"`
	RetryOf int64 `json:"retry_of"`
	// Arches are those that are built; empty where everything is.
	Arches []string `json:"arches"`
	URL    string   `json:"url"`
}
