package main

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/tags"
)

func targetCommands() []command {
	return []command{
		{
			name: "target list", args: "[--name TARGET]", help: "list targets: which branch builds with which tag and goes where", run: targetList,
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.String("name", "", "only this `target`")
			},
		},
		{
			name: "target add", args: "TARGET BUILD-TAG [DEST-TAG] [--branch NAME] [--repo-lag TIME]", help: "make a target; the destination is the tag of its name, unless another is given", run: targetAdd,
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.Var(&words{}, "branch", "build pushes to this `branch`; may be repeated")
				lagFlag(flags)
			},
		},
		{
			name: "target edit", args: "TARGET [--rename NAME] [--build-tag TAG] [--dest-tag TAG] [--branch NAME | --no-branches] [--repo-lag TIME]", help: "change a target", run: targetEdit,
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("rename", "", "the new `name`, also in the past")
				flags.String("build-tag", "", "the `tag` that buildroots are made from")
				flags.String("dest-tag", "", "the `tag` that builds go into")
				flags.Var(&words{}, "branch", "build pushes to this `branch` instead of those so far; may be repeated")
				flags.Bool("no-branches", false, "build no pushes")
				lagFlag(flags)
			},
		},
		{name: "target remove", args: "TARGET", help: "remove a target", run: targetRemove, flags: changeFlags},
	}
}

// targetView is a target for people and programs, by Koji's names.
type targetView struct {
	ID           int64    `json:"id"`
	Name         string   `json:"name"`
	BuildTag     int64    `json:"build_tag"`
	BuildTagName string   `json:"build_tag_name"`
	DestTag      int64    `json:"dest_tag"`
	DestTagName  string   `json:"dest_tag_name"`
	Branches     []string `json:"branches"`
	// Lagging and BestEffort are architectures that do not block.
	Lagging       []string `json:"lagging"`
	BestEffort    []string `json:"best_effort"`
	NoarchContent string   `json:"noarch_content"`
	// RepoLag is how long after a change of the build tag its repository from
	// before may still be built with.
	RepoLagSeconds int64 `json:"repo_lag_seconds"`
}

// lagFlag defines --repo-lag.
func lagFlag(flags *flag.FlagSet) {
	flags.String("repo-lag", "", "begin builds with the repository from before for this `time` after the build tag changed, as 10m; 0: never")
}

// lagAsked reads --repo-lag; nil where it is not given.
func lagAsked(flags *flag.FlagSet) (*time.Duration, error) {
	if !given(flags, "repo-lag") {
		return nil, nil
	}
	lag, err := tags.ParseRepoLag(value(flags, "repo-lag"))
	if err != nil {
		return nil, usage("--repo-lag: %v", err)
	}
	return &lag, nil
}

// policy says what the target says of architectures, as distro.yaml does.
func (t targetView) policy() string {
	var words []string
	for _, a := range t.Lagging {
		words = append(words, a+"="+queue.PolicyLagging)
	}
	for _, a := range t.BestEffort {
		words = append(words, a+"="+queue.PolicyBestEffort)
	}
	return strings.Join(words, " ")
}

// lagWords says how far a repository may lag.
func lagWords(seconds int64) string {
	if seconds == 0 {
		return "-"
	}
	return tags.RepoLagText(time.Duration(seconds) * time.Second)
}

func targetList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	if _, err := operands(flags, 0, 0, "no argument"); err != nil {
		return err
	}
	return look(ctx, flags, func(r tagview.Reader) error {
		rows, err := db.New(r.Conn).TargetsAfter(ctx, lastEvent(r))
		if err != nil {
			return err
		}
		views := []targetView{}
		var table [][]string
		for _, row := range rows {
			if name := value(flags, "name"); name != "" && name != row.Name {
				continue
			}
			views = append(views, targetView(row))
			table = append(table, []string{row.Name, row.BuildTagName, row.DestTagName, dash(strings.Join(row.Branches, " ")), dash(targetView(row).policy()), lagWords(row.RepoLagSeconds)})
		}
		if name := value(flags, "name"); name != "" && len(views) == 0 {
			return noSuch("target", name)
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, views)
		}
		return writeTable(t.stdout, []string{"TARGET", "BUILD TAG", "DESTINATION", "BRANCHES", "ARCH POLICY", "REPO LAG"}, table)
	})
}

func targetAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, 3, "the names of a target and of its build tag, and that of its destination at most")
	if err != nil {
		return err
	}
	config := tags.TargetConfig{BuildTag: names[1], DestTag: names[0], Branches: allOf(flags, "branch")}
	if len(names) == 3 {
		config.DestTag = names[2]
	}
	lag, err := lagAsked(flags)
	if err != nil {
		return err
	}
	if lag != nil {
		config.RepoLag = *lag
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if err := tags.CheckBranches(names[0], config.Branches); err != nil {
			return "", err
		}
		return "target " + names[0] + " is made: " + config.BuildTag + " → " + config.DestTag, e.AddTarget(ctx, names[0], config)
	})
}

// targetInUse looks up a target that must be in use: the tag model itself also
// knows those that were removed.
func targetInUse(ctx context.Context, e *tags.Edit, name string) (db.TargetByNameRow, error) {
	row, err := db.New(e.Read().Conn).TargetByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && row.RevokeEvent != nil {
		return row, noSuch("target", name)
	}
	return row, err
}

func targetEdit(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one target")
	if err != nil {
		return err
	}
	if err := exclusive(flags, "branch", "no-branches"); err != nil {
		return err
	}
	name := names[0]
	c := tags.TargetChange{Name: ifGiven(flags, "rename"), BuildTag: ifGiven(flags, "build-tag"), DestTag: ifGiven(flags, "dest-tag")}
	if given(flags, "branch") || isSet(flags, "no-branches") {
		c.Branches = append([]string{}, allOf(flags, "branch")...)
	}
	if c.RepoLag, err = lagAsked(flags); err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if err := tags.CheckBranches(name, c.Branches); err != nil {
			return "", err
		}
		old, err := targetInUse(ctx, e, name)
		if err != nil {
			return "", err
		}
		same := func(to *string, from string) bool { return to == nil || *to == from }
		if same(c.Name, name) && same(c.BuildTag, old.BuildTagName) && same(c.DestTag, old.DestTagName) &&
			(c.Branches == nil || slices.Equal(c.Branches, old.Branches)) &&
			(c.RepoLag == nil || int64(*c.RepoLag/time.Second) == old.RepoLagSeconds) && e.User.Has(tags.PermTarget) {
			return "", nil
		}
		return "target " + name + " is changed", e.EditTarget(ctx, name, c)
	})
}

func targetRemove(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one target")
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if _, err := targetInUse(ctx, e, names[0]); err != nil {
			return "", err
		}
		return "target " + names[0] + " is removed", e.RemoveTarget(ctx, names[0])
	})
}
