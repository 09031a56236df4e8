package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/generations"
)

func repoListFlags(flags *flag.FlagSet) {
	jsonFlag(flags)
	flags.Int("limit", 20, "how many, the newest first")
}

// repoTag is a tag whose generations are listed.
type repoTag struct {
	name  string
	limit int32
}

func readRepoTag(flags *flag.FlagSet) (repoTag, error) {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return repoTag{}, err
	}
	limit, err := strconv.ParseInt(value(flags, "limit"), 10, 32)
	if err != nil || limit < 1 {
		return repoTag{}, usage("--limit is a number from 1")
	}
	return repoTag{name: names[0], limit: int32(limit)}, nil
}

// generationView is a generation for programs. One that is wanted and can't be
// made comes first: its number is 0, its state refused or failing, its reason
// why.
type generationView struct {
	Number int64  `json:"number"`
	State  string `json:"state"`
	Rev    int64  `json:"rev"`
	// Event is the one of the tag that it shows, null where none is known;
	// LastEvent is the last one up to which that is what the tag says, UntilEvent
	// the one after which it is not: null while there is none, and where it brings
	// older content back.
	Event      *int64   `json:"event"`
	LastEvent  *int64   `json:"last_event"`
	UntilEvent *int64   `json:"until_event"`
	Packages   int32    `json:"packages"`
	Arches     []string `json:"arches"`
	Published  string   `json:"published_at"`
	Rollback   bool     `json:"rollback"`
	Held       bool     `json:"held"`
	// Closure is what the check of its requirements found; null where its tag
	// asked for none.
	Closure *generations.Closure `json:"closure"`
	Actor   string               `json:"actor"`
	Reason  string               `json:"reason"`
	// Problems are all of a refusal, Since is when it was first; for state
	// refused or failing only.
	Problems []string `json:"problems,omitempty"`
	Since    string   `json:"since,omitempty"`
}

// unmadeView is why a tag's repository can't be made; ok is false where it can.
func unmadeView(ctx context.Context, q *db.Queries, tag int64, arches []string) (v generationView, line []string, ok bool, err error) {
	row, err := q.Trouble(ctx, tag)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, nil, false, nil
	}
	if err != nil {
		return v, nil, false, err
	}
	v = generationView{
		State: row.Kind, Rev: row.Rev, Arches: arches, Reason: row.Reason, Since: row.Since.UTC().Format(time.RFC3339),
	}
	if err := json.Unmarshal(row.Problems, &v.Problems); err != nil {
		return v, nil, false, err
	}
	return v, []string{"-", v.State, "-", "-", "since " + when(row.Since), v.Reason}, true, nil
}

func repoList(ctx context.Context, h *hub, asked repoTag) error {
	q := db.New(h.pool)
	tag, err := q.LiveTag(ctx, asked.name)
	if errors.Is(err, pgx.ErrNoRows) {
		return noSuch("tag", asked.name)
	}
	if err != nil {
		return err
	}
	rows, err := q.Generations(ctx, db.GenerationsParams{TagID: tag.ID, Max: asked.limit})
	if err != nil {
		return err
	}
	views := []generationView{}
	var table [][]string
	if v, line, ok, err := unmadeView(ctx, q, tag.ID, tag.Arches); err != nil {
		return err
	} else if ok {
		views, table = append(views, v), append(table, line)
	}
	for _, g := range rows {
		v := generationView{
			Number: g.Number, State: g.State, Rev: g.Rev, Event: g.Event, Packages: g.Packages, Arches: g.Arches,
			Rollback: g.RollbackOf != nil, Held: g.Held, Actor: g.Actor, Reason: g.Reason,
			Closure: generations.ReadClosure(g.Closure),
		}
		events := "-"
		if g.Event != nil {
			events = generations.EventsText(*g.Event, g.UntilEvent, v.Rollback)
			if last := generations.LastEvent(*g.Event, g.UntilEvent, v.Rollback); last != 0 {
				v.LastEvent = &last
			}
		}
		if g.UntilEvent != 0 && !v.Rollback {
			v.UntilEvent = &g.UntilEvent
		}
		if g.PublishedAt != nil {
			v.Published = g.PublishedAt.UTC().Format("2006-01-02T15:04:05Z07:00")
		}
		note := ""
		if g.RollbackOf != nil {
			note = "rollback by " + g.Actor
		}
		if g.Held {
			note += ", held"
		}
		if g.Reason != "" {
			note += ": " + g.Reason
		}
		if c := v.Closure; c != nil && c.Unchecked != "" {
			note += ", requirements not checked: " + c.Unchecked
		} else if c != nil && !c.OK() {
			note += fmt.Sprintf(", %d unmet requirements: %s", c.Problems, c.Listed[0])
		}
		note = strings.TrimPrefix(note, ", ")
		views = append(views, v)
		table = append(table, []string{
			strconv.FormatInt(g.Number, 10), g.State, strconv.Itoa(int(g.Packages)), events, whenOrDash(g.PublishedAt), note,
		})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"GENERATION", "STATE", "PACKAGES", "EVENTS", "PUBLISHED", "NOTE"}, table)
}
