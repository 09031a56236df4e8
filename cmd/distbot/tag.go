package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/db"
)

func tagCommands() []command {
	return []command{
		{name: "tag list", help: "list tags, with how far their repositories are", flags: jsonFlag, run: tagList},
		{name: "target list", help: "list targets: which branch builds with which tag and goes where", flags: jsonFlag, run: targetList},
	}
}

func tagList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	h, err := openHub(ctx, flags)
	if err != nil {
		return err
	}
	defer h.close()
	rows, err := db.New(h.pool).ReposOverview(ctx)
	if err != nil {
		return err
	}
	type tagView struct {
		Name       string   `json:"name"`
		Arches     []string `json:"arches"`
		Generation int64    `json:"generation"`
		Packages   int32    `json:"packages"`
		Current    bool     `json:"current"`
	}
	views := []tagView{}
	var table [][]string
	for _, r := range rows {
		views = append(views, tagView{r.Name, r.Arches, r.Generation, r.Packages, r.BuiltRev >= r.WantRev})
		state := "current"
		if r.BuiltRev < r.WantRev {
			state = "being made"
		}
		table = append(table, []string{r.Name, strings.Join(r.Arches, " "), strconv.FormatInt(r.Generation, 10), fmt.Sprint(r.Packages), state})
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, views)
	}
	return writeTable(t.stdout, []string{"TAG", "ARCHES", "GENERATION", "PACKAGES", "REPOSITORY"}, table)
}

func targetList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	h, err := openHub(ctx, flags)
	if err != nil {
		return err
	}
	defer h.close()
	rows, err := db.New(h.pool).ListTargets(ctx)
	if err != nil {
		return err
	}
	type targetView struct {
		Name     string   `json:"name"`
		BuildTag string   `json:"build_tag"`
		DestTag  string   `json:"dest_tag"`
		Branches []string `json:"branches"`
	}
	views := []targetView{}
	var table [][]string
	for _, r := range rows {
		views = append(views, targetView{r.Name, r.BuildTagName, r.DestTagName, r.Branches})
		table = append(table, []string{r.Name, r.BuildTagName, r.DestTagName, strings.Join(r.Branches, " ")})
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, views)
	}
	return writeTable(t.stdout, []string{"TARGET", "BUILD TAG", "DESTINATION", "BRANCHES"}, table)
}
