package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/webhooks"
)

func deliveryCommands() []command {
	return []command{
		{
			name: "delivery list", args: "[--forge NAME] [--state STATE] [--limit N]", help: "list what forges delivered, newest first", run: withHub(readDeliveryList, deliveryList),
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("forge", "", "only of this `forge`")
				flags.String("state", "", "only in this `state`: "+strings.Join(deliveryStates(), ", "))
				flags.Int("limit", 30, "at most `N`")
			},
		},
		{name: "delivery show", args: "ID", help: "show one delivery and what came of it", flags: jsonFlag, run: withHub(readID("delivery"), deliveryShow)},
		{name: "delivery replay", args: "ID", help: "plan a delivery again", flags: changeFlags, run: withHub(readID("delivery"), deliveryReplay)},
	}
}

// deliveryStates are the states that the table of deliveries permits.
func deliveryStates() []string {
	return []string{"received", "planned", "ignored", "duplicate", "failed"}
}

// deliveryView is a delivery for people and programs.
type deliveryView struct {
	ID         int64       `json:"id"`
	Forge      string      `json:"forge"`
	DeliveryID string      `json:"delivery_id"`
	Event      string      `json:"event"`
	Repository string      `json:"repository"`
	Ref        string      `json:"ref"`
	State      string      `json:"state"`
	Reason     string      `json:"reason"`
	Received   time.Time   `json:"received_at"`
	Finished   *time.Time  `json:"finished_at"`
	Builds     []buildLink `json:"builds,omitempty"`
	Body       string      `json:"body,omitempty"`
}

type buildLink struct {
	ID     int64  `json:"id"`
	NVR    string `json:"nvr"`
	State  string `json:"state"`
	Target string `json:"target"`
	// Scratch is true for pull requests.
	Scratch bool `json:"scratch"`
}

// readID reads the one argument, which is an id.
func readID(what string) func(*flag.FlagSet) (int64, error) {
	return func(flags *flag.FlagSet) (int64, error) {
		if flags.NArg() != 1 {
			return 0, usage("expected the id of one %s", what)
		}
		id, err := strconv.ParseInt(flags.Arg(0), 10, 64)
		if err != nil || id < 1 {
			return 0, usage("%q is no id of a %s", flags.Arg(0), what)
		}
		return id, nil
	}
}

// stateOf is the text of --state, nil when it is empty. Another than the allowed
// ones is wrong usage.
func stateOf(flags *flag.FlagSet, allowed []string) (*string, error) {
	value := optional(flags, "state")
	if value != nil && !slices.Contains(allowed, *value) {
		return nil, usage("--state %q is none of: %s", *value, strings.Join(allowed, ", "))
	}
	return value, nil
}

// optional is a flag's text, nil when it is empty.
func optional(flags *flag.FlagSet, name string) *string {
	value := flags.Lookup(name).Value.String()
	if value == "" {
		return nil
	}
	return &value
}

func limit(flags *flag.FlagSet) (int32, error) {
	n, err := strconv.ParseInt(flags.Lookup("limit").Value.String(), 10, 32)
	if err != nil || n < 1 || n > 10_000 {
		return 0, usage("--limit must be between 1 and 10000")
	}
	return int32(n), nil
}

func readDeliveryList(flags *flag.FlagSet) (db.ListDeliveriesParams, error) {
	n, err := limit(flags)
	if err != nil {
		return db.ListDeliveriesParams{}, err
	}
	state, err := stateOf(flags, deliveryStates())
	return db.ListDeliveriesParams{Forge: optional(flags, "forge"), State: state, MaxRows: n}, err
}

func deliveryList(ctx context.Context, h *hub, asked db.ListDeliveriesParams) error {
	rows, err := db.New(h.pool).ListDeliveries(ctx, asked)
	if err == nil && len(rows) == 0 {
		err = h.knowsForge(ctx, asked.Forge)
	}
	if err != nil {
		return err
	}
	views := []deliveryView{}
	var table [][]string
	for _, d := range rows {
		views = append(views, deliveryView{
			ID: d.ID, Forge: d.Forge, DeliveryID: d.DeliveryID, Event: d.Event, Repository: d.Repository,
			Ref: d.Ref, State: d.State, Reason: d.Reason, Received: d.ReceivedAt, Finished: d.FinishedAt,
		})
		table = append(table, []string{strconv.FormatInt(d.ID, 10), when(d.ReceivedAt), d.Forge, d.Event, dash(d.Repository), dash(d.Ref), d.State, cut(d.Reason, 60)})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"ID", "RECEIVED", "FORGE", "EVENT", "REPOSITORY", "REF", "STATE", "REASON"}, table)
}

// knowsForge returns an error for a forge that is neither configured nor ever
// delivered anything.
func (h *hub) knowsForge(ctx context.Context, name *string) error {
	if name == nil {
		return nil
	}
	var names []string
	for _, c := range h.config.Forges {
		names = append(names, c.Name)
	}
	if slices.Contains(names, *name) {
		return nil
	}
	rows, err := db.New(h.pool).ListDeliveries(ctx, db.ListDeliveriesParams{Forge: name, MaxRows: 1})
	if err != nil || len(rows) > 0 {
		return err
	}
	return fmt.Errorf("there is no forge %s: the configuration has %s", *name, orNone(names))
}

// orNone lists names in a sentence.
func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func deliveryShow(ctx context.Context, h *hub, id int64) error {
	q := db.New(h.pool)
	d, err := q.GetDelivery(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("there is no delivery %d", id)
	}
	if err != nil {
		return err
	}
	builds, err := q.BuildsOfDelivery(ctx, &id)
	if err != nil {
		return err
	}
	view := deliveryView{
		ID: d.ID, Forge: d.Forge, DeliveryID: d.DeliveryID, Event: d.Event, Repository: d.Repository, Ref: d.Ref,
		State: d.State, Reason: d.Reason, Received: d.ReceivedAt, Finished: d.FinishedAt, Body: string(d.Body),
	}
	for _, b := range builds {
		view.Builds = append(view.Builds, buildLink{ID: b.ID, NVR: nvrOf(b.Nvr, b.PlannedNvr), State: b.State, Target: b.Target, Scratch: b.Scratch})
	}
	if h.json {
		return writeJSON(h.stdout, view)
	}
	fmt.Fprintf(h.stdout, "delivery %d: %s %s %s %s\nreceived %s, %s: %s\n", d.ID, d.Forge, d.Event, d.Repository, d.Ref, when(d.ReceivedAt), d.State, tasklog.Printable(d.Reason))
	for _, b := range view.Builds {
		fmt.Fprintf(h.stdout, "build %d: %s for %s%s is %s\n", b.ID, b.NVR, b.Target, scratchMark(b.Scratch), b.State)
	}
	return nil
}

func deliveryReplay(ctx context.Context, h *hub, id int64) error {
	if _, err := h.actAs(ctx, ""); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		return webhooks.Replay(ctx, tx, h.client, id)
	})
	var duplicate *webhooks.DuplicateError
	switch {
	case errors.Is(err, webhooks.ErrNoDelivery):
		return fmt.Errorf("there is no delivery %d", id)
	case errors.Is(err, webhooks.ErrWaiting):
		return fmt.Errorf("delivery %d is waiting to be planned already", id)
	case errors.As(err, &duplicate):
		return fmt.Errorf("delivery %d is the same push as delivery %d and is not planned itself: replay delivery %d", id, duplicate.Of, duplicate.Of)
	case err != nil:
		return err
	}
	if h.json {
		return writeJSON(h.stdout, map[string]int64{"id": id})
	}
	_, err = fmt.Fprintf(h.stdout, "delivery %d will be planned again\n", id)
	return err
}

// nvrOf is a build's NVR, or what the planner expects it to be.
func nvrOf(nvr *string, planned string) string {
	if nvr != nil {
		return *nvr
	}
	return planned
}
