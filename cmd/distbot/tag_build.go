package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

func tagBuildCommands() []command {
	return []command{
		{name: "tag build", args: "TAG NVR... [--force]", help: "tag builds; of one package's the last named becomes the newest", run: tagBuilds, flags: forceFlag},
		{name: "tag untag", args: "TAG NVR... [--force]", help: "take builds out of a tag", run: tagUntag, flags: forceFlag},
		{
			name: "tag move", args: "FROM TO NVR... [--force]\n       distbot tag move FROM TO PACKAGE... --all [--force]", run: tagMove,
			help: "move builds from one tag into another",
			flags: func(flags *flag.FlagSet) {
				forceFlag(flags)
				flags.Bool("all", false, "all builds of the packages, in their order")
			},
		},
		{
			name: "tag list-builds", args: "TAG [--inherit] [--latest] [--latest-n N] [--package NAME] [--rpms]", run: tagListBuilds,
			help: "list the builds of a tag, those tagged last first",
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.Bool("inherit", false, "those of its parents, too")
				flags.Bool("latest", false, "only the latest of each package")
				flags.String("latest-n", "", "only the latest `N` of each package")
				flags.String("package", "", "only of this `package`")
				flags.Bool("rpms", false, "their RPMs")
			},
		},
	}
}

// eachOnce refuses to be given a name twice: the second one would be told that
// the first has been done already.
func eachOnce(names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return usage("%q is named twice", name)
		}
		seen[name] = true
	}
	return nil
}

func tagBuilds(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, -1, "the name of a tag, then the NVRs of builds")
	if err != nil {
		return err
	}
	tag, nvrs := names[0], names[1:]
	if err := eachOnce(nvrs); err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return tag + ": tagged " + strings.Join(nvrs, ", "), e.TagBuilds(ctx, tag, nvrs, isSet(flags, "force"))
	})
}

func tagUntag(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, -1, "the name of a tag, then the NVRs of builds")
	if err != nil {
		return err
	}
	if err := eachOnce(names[1:]); err != nil {
		return err
	}
	return forEach(ctx, t, flags, names[0], names[1:], "untagged", func(e *tags.Edit, nvr string) error {
		return e.UntagBuild(ctx, names[0], nvr, isSet(flags, "force"))
	})
}

func tagMove(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	what := "the names of two tags, then the NVRs of builds"
	if isSet(flags, "all") {
		what = "the names of two tags, then those of packages"
	}
	names, err := operands(flags, 3, -1, what)
	if err != nil {
		return err
	}
	if err := eachOnce(names[2:]); err != nil {
		return err
	}
	from, to, force := names[0], names[1], isSet(flags, "force")
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		moved := names[2:]
		if !isSet(flags, "all") {
			return fmt.Sprintf("moved from %s to %s: %s", from, to, strings.Join(moved, ", ")), e.MoveBuilds(ctx, from, to, moved, force)
		}
		moved = nil
		for _, pkg := range names[2:] {
			nvrs, err := e.MoveAllBuilds(ctx, from, to, pkg, force)
			if err != nil {
				return "", err
			}
			moved = append(moved, nvrs...)
		}
		return fmt.Sprintf("moved from %s to %s: %s", from, to, strings.Join(moved, ", ")), nil
	})
}

// buildQuery is what the flags of list-builds select.
func buildQuery(flags *flag.FlagSet) (tagview.BuildQuery, error) {
	q := tagview.BuildQuery{Inherit: isSet(flags, "inherit")}
	if err := exclusive(flags, "latest", "latest-n"); err != nil {
		return q, err
	}
	if isSet(flags, "latest") {
		q.Latest = 1
	}
	n, err := number(flags, "latest-n", 1)
	if n != nil {
		q.Latest = int(*n)
	}
	return q, err
}

func tagListBuilds(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	q, err := buildQuery(flags)
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		if name := value(flags, "package"); name != "" {
			if q.PackageID, err = packageID(ctx, r, name); err != nil {
				return err
			}
		}
		builds, err := r.Builds(ctx, tag.ID, q)
		if err != nil {
			return err
		}
		if isSet(flags, "rpms") {
			return printRPMs(ctx, t, flags, r, builds)
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, append([]tagview.Build{}, builds...))
		}
		var table [][]string
		for _, b := range builds {
			table = append(table, []string{b.NVR, b.Tag, fmt.Sprint(b.Event), b.TaggedBy})
		}
		return writeTable(t.stdout, []string{"BUILD", "TAG", "EVENT", "TAGGED BY"}, table)
	})
}

// rpmView is an RPM for programs, by Koji's names.
type rpmView struct {
	ID      int64  `json:"id"`
	BuildID int64  `json:"build_id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Release string `json:"release"`
	Epoch   int32  `json:"epoch"`
	// Arch is src for source packages.
	Arch string `json:"arch"`
	Size int64  `json:"size"`
}

// nvra is how people name an RPM.
func (v rpmView) nvra() string { return v.Name + "-" + v.Version + "-" + v.Release + "." + v.Arch }

// printRPMs prints the RPMs of builds, each build's once (Koji's
// listTaggedRPMS).
func printRPMs(ctx context.Context, t terminal, flags *flag.FlagSet, r tagview.Reader, builds []tagview.Build) error {
	var ids []int64
	position := map[int64]int{}
	for _, b := range builds {
		if _, seen := position[b.ID]; !seen {
			position[b.ID] = len(ids)
			ids = append(ids, b.ID)
		}
	}
	rows, err := db.New(r.Conn).RPMsOfBuilds(ctx, ids)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b db.RPMsOfBuildsRow) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(position[a.BuildID], position[b.BuildID]), cmp.Compare(a.ID, b.ID))
	})
	list := []rpmView{}
	for _, row := range rows {
		rpm := rpmView{row.ID, row.BuildID, row.Name, row.Version, row.Release, row.Epoch, row.Arch, row.Size}
		if row.Source {
			rpm.Arch = "src"
		}
		list = append(list, rpm)
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, map[string]any{"rpms": list, "builds": append([]tagview.Build{}, builds...)})
	}
	var table [][]string
	for _, rpm := range list {
		table = append(table, []string{rpm.nvra()})
	}
	return writeTable(t.stdout, []string{"RPM"}, table)
}
