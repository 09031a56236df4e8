package main

import (
	"context"
	"flag"
	"strconv"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/tags"
)

func tagSideCommands() []command {
	return []command{
		{name: "tag side-add", args: "BASE", help: "make a side tag, in which builds see one another and nobody else sees them", run: tagSideAdd, flags: changeFlags},
		{name: "tag side-list", help: "list side tags", run: withHub(readNothing, tagSideList), flags: jsonFlag},
		{name: "tag side-remove", args: "TAG", help: "remove a side tag with its target; its owner may, and an admin", run: tagSideRemove, flags: changeFlags},
	}
}

func tagSideAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag, that of the base")
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		name, err := e.AddSideTag(ctx, names[0])
		return "side tag " + name + " is made: distbot build submit --target " + name + " builds into it", err
	})
}

func tagSideRemove(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one side tag")
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return "side tag " + names[0] + " is removed", e.RemoveSideTag(ctx, names[0])
	})
}

// sideTagView is a side tag for people and programs.
type sideTagView struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Base    string    `json:"base"`
	Owner   string    `json:"owner"`
	Created time.Time `json:"created_at"`
	Builds  int64     `json:"builds"`
}

func tagSideList(ctx context.Context, h *hub, _ nothing) error {
	rows, err := db.New(h.pool).SideTags(ctx)
	if err != nil {
		return err
	}
	views := []sideTagView{}
	var table [][]string
	for _, row := range rows {
		views = append(views, sideTagView{ID: row.ID, Name: row.Name, Base: row.Base, Owner: row.Owner, Created: row.CreatedAt, Builds: row.Builds})
		table = append(table, []string{row.Name, row.Base, row.Owner, when(row.CreatedAt), strconv.FormatInt(row.Builds, 10)})
	}
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"TAG", "BASE", "OWNER", "CREATED", "BUILDS"}, table)
}
