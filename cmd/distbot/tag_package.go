package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

func tagPackageCommands() []command {
	return []command{
		{
			name: "tag add-pkg", args: "TAG PACKAGE... [--owner USER] [--extra-arches ARCHES] [--block] [--force]", run: tagAddPackages,
			help: "put packages on a tag's list, so that builds of them may be tagged",
			flags: func(flags *flag.FlagSet) {
				forceFlag(flags)
				flags.String("owner", "", "the `user` who looks after them; needed for those that the tag does not list yet")
				flags.String("extra-arches", "", "`architectures` they are built for beside the build tag's")
				flags.Bool("block", false, "list them as blocked")
			},
		},
		{name: "tag block-pkg", args: "TAG PACKAGE... [--force]", help: "keep builds of packages out of a tag and of all that inherit", run: tagBlockPackages, flags: forceFlag},
		{name: "tag unblock-pkg", args: "TAG PACKAGE...", help: "end a block", run: tagUnblockPackages, flags: changeFlags},
		{name: "tag remove-pkg", args: "TAG PACKAGE...", help: "remove packages from a tag's own list", run: tagRemovePackages, flags: changeFlags},
		{name: "tag set-owner", args: "USER TAG PACKAGE... [--force]", help: "change who looks after packages", run: tagSetOwner, flags: forceFlag},
		{name: "tag set-arches", args: "ARCHES TAG PACKAGE... [--force]", help: "change the extra architectures of packages", run: tagSetArches, flags: forceFlag},
		{
			name: "tag list-pkgs", args: "TAG [--package NAME] [--owner USER] [--noinherit] [--show-blocked] [--show-dups]", run: tagListPackages,
			help: "list the packages of a tag",
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.String("package", "", "only this `package`")
				flags.String("owner", "", "only those of this `user`")
				flags.Bool("noinherit", false, "only the tag's own list")
				flags.Bool("show-blocked", false, "blocked packages, too")
				flags.Bool("show-dups", false, "every entry that the inheritance leads to, not only the one that counts")
			},
		},
	}
}

// forEach makes a change for each of a tag's packages.
func forEach(ctx context.Context, t terminal, flags *flag.FlagSet, tag string, packages []string, done string, do func(e *tags.Edit, pkg string) error) error {
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		for _, pkg := range packages {
			if err := do(e, pkg); err != nil {
				return "", err
			}
		}
		return tag + ": " + done + " " + strings.Join(packages, ", "), nil
	})
}

// tagAndPackages are the operands of most commands about package lists.
func tagAndPackages(flags *flag.FlagSet) (tag string, packages []string, err error) {
	names, err := operands(flags, 2, -1, "the name of a tag, then those of packages")
	if err != nil {
		return "", nil, err
	}
	return names[0], names[1:], nil
}

func tagAddPackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	tag, packages, err := tagAndPackages(flags)
	if err != nil {
		return err
	}
	c := tags.PackageChange{Owner: ifGiven(flags, "owner"), ExtraArches: ifGiven(flags, "extra-arches"), Force: isSet(flags, "force")}
	if c.ExtraArches != nil {
		*c.ExtraArches = archList(*c.ExtraArches)
	}
	// As Koji's add-pkg, which unblocks only by force.
	blocked := isSet(flags, "block")
	c.Blocked = &blocked
	return forEach(ctx, t, flags, tag, packages, "listed", func(e *tags.Edit, pkg string) error { return e.AddPackage(ctx, tag, pkg, c) })
}

func tagBlockPackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	tag, packages, err := tagAndPackages(flags)
	if err != nil {
		return err
	}
	return forEach(ctx, t, flags, tag, packages, "blocked", func(e *tags.Edit, pkg string) error {
		return e.BlockPackage(ctx, tag, pkg, isSet(flags, "force"))
	})
}

func tagUnblockPackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	tag, packages, err := tagAndPackages(flags)
	if err != nil {
		return err
	}
	return forEach(ctx, t, flags, tag, packages, "unblocked", func(e *tags.Edit, pkg string) error { return e.UnblockPackage(ctx, tag, pkg) })
}

func tagRemovePackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	tag, packages, err := tagAndPackages(flags)
	if err != nil {
		return err
	}
	return forEach(ctx, t, flags, tag, packages, "removed", func(e *tags.Edit, pkg string) error {
		if err := requireOwnEntry(ctx, e, tag, pkg); err != nil {
			return err
		}
		return e.RemovePackage(ctx, tag, pkg)
	})
}

// requireOwnEntry refuses a package that is not on the tag's own list: to remove
// what is not there is a mistake of the caller. The tag and the package are left
// for the change to refuse.
func requireOwnEntry(ctx context.Context, e *tags.Edit, tagName, pkg string) error {
	r := e.Read()
	tag, err := r.Tag(ctx, tagName)
	if err != nil {
		return nil //nolint:nilerr // The change says it better.
	}
	row, err := db.New(r.Conn).PackageByName(ctx, pkg)
	if err != nil {
		return nil //nolint:nilerr // The change says it better.
	}
	list, err := r.Packages(ctx, tag.ID, tagview.PackageQuery{Inherit: true, PackageID: row.ID})
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return &tags.RefusedError{Fault: tags.FaultGeneric, Text: fmt.Sprintf("tag %s does not list package %s", tagName, pkg)}
	case list[0].TagID != tag.ID:
		text := fmt.Sprintf("tag %s inherits package %s from %s: remove it there, or block it here", tagName, pkg, list[0].Tag)
		return &tags.RefusedError{Fault: tags.FaultGeneric, Text: text}
	}
	return nil
}

func tagSetOwner(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 3, -1, "the name of a user, that of a tag, then those of packages")
	if err != nil {
		return err
	}
	owner, tag := names[0], names[1]
	return forEach(ctx, t, flags, tag, names[2:], owner+" looks after", func(e *tags.Edit, pkg string) error {
		return e.SetPackageOwner(ctx, tag, pkg, owner, isSet(flags, "force"))
	})
}

func tagSetArches(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 3, -1, "architectures, the name of a tag, then those of packages")
	if err != nil {
		return err
	}
	arches, tag := archList(names[0]), names[1]
	return forEach(ctx, t, flags, tag, names[2:], "extra architectures "+dash(arches)+" for", func(e *tags.Edit, pkg string) error {
		return e.SetPackageArches(ctx, tag, pkg, arches, isSet(flags, "force"))
	})
}

func tagListPackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		q := tagview.PackageQuery{Inherit: !isSet(flags, "noinherit"), Dups: isSet(flags, "show-dups")}
		if name := value(flags, "package"); name != "" {
			if q.PackageID, err = packageID(ctx, r, name); err != nil {
				return err
			}
		}
		all, err := r.Packages(ctx, tag.ID, q)
		if err != nil {
			return err
		}
		list := []tagview.Package{}
		for _, p := range all {
			if owner := value(flags, "owner"); (owner == "" || p.Owner == owner) && (!p.Blocked || isSet(flags, "show-blocked")) {
				list = append(list, p)
			}
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, list)
		}
		return printPackages(t, list)
	})
}

func printPackages(t terminal, list []tagview.Package) error {
	var table [][]string
	for _, p := range list {
		owner := p.Owner
		if p.Blocked {
			owner += " [BLOCKED]"
		}
		table = append(table, []string{p.Name, p.Tag, dash(text(p.ExtraArches)), owner})
	}
	return writeTable(t.stdout, []string{"PACKAGE", "TAG", "EXTRA ARCHES", "OWNER"}, table)
}
