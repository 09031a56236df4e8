package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/internal/tasklog"
)

func tagHistoryCommands() []command {
	return []command{
		{
			name: "tag explain", args: "TAG PACKAGE|NVR", help: "say why a package or a build is in a tag or is not, and what would change that",
			run: tagExplain, flags: readFlags,
		},
		{
			name: "tag history", run: tagHistory, help: "list what was changed, when and by whom",
			args: "[--tag TAG] [--package NAME] [--build NVR] [--user USER] [--table NAME] [--active]\n" +
				"       [--after TIME | --after-event N] [--before TIME | --before-event N] [--events] [--limit N]",
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.String("tag", "", "only of this `tag`")
				flags.String("package", "", "only of this `package`")
				flags.String("build", "", "only of this build, an `NVR`")
				flags.String("user", "", "only what this `user` did")
				flags.Var(&words{}, "table", "only of this `table`, by Koji's name, such as tag_listing; may be repeated")
				flags.Bool("active", false, "only what is in force")
				flags.String("after", "", "not before this `time`")
				flags.String("before", "", "before this `time`")
				flags.String("after-event", "", "after this `event`")
				flags.String("before-event", "", "before this `event`")
				flags.Bool("events", false, "show the numbers of the events")
				flags.Int("limit", 100, "at most `N`, the newest")
			},
		},
	}
}

// span is when the changes were made that are asked for.
type span struct{ after, before moment }

func spanOf(flags *flag.FlagSet) (s span, err error) {
	if err := errors.Join(exclusive(flags, "after", "after-event"), exclusive(flags, "before", "before-event")); err != nil {
		return s, err
	}
	for _, side := range []struct {
		name string
		to   *moment
	}{{"after", &s.after}, {"before", &s.before}} {
		if text := value(flags, side.name); text != "" {
			at, err := parseTime(text)
			if err != nil {
				return s, usage("--%s: %v", side.name, err)
			}
			side.to.ts = &at
		}
		if text := value(flags, side.name+"-event"); text != "" {
			if side.to.event, err = strconv.ParseInt(text, 10, 64); err != nil || side.to.event < 1 {
				return s, usage("--%s-event: %q is no number of an event", side.name, text)
			}
		}
	}
	return s, nil
}

// events are the events between which the span lies, 0 for no bound.
func (s span) events(ctx context.Context, r tagview.Reader) (after, before int64, err error) {
	after, before = s.after.event, s.before.event
	if s.after.ts != nil {
		if after, err = eventBefore(ctx, r, *s.after.ts); err != nil {
			return 0, 0, err
		}
	}
	if s.before.ts != nil {
		if before, err = eventBefore(ctx, r, *s.before.ts); err != nil {
			return 0, 0, err
		}
		before++
	}
	return after, before, nil
}

// eventBefore is the last event before a time, 0 when there was none.
func eventBefore(ctx context.Context, r tagview.Reader, at time.Time) (int64, error) {
	event, err := tagview.EventBefore(ctx, r.Conn, at)
	if errors.Is(err, tagview.ErrNoEvent) {
		return 0, nil
	}
	return event.ID, err
}

func tagExplain(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, 2, "the name of a tag, then a package or the NVR of a build")
	if err != nil {
		return err
	}
	return lookAtTag(ctx, flags, names[0], func(r tagview.Reader, tag tagview.Tag) error {
		explanation, err := r.Explain(ctx, tag.Name, names[1])
		if err != nil {
			return err
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, explanation)
		}
		_, err = fmt.Fprint(t.stdout, tasklog.Printable(explanation.Text()))
		return err
	})
}

func tagHistory(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	if _, err := operands(flags, 0, 0, "no argument"); err != nil {
		return err
	}
	for _, table := range allOf(flags, "table") {
		if known := tagview.HistoryTables(); !slices.Contains(known, table) {
			return usage("--table: %q is none of %s", table, strings.Join(known, ", "))
		}
	}
	n, err := limit(flags)
	if err != nil {
		return err
	}
	s, err := spanOf(flags)
	if err != nil {
		return err
	}
	return look(ctx, flags, func(r tagview.Reader) error {
		q := tagview.HistoryQuery{
			Tag: value(flags, "tag"), Package: value(flags, "package"), Build: value(flags, "build"), User: value(flags, "user"),
			Tables: allOf(flags, "table"), Active: isSet(flags, "active"), Limit: int(n),
		}
		if q.After, q.Before, err = s.events(ctx, r); err != nil {
			return err
		}
		if err := requireUser(ctx, r, q.User); err != nil {
			return err
		}
		history, err := r.History(ctx, q)
		if errors.Is(err, tagview.ErrNoTag) {
			return noSuch("tag", q.Tag)
		}
		if err != nil {
			return err
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, history)
		}
		if len(history.Changes) == 0 {
			return writeTable(t.stdout, nil, nil)
		}
		for _, c := range history.Changes {
			fmt.Fprintln(t.stdout, tasklog.Printable(c.Line(time.Local, isSet(flags, "events"))))
		}
		if history.Before > 0 {
			fmt.Fprintf(t.stderr, "there are older changes: --before-event %d shows them\n", history.Before)
		}
		return nil
	})
}

// requireUser refuses a name that no user has; "" is nobody's.
func requireUser(ctx context.Context, r tagview.Reader, name string) error {
	if name == "" {
		return nil
	}
	_, err := db.New(r.Conn).UserByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return noSuch("user", name)
	}
	return err
}
