package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/tags"
)

func tagGroupCommands() []command {
	return slices.Concat([]command{
		{
			name: "tag groups list", args: "TAG [GROUP] [--noinherit] [--show-blocked]", help: "list the comps groups of a tag", run: groupsList,
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.Bool("noinherit", false, "only what the tag itself says")
				flags.Bool("show-blocked", false, "what is blocked, too")
			},
		},
		{
			name: "tag groups add", args: "TAG GROUP... [--display-name TEXT] [--description TEXT] [--langonly LANG] [--force]", run: groupsAdd,
			help: "give a tag groups, or change them",
			flags: func(flags *flag.FlagSet) {
				forceFlag(flags)
				flags.String("display-name", "", "the `name` for people")
				flags.String("description", "", "what it is for, a `text`")
				flags.String("langonly", "", "only for this `language`")
				flags.Bool("uservisible", true, "installers show it")
				flags.Bool("default", false, "installers choose it")
				flags.Bool("biarchonly", false, "only where packages of two architectures are installed")
			},
		},
		{name: "tag groups remove", args: "TAG GROUP...", help: "remove groups from a tag itself", flags: changeFlags, run: groupsEach("removed group", (*tags.Edit).RemoveGroup)},
		{name: "tag groups block", args: "TAG GROUP...", help: "hide groups that a tag inherits", flags: changeFlags, run: groupsEach("blocked group", (*tags.Edit).BlockGroup)},
		{name: "tag groups unblock", args: "TAG GROUP...", help: "end a tag's own block of groups", flags: changeFlags, run: groupsEach("unblocked group", (*tags.Edit).UnblockGroup)},
	}, groupPackageCommands(), groupRequireCommands())
}

func groupPackageCommands() []command {
	const args = "TAG GROUP PACKAGE..."
	return []command{
		{
			name: "tag groups add-pkg", args: args + " [--type TYPE] [--requires PACKAGE] [--basearchonly] [--force]", run: groupsAddPackages,
			help: "put packages into a group, or change how they belong to it",
			flags: func(flags *flag.FlagSet) {
				forceFlag(flags)
				typeFlag(flags)
				flags.String("requires", "", "for the type conditional: the `package` it waits for")
				flags.Bool("basearchonly", false, "only of the base architecture")
			},
		},
		{name: "tag groups remove-pkg", args: args, help: "remove a tag's own entries of packages in a group", flags: changeFlags, run: groupsRemovePackages},
		{name: "tag groups block-pkg", args: args, help: "take packages out of a group that a tag inherits", flags: changeFlags, run: membersEach("blocked", (*tags.Edit).BlockGroupPackage)},
		{name: "tag groups unblock-pkg", args: args, help: "end a tag's own block of packages in a group", flags: changeFlags, run: membersEach("unblocked", (*tags.Edit).UnblockGroupPackage)},
	}
}

func groupRequireCommands() []command {
	const args = "TAG GROUP GROUP..."
	return []command{
		{
			name: "tag groups add-req", args: args + " [--type TYPE] [--force]", help: "make a group need others", run: groupsAddRequires,
			flags: func(flags *flag.FlagSet) {
				forceFlag(flags)
				typeFlag(flags)
			},
		},
		{name: "tag groups remove-req", args: args, help: "remove a tag's own entries of what a group needs", flags: changeFlags, run: groupsRemoveRequires},
		{name: "tag groups block-req", args: args, help: "hide what a group needs that a tag inherits", flags: changeFlags, run: membersEach("blocked requirement", (*tags.Edit).BlockGroupRequire)},
		{name: "tag groups unblock-req", args: args, help: "end a tag's own block of what a group needs", flags: changeFlags, run: membersEach("unblocked requirement", (*tags.Edit).UnblockGroupRequire)},
	}
}

func typeFlag(flags *flag.FlagSet) {
	flags.String("type", "", "the `type`: mandatory, default, optional or conditional (default: mandatory, or as it is)")
}

// memberType is how something belongs to a group; nil when it was not given.
func memberType(flags *flag.FlagSet) (*string, error) {
	kind := ifGiven(flags, "type")
	if kind != nil && !slices.Contains([]string{"mandatory", "default", "optional", "conditional"}, *kind) {
		return nil, usage("--type: %q is none of mandatory, default, optional, conditional", *kind)
	}
	return kind, nil
}

// groupsEach is a command that does the same to each group.
func groupsEach(done string, do func(e *tags.Edit, ctx context.Context, tag, group string) error) func(context.Context, terminal, *flag.FlagSet) error {
	return func(ctx context.Context, t terminal, flags *flag.FlagSet) error {
		names, err := operands(flags, 2, -1, "the name of a tag, then those of groups")
		if err != nil {
			return err
		}
		return forEach(ctx, t, flags, names[0], names[1:], done, func(e *tags.Edit, group string) error { return do(e, ctx, names[0], group) })
	}
}

// membersEach is a command that does the same to each member of a group.
func membersEach(done string, do func(e *tags.Edit, ctx context.Context, tag, group, member string) error) func(context.Context, terminal, *flag.FlagSet) error {
	return func(ctx context.Context, t terminal, flags *flag.FlagSet) error {
		names, err := operands(flags, 3, -1, "the name of a tag, that of a group, then those of its members")
		if err != nil {
			return err
		}
		tag, group := names[0], names[1]
		return forEach(ctx, t, flags, tag, names[2:], "group "+group+": "+done, func(e *tags.Edit, member string) error {
			return do(e, ctx, tag, group, member)
		})
	}
}

func groupsAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	c := tags.GroupChange{Force: isSet(flags, "force"), GroupConfig: tagview.GroupConfig{
		DisplayName: ifGiven(flags, "display-name"), Description: ifGiven(flags, "description"), LangOnly: ifGiven(flags, "langonly"),
		UserVisible: boolIfGiven(flags, "uservisible"), IsDefault: boolIfGiven(flags, "default"), BiarchOnly: boolIfGiven(flags, "biarchonly"),
	}}
	for name, field := range map[string]string{
		"display-name": "display_name", "description": "description", "langonly": "langonly",
		"uservisible": "uservisible", "default": "is_default", "biarchonly": "biarchonly",
	} {
		if given(flags, name) {
			c.Fields = append(c.Fields, field)
		}
	}
	return groupsEach("groups", func(e *tags.Edit, ctx context.Context, tag, group string) error {
		return e.AddGroup(ctx, tag, group, c)
	})(ctx, t, flags)
}

func groupsAddPackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	kind, err := memberType(flags)
	if err != nil {
		return err
	}
	if conditional := kind != nil && *kind == "conditional"; conditional != given(flags, "requires") {
		return usage("--type conditional and --requires PACKAGE belong together")
	}
	c := tagview.GroupPackageConfig{Type: kind, BaseArchOnly: boolIfGiven(flags, "basearchonly"), Requires: ifGiven(flags, "requires")}
	return membersEach("added", func(e *tags.Edit, ctx context.Context, tag, group, pkg string) error {
		return e.AddGroupPackage(ctx, tag, group, pkg, c, isSet(flags, "force"))
	})(ctx, t, flags)
}

func groupsAddRequires(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	kind, err := memberType(flags)
	if err != nil {
		return err
	}
	return membersEach("needs", func(e *tags.Edit, ctx context.Context, tag, group, required string) error {
		return e.AddGroupRequire(ctx, tag, group, required, text(kind), isSet(flags, "force"))
	})(ctx, t, flags)
}

func groupsRemovePackages(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	return membersEach("removed", func(e *tags.Edit, ctx context.Context, tag, group, pkg string) error {
		return removeGroupPackage(ctx, e, tag, group, pkg)
	})(ctx, t, flags)
}

func groupsRemoveRequires(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	return membersEach("removed requirement", func(e *tags.Edit, ctx context.Context, tag, group, required string) error {
		return removeGroupRequire(ctx, e, tag, group, required)
	})(ctx, t, flags)
}

// removeGroupPackage removes a package from a group of the tag; what the tag has
// no entry of is refused.
func removeGroupPackage(ctx context.Context, e *tags.Edit, tag, group, pkg string) error {
	err := requireOwnMember(ctx, e, tag, group, pkg, func(g tagview.Group) (own, there bool) {
		i := slices.IndexFunc(g.Packages, func(p tagview.GroupPackage) bool { return p.Package == pkg })
		return i >= 0 && g.Packages[i].Tag == tag, i >= 0
	})
	if err != nil {
		return err
	}
	return e.RemoveGroupPackage(ctx, tag, group, pkg)
}

// removeGroupRequire removes what a group of the tag needs; what the tag has no
// entry of is refused.
func removeGroupRequire(ctx context.Context, e *tags.Edit, tag, group, required string) error {
	err := requireOwnMember(ctx, e, tag, group, required, func(g tagview.Group) (own, there bool) {
		i := slices.IndexFunc(g.Requires, func(r tagview.GroupRequire) bool { return r.Name == required })
		return i >= 0 && g.Requires[i].Tag == tag, i >= 0
	})
	if err != nil {
		return err
	}
	return e.RemoveGroupRequire(ctx, tag, group, required)
}

// requireOwnMember refuses members that are not the tag's own, as far as the
// group can be seen. Unknown tags are left for the change to refuse.
func requireOwnMember(ctx context.Context, e *tags.Edit, tagName, groupName, member string, find func(tagview.Group) (own, there bool)) error {
	r := e.Read()
	tag, err := r.Tag(ctx, tagName)
	if err != nil {
		return nil //nolint:nilerr // The change says it better.
	}
	groups, err := r.AllGroups(ctx, tag.ID, true)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if group.Name != groupName || group.Blocked {
			continue
		}
		switch own, there := find(group); {
		case !there:
			return &tags.RefusedError{Fault: tags.FaultGeneric, Text: fmt.Sprintf("group %s of tag %s has no %s", groupName, tagName, member)}
		case !own:
			text := fmt.Sprintf("tag %s inherits %s in group %s: remove it there, or block it here", tagName, member, groupName)
			return &tags.RefusedError{Fault: tags.FaultGeneric, Text: text}
		}
	}
	return nil
}

func groupsList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 2, "the name of a tag, and of one group at most")
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		list := r.Groups
		if isSet(flags, "show-blocked") {
			list = r.AllGroups
		}
		groups, err := list(ctx, tag.ID, !isSet(flags, "noinherit"))
		if err != nil {
			return err
		}
		if len(names) == 2 {
			groups = slices.DeleteFunc(groups, func(g tagview.Group) bool { return g.Name != names[1] })
			if len(groups) == 0 {
				return noGroup(ctx, r, tag, names[1])
			}
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, groups)
		}
		return printGroups(t, groups)
	})
}

// noGroup says why a tag shows no group of a name.
func noGroup(ctx context.Context, r tagview.Reader, tag tagview.Tag, name string) error {
	all, err := r.AllGroups(ctx, tag.ID, true)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("tag %s has no group %q", tag.Name, name)
	if i := slices.IndexFunc(all, func(g tagview.Group) bool { return g.Name == name }); i >= 0 && all[i].Blocked {
		text = fmt.Sprintf("group %s is blocked in tag %s: --show-blocked shows it", name, tag.Name)
	} else if i >= 0 {
		text += " of its own, it inherits it"
	}
	return &tags.RefusedError{Fault: tags.FaultGeneric, Text: text}
}

// printGroups is Koji's list-groups.
func printGroups(t terminal, groups []tagview.Group) error {
	if len(groups) == 0 {
		return writeTable(t.stdout, nil, nil)
	}
	blocked := func(is bool) string {
		if is {
			return " [BLOCKED]"
		}
		return ""
	}
	var out strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&out, "%s  [%s]%s\n", g.Name, g.Tag, blocked(g.Blocked))
		for _, r := range g.Requires {
			fmt.Fprintf(&out, "  @%s: %s  [%s]%s\n", r.Name, dash(text(r.Type)), r.Tag, blocked(r.Blocked))
		}
		for _, p := range g.Packages {
			kind := dash(text(p.Type))
			if p.Requires != nil && *p.Requires != "" {
				kind += " with " + *p.Requires
			}
			if p.BaseArchOnly != nil && *p.BaseArchOnly {
				kind += ", basearchonly"
			}
			fmt.Fprintf(&out, "  %s: %s  [%s]%s\n", p.Package, kind, p.Tag, blocked(p.Blocked))
		}
	}
	_, err := fmt.Fprint(t.stdout, tasklog.Printable(out.String()))
	return err
}
