package main

import (
	"context"
	"errors"
	"flag"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
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

// generationView is a generation for programs.
type generationView struct {
	Number     int64    `json:"number"`
	State      string   `json:"state"`
	Rev        int64    `json:"rev"`
	Event      *int64   `json:"event"`
	UntilEvent *int64   `json:"until_event"`
	Packages   int32    `json:"packages"`
	Arches     []string `json:"arches"`
	Published  string   `json:"published_at"`
	Rollback   bool     `json:"rollback"`
	Held       bool     `json:"held"`
	Actor      string   `json:"actor"`
	Reason     string   `json:"reason"`
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
	for _, g := range rows {
		v := generationView{
			Number: g.Number, State: g.State, Rev: g.Rev, Event: g.Event, Packages: g.Packages, Arches: g.Arches,
			Rollback: g.RollbackOf != nil, Held: g.Held, Actor: g.Actor, Reason: g.Reason,
		}
		events := "-"
		if g.Event != nil {
			events = strconv.FormatInt(*g.Event, 10) + "-"
		}
		if g.UntilEvent != 0 && g.RollbackOf == nil {
			v.UntilEvent = &g.UntilEvent
			events += strconv.FormatInt(g.UntilEvent-1, 10)
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
