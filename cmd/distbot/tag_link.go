package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
	"github.com/distbot/distbot/tags"
)

func tagLinkCommands() []command {
	return []command{
		{
			name: "tag add-inheritance", run: tagAddLink, help: "make a tag inherit from another",
			args: "CHILD PARENT [--priority N] [--maxdepth N] [--intransitive] [--noconfig] [--pkg-filter PATTERN]",
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("priority", "0", "the `place` among the child's parents, the lowest first")
				flags.String("maxdepth", "", "how many `generations` may follow the parent: 0 is none; default: any number")
				flags.Bool("intransitive", false, "let only the child itself inherit, not its children")
				flags.Bool("noconfig", false, "inherit packages and builds, no settings")
				flags.String("pkg-filter", "", "inherit only packages whose name matches this `pattern`, by Python's re.match")
			},
		},
		{
			name: "tag edit-inheritance", run: tagEditLink, help: "change how a tag inherits from another",
			args: "CHILD PARENT [--priority N] [--maxdepth N|any] [--intransitive[=false]] [--noconfig[=false]] [--pkg-filter PATTERN]",
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("priority", "", "the `place` among the child's parents, the lowest first")
				flags.String("maxdepth", "", "how many `generations` may follow the parent, or any")
				flags.Bool("intransitive", false, "let only the child itself inherit, not its children")
				flags.Bool("noconfig", false, "inherit packages and builds, no settings")
				flags.String("pkg-filter", "", "inherit only packages whose name matches this `pattern`; \"\" is all")
			},
		},
		{name: "tag remove-inheritance", args: "CHILD PARENT", help: "end an inheritance", run: tagRemoveLink, flags: changeFlags},
		{
			name: "tag tree", args: "TAG [--reverse]", help: "print from which tags a tag inherits, or which inherit from it", run: tagTree,
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.Bool("reverse", false, "the tags that inherit from it")
			},
		},
	}
}

// number reads a flag that is a 32-bit number; nil when it was not given.
func number(flags *flag.FlagSet, name string, least int64) (*int32, error) {
	if !given(flags, name) {
		return nil, nil
	}
	n, err := strconv.ParseInt(value(flags, name), 10, 32)
	if err != nil || n < least {
		return nil, usage("--%s: %q is no number between %d and %d", name, value(flags, name), least, math.MaxInt32)
	}
	n32 := int32(n)
	return &n32, nil
}

// linkEnds are the child and the parent of a link.
func linkEnds(flags *flag.FlagSet) (child, parent string, err error) {
	names, err := operands(flags, 2, 2, "the names of two tags: the child's, then the parent's")
	if err != nil {
		return "", "", err
	}
	return names[0], names[1], nil
}

func tagAddLink(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	child, parent, err := linkEnds(flags)
	if err != nil {
		return err
	}
	config := tags.LinkConfig{Intransitive: isSet(flags, "intransitive"), NoConfig: isSet(flags, "noconfig"), PkgFilter: value(flags, "pkg-filter")}
	priority, err := number(flags, "priority", math.MinInt32)
	if err != nil {
		return err
	}
	if priority != nil {
		config.Priority = *priority
	}
	if config.MaxDepth, err = number(flags, "maxdepth", 0); err != nil {
		return err
	}
	loop := false
	err = change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if err := e.AddLink(ctx, child, parent, config); err != nil {
			return "", err
		}
		if loop, err = closesLoop(ctx, e.Read(), child); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s inherits from %s with priority %d", child, parent, config.Priority), nil
	})
	if err == nil && loop {
		fmt.Fprintf(t.stderr, "warning: %s and %s inherit from one another now: distro.yaml can't say so, and what distbot tag export writes can't be applied\n",
			tasklog.Printable(child), tasklog.Printable(parent))
	}
	return err
}

// closesLoop reports whether a tag inherits from itself, in whatever way.
func closesLoop(ctx context.Context, r tagview.Reader, name string) (bool, error) {
	tag, err := r.Tag(ctx, name)
	if err != nil {
		return false, err
	}
	parents, err := r.Parents(ctx, tag.ID)
	if err != nil {
		return false, err
	}
	ids := make([]int64, len(parents))
	for i, link := range parents {
		ids[i] = link.ParentID
	}
	above, err := r.Ancestry(ctx, ids...)
	return slices.Contains(above.Closure(ids...), tag.ID), err
}

func tagEditLink(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	child, parent, err := linkEnds(flags)
	if err != nil {
		return err
	}
	c := tags.LinkChange{Intransitive: boolIfGiven(flags, "intransitive"), NoConfig: boolIfGiven(flags, "noconfig"), PkgFilter: ifGiven(flags, "pkg-filter")}
	if c.Priority, err = number(flags, "priority", math.MinInt32); err != nil {
		return err
	}
	if value(flags, "maxdepth") == "any" {
		c.AnyDepth = true
	} else if c.MaxDepth, err = number(flags, "maxdepth", 0); err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return fmt.Sprintf("the link from %s to %s is changed", child, parent), e.EditLink(ctx, child, parent, c)
	})
}

func tagRemoveLink(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	child, parent, err := linkEnds(flags)
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return fmt.Sprintf("%s inherits from %s no more", child, parent), e.RemoveLink(ctx, child, parent)
	})
}

func tagTree(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		reverse := isSet(flags, "reverse")
		walk := r.Inheritance
		if reverse {
			walk = r.Descendants
		}
		steps, err := walk(ctx, tag.ID)
		if err != nil {
			return err
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, append([]tagview.Step{}, steps...))
		}
		return writeTree(t.stdout, tag, steps, reverse)
	})
}
