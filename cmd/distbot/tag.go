package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/distbot/distbot/internal/db"
)

func tagCommands() []command {
	return []command{
		{name: "tag list", help: "list tags, with how far their repositories are", flags: jsonFlag, run: withHub(readNothing, tagList)},
		{name: "target list", help: "list targets: which branch builds with which tag and goes where", flags: jsonFlag, run: withHub(readNothing, targetList)},
	}
}

func tagList(ctx context.Context, h *hub, _ nothing) error {
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
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"TAG", "ARCHES", "GENERATION", "PACKAGES", "REPOSITORY"}, table)
}

func targetList(ctx context.Context, h *hub, _ nothing) error {
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
	if h.json {
		return writeJSON(h.stdout, views)
	}
	return writeTable(h.stdout, []string{"TARGET", "BUILD TAG", "DESTINATION", "BRANCHES"}, table)
}
