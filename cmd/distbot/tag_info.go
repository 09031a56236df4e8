package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
)

// tagDetails is a tag for people and programs.
type tagDetails struct {
	tagview.Config
	// BlockedExtra are the settings that the tag itself hides.
	BlockedExtra  []string               `json:"blocked_extra"`
	Groups        []string               `json:"groups"`
	BuildTargets  []string               `json:"build_targets"`
	DestTargets   []string               `json:"dest_targets"`
	ExternalRepos []tagview.ExternalRepo `json:"external_repos"`
	Inheritance   []tagview.Link         `json:"inheritance"`
	// LastChange is of the tag and of those it inherits from.
	LastChange *tagview.Event `json:"last_change"`
	// Repo is nil in the past.
	Repo *tagRepo `json:"repo"`
}

// tagRepo is how far the repository of a tag is.
type tagRepo struct {
	// WantRev is raised by every change of what the repository holds, BuiltRev is
	// what the published one has seen.
	WantRev    int64      `json:"want_rev"`
	BuiltRev   int64      `json:"built_rev"`
	Generation int64      `json:"generation"`
	Packages   int32      `json:"packages"`
	Published  *time.Time `json:"published_at"`
	State      string     `json:"state"`
}

func tagInfo(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		info, err := readDetails(ctx, r, tag)
		if err != nil {
			return err
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, info)
		}
		return info.print(t.stdout)
	})
}

func readDetails(ctx context.Context, r tagview.Reader, tag tagview.Tag) (info tagDetails, err error) {
	info = tagDetails{BlockedExtra: []string{}, Groups: []string{}, BuildTargets: []string{}, DestTargets: []string{}}
	if info.Config, err = r.Config(ctx, tag); err != nil {
		return info, err
	}
	own, err := r.Extra(ctx, tag.ID)
	if err != nil {
		return info, err
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if own[key] == nil {
			info.BlockedExtra = append(info.BlockedExtra, key)
		}
	}
	groups, err := r.Groups(ctx, tag.ID, true)
	if err != nil {
		return info, err
	}
	for _, group := range groups {
		info.Groups = append(info.Groups, group.Name)
	}
	targets, err := db.New(r.Conn).TargetsAfter(ctx, lastEvent(r))
	if err != nil {
		return info, err
	}
	for _, target := range targets {
		if target.BuildTag == tag.ID {
			info.BuildTargets = append(info.BuildTargets, target.Name)
		}
		if target.DestTag == tag.ID {
			info.DestTargets = append(info.DestTargets, target.Name)
		}
	}
	if info.ExternalRepos, err = r.ExternalRepos(ctx, tag.ID, true); err != nil {
		return info, err
	}
	if info.Inheritance, err = r.Parents(ctx, tag.ID); err != nil {
		return info, err
	}
	if info.LastChange, err = lastChange(ctx, r, tag.ID); err != nil || !r.At.IsNow() {
		return info, err
	}
	info.Repo, err = readRepo(ctx, r, tag.ID)
	return info, err
}

// lastChange is the event of a tag's last change, nil for none.
func lastChange(ctx context.Context, r tagview.Reader, tagID int64) (*tagview.Event, error) {
	id, err := r.LastChange(ctx, tagID, true)
	if err != nil || id == 0 {
		return nil, err
	}
	event, err := tagview.GetEvent(ctx, r.Conn, id)
	return &event, err
}

func readRepo(ctx context.Context, r tagview.Reader, tagID int64) (*tagRepo, error) {
	rows, err := db.New(r.Conn).ReposOverview(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.ID == tagID {
			return &tagRepo{row.WantRev, row.BuiltRev, row.Generation, row.Packages, row.PublishedAt, repoState(row)}, nil
		}
	}
	return nil, nil
}

// print is Koji's taginfo.
func (i tagDetails) print(w io.Writer) error {
	var text strings.Builder
	line := func(format string, args ...any) {
		// No value begins a line of its own.
		text.WriteString(strings.ReplaceAll(tasklog.Printable(fmt.Sprintf(format, args...)), "\n", " ") + "\n")
	}
	line("Tag: %s [%d]", i.Name, i.ID)
	line("Arches: %s", i.archesText())
	if i.Perm != nil {
		line("Required permission: %s", *i.Perm)
	}
	if i.Locked {
		line("LOCKED")
	}
	line("Groups: %s", dash(strings.Join(i.Groups, ", ")))
	i.printExtra(line)
	if i.LastChange != nil {
		line("Last change: event %d, %s, by %s: %s", i.LastChange.ID, when(i.LastChange.At), i.LastChange.Actor, i.LastChange.What)
	}
	if i.Repo != nil {
		line("Repository: revision %d of %d, generation %d, %s", i.Repo.BuiltRev, i.Repo.WantRev, i.Repo.Generation, i.Repo.State)
	}
	printNames(line, "Targets that build from this tag:", i.BuildTargets)
	printNames(line, "Targets that tag into this tag:", i.DestTargets)
	if len(i.ExternalRepos) > 0 {
		line("External repos:")
	}
	for _, repo := range i.ExternalRepos {
		line("  %-4d %s (%s)%s", repo.Priority, repo.Name, repo.URL, inherited(repo.Tag, i.Name))
	}
	if len(i.Inheritance) > 0 {
		line("Inheritance:")
	}
	for _, link := range i.Inheritance {
		line("  %-4d %s %s [%d]", link.Priority, linkFlags(link), link.Parent, link.ParentID)
		if link.MaxDepth != nil {
			line("    maxdepth: %d", *link.MaxDepth)
		}
		if link.PkgFilter != "" {
			line("    package filter: %s", link.PkgFilter)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// archesText says which architectures a tag has, and where from.
func (i tagDetails) archesText() string {
	switch {
	case i.Arches == nil:
		return "none: no parent has any to inherit"
	case *i.Arches == "" && i.ArchesFrom == nil:
		return "none"
	case i.ArchesFrom != nil:
		return cmp.Or(*i.Arches, "none") + inherited(*i.ArchesFrom, "")
	}
	return *i.Arches
}

func (i tagDetails) printExtra(line func(string, ...any)) {
	blocked := map[string]string{}
	for _, key := range i.BlockedExtra {
		blocked[key] = i.Name
	}
	for key, from := range i.ExtraFrom {
		if _, there := i.Extra[key]; !there {
			blocked[key] = from
		}
	}
	if len(i.Extra)+len(blocked) > 0 {
		line("Tag options:")
	}
	for _, key := range slices.Sorted(maps.Keys(i.Extra)) {
		line("  %s: %s%s", key, i.Extra[key], inherited(i.ExtraFrom[key], ""))
	}
	for _, key := range slices.Sorted(maps.Keys(blocked)) {
		line("  %s: blocked by %s", key, blocked[key])
	}
}

// inherited says from which tag something comes, unless it is the tag itself.
func inherited(from, tag string) string {
	if from == tag {
		return ""
	}
	return " (inherited from " + from + ")"
}

func printNames(line func(string, ...any), heading string, names []string) {
	if len(names) > 0 {
		line("%s", heading)
	}
	for _, name := range names {
		line("  %s", name)
	}
}
