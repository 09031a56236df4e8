package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/distgit"
	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

func buildSubmitCommand() command {
	return command{
		name: "build submit", args: "PACKAGE|REPOSITORY[#BRANCH|#COMMIT]… --target TARGET [--scratch [--arch ARCHES]] [--chain] [--wait-repo]\n" +
			"       [--nowait] [--background | --priority N]", run: withHub(readSubmission, buildSubmit),
		help: "build packages of dist-git; with --chain in groups separated by a lone :",
		flags: func(flags *flag.FlagSet) {
			jsonFlag(flags)
			asFlag(flags)
			flags.String("target", "", "build for this `target`; needed")
			flags.Bool("scratch", false, "only build: nothing is tagged or published")
			flags.String("arch", "", "build a scratch build for these `architectures`, separated by commas, whatever the package says")
			flags.Bool("chain", false, "build groups, separated by a lone :, each when the repository holds the one before")
			flags.Bool("wait-repo", false, "end when the repositories of the target's tags hold what was built")
			flags.Bool("nowait", false, "ask for it and end at once")
			flags.Bool("background", false, "let other builds go first")
			flags.String("priority", "", "`N` of the tasks instead of 20, the lower the sooner; for admins")
		},
	}
}

// The bounds of --priority, and what --background adds (Koji's).
const (
	maxPriority = 1000
	background  = 5
)

// submission is what is to be built, and whether to wait for it.
type submission struct {
	distgit.ChainRequest
	nowait bool
	// asked is true where a priority was given.
	asked bool
}

func readSubmission(flags *flag.FlagSet) (submission, error) {
	s := submission{nowait: isSet(flags, "nowait"), asked: given(flags, "priority")}
	s.Target, s.Scratch, s.WaitRepo, s.Owner = value(flags, "target"), isSet(flags, "scratch"), isSet(flags, "wait-repo"), value(flags, "as")
	s.Arches = strings.Fields(archList(value(flags, "arch")))
	switch {
	case flags.NArg() == 0:
		return s, usage("expected one or more packages")
	case s.Target == "":
		return s, usage("--target is missing")
	case len(s.Arches) > 0 && !s.Scratch:
		return s, usage("--arch is for --scratch only: other builds are built for all architectures of the tag")
	case s.WaitRepo && s.nowait:
		return s, usage("--wait-repo and --nowait can't both be given")
	}
	if err := exclusive(flags, "background", "priority"); err != nil {
		return s, err
	}
	s.Priority = queue.PriorityDefault
	if isSet(flags, "background") {
		s.Priority += background
	}
	priority, err := number(flags, "priority", 1)
	if err != nil {
		return s, err
	}
	if priority != nil {
		if s.Priority = *priority; s.Priority > maxPriority {
			return s, usage("--priority: %d is more than %d", s.Priority, maxPriority)
		}
	}
	s.Groups, err = groupsOf(flags.Args(), isSet(flags, "chain"))
	return s, err
}

// groupsOf parts the arguments of a chain.
func groupsOf(args []string, chain bool) ([][]string, error) {
	groups := [][]string{nil}
	for _, arg := range args {
		switch {
		case arg != ":":
			groups[len(groups)-1] = append(groups[len(groups)-1], arg)
		case !chain:
			return nil, usage("groups separated by : are a chain: --chain builds them one after the other")
		default:
			groups = append(groups, nil)
		}
	}
	if slices.ContainsFunc(groups, func(group []string) bool { return len(group) == 0 }) {
		return nil, usage("there must be a package before and after each :")
	}
	return groups, nil
}

// errNoHub says that nobody would do what is asked for.
var errNoHub = errors.New("no distbot serve is alive that would do this: start one, or look at distbot host list")

func buildSubmit(ctx context.Context, h *hub, s submission) error {
	user, err := tags.ReadUser(ctx, h.pool, s.Owner)
	if err == nil && s.asked && !user.Has(tags.PermAdmin) {
		err = &tags.RefusedError{Fault: tags.FaultNotAllowed, Text: "a priority may be chosen by admins only; --background is for everybody"}
	}
	if err != nil {
		return inUsersWords(err, s.Owner)
	}
	alive, err := db.New(h.pool).HubAlive(ctx)
	if err != nil {
		return err
	}
	if !alive && !s.nowait {
		return fmt.Errorf("%w; --nowait keeps it for the next one", errNoHub)
	}
	chain, err := distgit.CheckChain(ctx, h.pool, s.ChainRequest)
	if err != nil {
		return err
	}
	var id int64
	err = pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) (err error) {
		id, err = queue.StartChain(ctx, tx, h.client, chain)
		return err
	})
	if err != nil {
		return err
	}
	if s.nowait {
		return h.submitted(ctx, id, alive)
	}
	return h.watchChain(ctx, id)
}

// submitted tells what became of a submission that nobody waits for.
func (h *hub) submitted(ctx context.Context, id int64, alive bool) error {
	if h.json {
		view, err := viewChain(ctx, db.New(h.pool), id)
		if err != nil {
			return err
		}
		return writeJSON(h.stdout, view)
	}
	note := ""
	if !alive {
		note = "; no distbot serve is alive, the next one builds it"
	}
	_, err := fmt.Fprintf(h.stdout, "chain %d: %s/chains/%d%s\n", id, strings.TrimRight(h.config.ExternalURL, "/"), id, note)
	return err
}

// readChain reads the id of one chain.
func readChain(flags *flag.FlagSet) (int64, error) {
	if flags.NArg() != 1 {
		return 0, usage("expected the id of one chain")
	}
	id, err := strconv.ParseInt(flags.Arg(0), 10, 64)
	if err != nil || id < 1 {
		return 0, usage("%q is no id of a chain", flags.Arg(0))
	}
	return id, nil
}
