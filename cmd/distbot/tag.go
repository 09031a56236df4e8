package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
)

// tagCommands are Koji's verbs for tags.
func tagCommands() []command {
	return slices.Concat([]command{
		{
			name: "tag list", args: "[PATTERN] [--package NAME] [--build NVR]", help: "list tags, with how far their repositories are", run: tagList,
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.String("package", "", "only tags whose own list has this `package`")
				flags.String("build", "", "only tags that this build, an `NVR`, is tagged into")
			},
		},
		{name: "tag info", args: "TAG", help: "show a tag: its settings, targets, repository and parents", run: tagInfo, flags: readFlags},
	}, tagEditCommands(), tagLinkCommands(), tagPackageCommands(), tagBuildCommands(), tagGroupCommands(), tagModuleCommands(), tagHistoryCommands(), tagSideCommands(),
		[]command{tagExportCommand()})
}

// tagEntry is a tag in a list.
type tagEntry struct {
	tagview.Tag
	// Blocked says what the tag's list says of the package asked for.
	Blocked *bool `json:"blocked,omitempty"`
	// The repository as it is now; nil in the past.
	Generation *int64 `json:"generation,omitempty"`
	Packages   *int32 `json:"packages,omitempty"`
	Current    *bool  `json:"current,omitempty"`
}

func tagList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 0, 1, "a pattern at most")
	if err != nil {
		return err
	}
	pattern := "*"
	if len(names) > 0 {
		pattern = names[0]
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return usage("%q is no pattern: * stands for any characters, ? for one, [ab] for one of them", pattern)
	}
	return look(ctx, flags, func(r tagview.Reader) error {
		all, err := r.Tags(ctx)
		if err != nil {
			return err
		}
		list := []tagEntry{}
		for _, tag := range all {
			if ok, _ := path.Match(pattern, tag.Name); ok { // The pattern is a good one, see above.
				list = append(list, tagEntry{Tag: tag})
			}
		}
		if list, err = ofPackage(ctx, r, list, value(flags, "package")); err != nil {
			return err
		}
		if list, err = ofBuild(ctx, r, list, value(flags, "build")); err != nil {
			return err
		}
		return printTags(ctx, t, flags, r, list)
	})
}

// ofPackage keeps the tags whose own lists have a package, if one is given.
func ofPackage(ctx context.Context, r tagview.Reader, list []tagEntry, name string) ([]tagEntry, error) {
	if name == "" {
		return list, nil
	}
	id, err := packageID(ctx, r, name)
	if err != nil {
		return nil, err
	}
	rows, err := db.New(r.Conn).TagsListing(ctx, db.TagsListingParams{PackageID: id, Event: lastEvent(r)})
	if err != nil {
		return nil, err
	}
	blocked := map[int64]*bool{}
	for _, row := range rows {
		blocked[row.TagID] = &row.Blocked
	}
	for i := range list {
		list[i].Blocked = blocked[list[i].ID]
	}
	return slices.DeleteFunc(list, func(tag tagEntry) bool { return tag.Blocked == nil }), nil
}

// ofBuild keeps the tags that a build is tagged into, if one is given.
func ofBuild(ctx context.Context, r tagview.Reader, list []tagEntry, nvr string) ([]tagEntry, error) {
	if nvr == "" {
		return list, nil
	}
	q := db.New(r.Conn)
	build, err := q.BuildForTagging(ctx, &nvr)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, noSuch("build", nvr)
	}
	if err != nil {
		return nil, err
	}
	holding, err := q.TagsHolding(ctx, db.TagsHoldingParams{BuildID: build.ID, Event: lastEvent(r)})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(tag tagEntry) bool { return !slices.Contains(holding, tag.ID) }), nil
}

// packageID looks up a package that must be known.
func packageID(ctx context.Context, r tagview.Reader, name string) (int64, error) {
	row, err := db.New(r.Conn).PackageByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, noSuch("package", name)
	}
	return row.ID, err
}

// printTags prints a list of tags: with their repositories, as far as now is
// asked for.
func printTags(ctx context.Context, t terminal, flags *flag.FlagSet, r tagview.Reader, list []tagEntry) error {
	repos := map[int64]db.ReposOverviewRow{}
	if r.At.IsNow() {
		rows, err := db.New(r.Conn).ReposOverview(ctx, nil)
		if err != nil {
			return err
		}
		for _, row := range rows {
			repos[row.ID] = row
		}
	}
	var table [][]string
	for i := range list {
		tag := &list[i]
		row := []string{tag.Name, ownArches(tag.Tag)}
		if repo, ok := repos[tag.ID]; ok {
			if tag.Arches == nil {
				row[1] = cmp.Or(strings.Join(repo.Arches, " "), "none")
			}
			current := repo.BuiltRev >= repo.WantRev
			tag.Generation, tag.Packages, tag.Current = &repo.Generation, &repo.Packages, &current
			row = append(row, strconv.FormatInt(repo.Generation, 10), fmt.Sprint(repo.Packages), repoState(repo))
		} else {
			row = append(row, "-", "-", "-")
		}
		if tag.Blocked != nil {
			row = append(row, map[bool]string{true: "blocked", false: "listed"}[*tag.Blocked])
		}
		table = append(table, row)
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, list)
	}
	heading := []string{"TAG", "ARCHES", "GENERATION", "PACKAGES", "REPOSITORY"}
	if value(flags, "package") != "" {
		heading = append(heading, "PACKAGE")
	}
	return writeTable(t.stdout, heading, table)
}

// ownArches are a tag's own architectures for people.
func ownArches(tag tagview.Tag) string {
	switch {
	case tag.Arches == nil:
		return "inherited"
	case *tag.Arches == "":
		return "none"
	}
	return *tag.Arches
}

// repoState says how far a tag's repository is.
func repoState(repo db.ReposOverviewRow) string {
	if repo.HeldAt != nil {
		return "held by " + repo.HeldBy
	}
	switch repo.TroubleKind {
	case "refused":
		return "refused: " + repo.TroubleReason
	case "failing":
		return "can't be made: " + repo.TroubleReason
	}
	if repo.BuiltRev < repo.WantRev {
		return "being made"
	}
	return "current"
}
