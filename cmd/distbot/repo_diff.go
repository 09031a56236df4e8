package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/distbot/distbot/internal/generations"
	"github.com/distbot/distbot/internal/tasklog"
)

// repoGenerations are two generations of a tag.
type repoGenerations struct {
	tag      string
	from, to int64
}

func readRepoDiff(flags *flag.FlagSet) (repoGenerations, error) {
	args, err := operands(flags, 3, 3, "the name of a tag and the numbers of two generations")
	if err != nil {
		return repoGenerations{}, err
	}
	asked := repoGenerations{tag: args[0]}
	if asked.from, err = generationNumber(args[1]); err != nil {
		return asked, err
	}
	asked.to, err = generationNumber(args[2])
	return asked, err
}

func generationNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, usage("%q is no number of a generation", text)
	}
	return n, nil
}

func repoDiff(ctx context.Context, h *hub, asked repoGenerations) error {
	d, err := generations.Diff(ctx, h.pool, asked.tag, asked.from, asked.to)
	if err != nil {
		return forRepo(asked.tag, err)
	}
	if h.json {
		return writeJSON(h.stdout, d)
	}
	var table [][]string
	for _, a := range d.Arch {
		for _, p := range a.Packages {
			table = append(table, []string{a.Arch, p.Name + "." + p.Arch, cmp.Or(p.From, "-"), cmp.Or(p.To, "-")})
		}
	}
	if err := writeTable(h.stdout, []string{"REPOSITORY", "PACKAGE", "BEFORE", "AFTER"}, table); err != nil {
		return err
	}
	for _, e := range d.Events {
		if _, err := fmt.Fprintf(h.stdout, "event %d, %s, %s: %s\n", e.Event, e.At.Format(time.RFC3339), tasklog.Printable(e.Actor), tasklog.Printable(e.What)); err != nil {
			return err
		}
	}
	return nil
}
