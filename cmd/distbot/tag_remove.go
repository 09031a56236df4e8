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

func tagRemoveCommand() command {
	return command{
		name: "tag remove", args: "TAG [--force]", run: tagRemove,
		help: "remove a tag, the links to it, and the targets that use it",
		flags: func(flags *flag.FlagSet) {
			changeFlags(flags)
			flags.Bool("force", false, "remove it although tags inherit from it, targets use it or builds are in it")
		},
	}
}

func tagRemove(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return err
	}
	name := names[0]
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		if err := e.RemoveTag(ctx, name); err != nil {
			return "", err
		}
		// The removal has locked the tag: the event before saw all it took along.
		gone, err := readLosses(ctx, tagview.Reader{Conn: e.Read().Conn, At: tagview.At(e.Event() - 1)}, name)
		if err != nil {
			return "", err
		}
		if gone.needed && !isSet(flags, "force") {
			text := fmt.Sprintf("tag %s is in use: with it would go %s", name, gone)
			return "", &tags.RefusedError{Fault: tags.FaultGeneric, Text: text}
		}
		if len(gone.what) == 0 {
			return "tag " + name + " is removed", nil
		}
		return fmt.Sprintf("tag %s is removed, and with it %s", name, gone), nil
	})
}

// losses are what goes with a tag that is removed.
type losses struct {
	what []string
	// needed means that more is lost than the tag's own settings and lists.
	needed bool
}

// String lists the losses.
func (l losses) String() string { return strings.Join(l.what, "; ") }

// readLosses finds what would go with a tag at the reader's moment.
func readLosses(ctx context.Context, r tagview.Reader, name string) (l losses, err error) {
	tag, err := r.Tag(ctx, name)
	if err != nil {
		return l, err
	}
	children, err := r.Children(ctx, tag.ID)
	if err != nil {
		return l, err
	}
	for _, link := range children {
		l.what = append(l.what, "the link from "+link.Child)
	}
	q := db.New(r.Conn)
	event := lastEvent(r)
	targets, err := q.TargetsAfter(ctx, event)
	if err != nil {
		return l, err
	}
	for _, target := range targets {
		if target.BuildTag == tag.ID || target.DestTag == tag.ID {
			l.what = append(l.what, fmt.Sprintf("the target %s (%s → %s)", target.Name, target.BuildTagName, target.DestTagName))
		}
	}
	figures, err := q.TagFigures(ctx, db.TagFiguresParams{Event: &event, Ids: []int64{tag.ID}})
	if err != nil {
		return l, err
	}
	for _, figure := range figures {
		if figure.Builds > 0 {
			l.what = append(l.what, counted(figure.Builds, "tagged build"))
		}
		l.needed = len(l.what) > 0
		if figure.Packages > 0 {
			l.what = append(l.what, "its list of "+counted(figure.Packages, "package"))
		}
	}
	return l, nil
}

// counted is a number of things.
func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
