package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

// readFlags defines the flags of every question about tags.
func readFlags(flags *flag.FlagSet) {
	jsonFlag(flags)
	momentFlags(flags)
}

// momentFlags defines --event and --ts.
func momentFlags(flags *flag.FlagSet) {
	flags.String("event", "", "as it was after this `event`")
	flags.String("ts", "", "as it was before this `time`: seconds since 1970, or 2006-01-02T15:04:05Z")
}

// value is a flag's text.
func value(flags *flag.FlagSet, name string) string { return flags.Lookup(name).Value.String() }

// isSet is a flag that is there or not.
func isSet(flags *flag.FlagSet, name string) bool { return value(flags, name) == "true" }

// given reports whether a flag was on the command line.
func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// ifGiven is a flag's text, nil when it was not on the command line.
func ifGiven(flags *flag.FlagSet, name string) *string {
	if !given(flags, name) {
		return nil
	}
	text := value(flags, name)
	return &text
}

// boolIfGiven is a flag that is there or not, nil when it was not on the command
// line.
func boolIfGiven(flags *flag.FlagSet, name string) *bool {
	if !given(flags, name) {
		return nil
	}
	set := isSet(flags, name)
	return &set
}

// operands returns the arguments that are no flags, of which there must be least
// to most; most is -1 for any number. what says in words what is expected. No
// argument or flag may be other than UTF-8: the database could not compare it.
func operands(flags *flag.FlagSet, least, most int, what string) ([]string, error) {
	if n := flags.NArg(); n < least || most >= 0 && n > most {
		return nil, usage("expected %s", what)
	}
	broken := ""
	for _, arg := range flags.Args() {
		if !utf8.ValidString(arg) {
			broken = arg
		}
	}
	flags.Visit(func(f *flag.Flag) {
		if !utf8.ValidString(f.Value.String()) {
			broken = f.Value.String()
		}
	})
	if broken != "" {
		return nil, usage("%q is not UTF-8", broken)
	}
	return flags.Args(), nil
}

// moment is the point in time that --event or --ts names.
type moment struct {
	event int64
	ts    *time.Time
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

func momentOf(flags *flag.FlagSet) (moment, error) {
	event, ts := value(flags, "event"), value(flags, "ts")
	switch {
	case event != "" && ts != "":
		return moment{}, usage("--event and --ts can't both be given")
	case event != "":
		id, err := strconv.ParseInt(event, 10, 64)
		if err != nil || id < 1 {
			return moment{}, usage("--event: %q is no number of an event", event)
		}
		return moment{event: id}, nil
	case ts != "":
		at, err := parseTime(ts)
		if err != nil {
			return moment{}, usage("--ts: %v", err)
		}
		return moment{ts: &at}, nil
	}
	return moment{}, nil
}

// parseTime reads a time as seconds since 1970 or by RFC 3339.
func parseTime(text string) (time.Time, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) <= maxSeconds {
		whole, fraction := math.Modf(seconds)
		return time.Unix(int64(whole), int64(fraction*1e9)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: give seconds since 1970, or 2006-01-02T15:04:05Z", text)
	}
	return at, nil
}

// find looks the moment up: its event must exist.
func (m moment) find(ctx context.Context, tx pgx.Tx) (tagview.Moment, error) {
	switch {
	case m.event > 0:
		event, err := tagview.GetEvent(ctx, tx, m.event)
		if errors.Is(err, tagview.ErrNoEvent) {
			return tagview.Moment{}, inUsersWords(&tags.RefusedError{Fault: tags.FaultGeneric, Text: fmt.Sprintf("no such event: %d", m.event)}, "")
		}
		return tagview.At(event.ID), err
	case m.ts != nil:
		event, err := tagview.EventBefore(ctx, tx, *m.ts)
		if errors.Is(err, tagview.ErrNoEvent) {
			text := "there is no event before " + m.ts.UTC().Format(time.RFC3339)
			return tagview.Moment{}, inUsersWords(&tags.RefusedError{Fault: tags.FaultGeneric, Text: text}, "")
		}
		return tagview.At(event.ID), err
	}
	return tagview.Moment{}, nil
}

// look answers a question about tags at the moment that the flags name; all that
// it reads is from one snapshot.
func look(ctx context.Context, flags *flag.FlagSet, read func(r tagview.Reader) error) error {
	m, err := momentOf(flags)
	if err != nil {
		return err
	}
	h, err := openHub(ctx, flags)
	if err != nil {
		return err
	}
	defer h.close()
	return pgx.BeginTxFunc(ctx, h.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		at, err := m.find(ctx, tx)
		if err != nil {
			return err
		}
		return inUsersWords(read(tagview.Reader{Conn: tx, At: at}), "")
	})
}

// lookAtTag is look for questions about one tag.
func lookAtTag(ctx context.Context, flags *flag.FlagSet, name string, read func(r tagview.Reader, tag tagview.Tag) error) error {
	return look(ctx, flags, func(r tagview.Reader) error {
		tag, err := r.Tag(ctx, name)
		if errors.Is(err, tagview.ErrNoTag) {
			return noSuch("tag", name)
		}
		if err != nil {
			return err
		}
		return read(r, tag)
	})
}

// lastEvent is the last event that counts for a reader.
func lastEvent(r tagview.Reader) int64 {
	if r.At.IsNow() {
		return math.MaxInt64
	}
	return r.At.Event()
}
