package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/queue"
)

func buildChainCommands() []command {
	return []command{
		{
			name: "build chain list", args: "[--state STATE] [--limit N]", help: "list what was asked for by hand, newest first", run: withHub(readChainList, chainList),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("state", "", "only in this `state`: FREE, OPEN, CLOSED, CANCELED, FAILED")
				flags.Int("limit", 30, "at most `N`")
			},
		},
		{name: "build chain show", args: "ID", help: "show a chain: its groups and how far each build is", flags: jsonFlag, run: withHub(readChain, chainShow)},
		{name: "build chain watch", args: "ID", help: "follow a chain until it ends", flags: jsonFlag, run: withHub(readChain, func(ctx context.Context, h *hub, id int64) error {
			return h.watchChain(ctx, id)
		})},
		{name: "build chain cancel", args: "ID", help: "end a chain and those of its builds that run", flags: changeFlags, run: withHub(readChain, chainCancel)},
	}
}

// chainView is a chain for people and programs.
type chainView struct {
	ID       int64            `json:"id"`
	Target   string           `json:"target"`
	Scratch  bool             `json:"scratch"`
	Arches   []string         `json:"arches"`
	Priority int32            `json:"priority"`
	WaitRepo bool             `json:"wait_repo"`
	Owner    string           `json:"owner"`
	State    string           `json:"state"`
	Reason   string           `json:"reason"`
	Group    int32            `json:"current_group"`
	Created  time.Time        `json:"created_at"`
	Finished *time.Time       `json:"finished_at"`
	Builds   []chainBuildView `json:"builds"`
}

type chainBuildView struct {
	Group  int32  `json:"group"`
	Asked  string `json:"asked"`
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Build is null until the build begins.
	Build  *int64 `json:"build"`
	NVR    string `json:"nvr"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// viewChain reads all that is shown of a chain.
func viewChain(ctx context.Context, q *db.Queries, id int64) (chainView, error) {
	c, err := q.GetChain(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return chainView{}, noChain(id)
	}
	if err != nil {
		return chainView{}, err
	}
	view := chainView{
		ID: c.ID, Target: c.Target, Scratch: c.Scratch, Arches: c.Arches, Priority: c.Priority, WaitRepo: c.WaitRepo, Owner: c.Owner,
		State: c.State, Reason: c.Reason, Group: c.CurrentGroup, Created: c.CreatedAt, Finished: c.FinishedAt, Builds: []chainBuildView{},
	}
	builds, err := q.ChainBuilds(ctx, id)
	for _, b := range builds {
		view.Builds = append(view.Builds, chainBuildView{
			Group: b.GroupNumber, Asked: b.Asked, Ref: b.Ref, Commit: b.CommitID, Build: b.BuildID, NVR: nvrOf(b.Nvr, b.PlannedNvr),
			State: b.BuildState, Reason: b.BuildReason,
		})
	}
	return view, err
}

func noChain(id int64) error { return fmt.Errorf("there is no chain %d", id) }

func readChainList(flags *flag.FlagSet) (db.ListChainsParams, error) {
	n, err := limit(flags)
	if err != nil {
		return db.ListChainsParams{}, err
	}
	state, err := stateOf(flags, []string{queue.TaskFree, queue.TaskOpen, queue.TaskClosed, queue.TaskCanceled, queue.TaskFailed})
	return db.ListChainsParams{State: state, MaxRows: n}, err
}

// chainLine is a chain in a list.
type chainLine struct {
	ID       int64      `json:"id"`
	Target   string     `json:"target"`
	Scratch  bool       `json:"scratch"`
	Owner    string     `json:"owner"`
	State    string     `json:"state"`
	Reason   string     `json:"reason"`
	Group    int32      `json:"current_group"`
	Created  time.Time  `json:"created_at"`
	Finished *time.Time `json:"finished_at"`
	Groups   int32      `json:"groups"`
	Asked    string     `json:"asked"`
}

func chainList(ctx context.Context, h *hub, asked db.ListChainsParams) error {
	rows, err := db.New(h.pool).ListChains(ctx, asked)
	if err != nil {
		return err
	}
	lines := []chainLine{}
	var table [][]string
	for _, row := range rows {
		lines = append(lines, chainLine{
			ID: row.ID, Target: row.Target, Scratch: row.Scratch, Owner: row.Owner, State: row.State, Reason: row.Reason, Group: row.CurrentGroup,
			Created: row.CreatedAt, Finished: row.FinishedAt, Groups: row.Groups, Asked: row.Asked,
		})
		table = append(table, []string{
			strconv.FormatInt(row.ID, 10), row.Target + scratchMark(row.Scratch), row.State, fmt.Sprintf("%d/%d", row.CurrentGroup, row.Groups), row.Owner, when(row.CreatedAt),
			cut(row.Asked, 50), cut(row.Reason, 70),
		})
	}
	if h.json {
		return writeJSON(h.stdout, lines)
	}
	return writeTable(h.stdout, []string{"ID", "TARGET", "STATE", "GROUP", "OWNER", "CREATED", "BUILDS", "REASON"}, table)
}

func chainShow(ctx context.Context, h *hub, id int64) error {
	view, err := viewChain(ctx, db.New(h.pool), id)
	if err != nil {
		return err
	}
	if h.json {
		return writeJSON(h.stdout, view)
	}
	return printChain(h.stdout, view)
}

// printChain prints a chain group by group.
func printChain(w io.Writer, view chainView) error {
	fmt.Fprintf(w, "chain %d of %s for %s%s is %s%s\n", view.ID, tasklog.Printable(view.Owner), view.Target, scratchMark(view.Scratch), view.State, suffix(": ", view.Reason))
	var table [][]string
	for _, b := range view.Builds {
		build := "-"
		if b.Build != nil {
			build = strconv.FormatInt(*b.Build, 10)
		}
		table = append(table, []string{strconv.Itoa(int(b.Group)), b.Asked, dash(b.Commit[:min(10, len(b.Commit))]), build, dash(b.NVR), dash(b.State), cut(b.Reason, 70)})
	}
	return writeTable(w, []string{"GROUP", "ASKED FOR", "COMMIT", "BUILD", "NVR", "STATE", "REASON"}, table)
}

func chainCancel(ctx context.Context, h *hub, id int64) error {
	chain, err := db.New(h.pool).GetChain(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return noChain(id)
	}
	if err != nil {
		return err
	}
	user, err := h.actAsOwner(ctx, fmt.Sprintf("chain %d", id), chain.Owner)
	if err != nil {
		return err
	}
	err = queue.CancelChain(ctx, h.pool, h.client, h.config.ExternalURL, id, canceledBy(user))
	var over *queue.ChainOverError
	switch {
	case errors.Is(err, queue.ErrNoChain):
		return noChain(id)
	case errors.As(err, &over):
		return fmt.Errorf("chain %d is %s: only one that has not ended can be canceled", id, over.State)
	case err != nil:
		return err
	}
	if h.json {
		view, err := viewChain(ctx, db.New(h.pool), id)
		if err != nil {
			return err
		}
		return writeJSON(h.stdout, view)
	}
	_, err = fmt.Fprintf(h.stdout, "chain %d is canceled\n", id)
	return err
}
