package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/distbot/distbot/repopublish"
	"github.com/distbot/distbot/tags"
)

// rollback is what a repository goes back to.
type rollback struct {
	tag        string
	number     int64
	as, reason string
}

func readRepoRollback(flags *flag.FlagSet) (rollback, error) {
	args, err := operands(flags, 1, 2, "the name of a tag, and the number of a generation or none for the one before that which it shows")
	if err != nil {
		return rollback{}, err
	}
	asked := rollback{tag: args[0], as: value(flags, "as"), reason: cut(value(flags, "reason"), maxWhat)}
	if len(args) == 2 {
		asked.number, err = generationNumber(args[1])
	}
	return asked, err
}

func repoRollback(ctx context.Context, h *hub, asked rollback) error {
	if err := mayPublish(ctx, h, asked.as); err != nil {
		return err
	}
	number, err := repopublish.GoBack(ctx, h.pool, h.client, filepath.Join(h.config.StateDir, "repos"), asked.tag, asked.number, asked.as, asked.reason)
	if err != nil {
		return forRepo(asked.tag, err)
	}
	if h.json {
		return writeJSON(h.stdout, map[string]any{"tag": asked.tag, "generation": number})
	}
	_, err = fmt.Fprintf(h.stdout, "%s goes back to generation %d, published again under a new number, and stays there:\nbuilds that are asked for from now on are made with it, those that need what came after it wait;\ndistbot repo publish %s ends that\n", asked.tag, number, asked.tag)
	return err
}

func readRepoPublish(flags *flag.FlagSet) (rollback, error) {
	args, err := operands(flags, 1, 1, "the name of one tag")
	if err != nil {
		return rollback{}, err
	}
	return rollback{tag: args[0], as: value(flags, "as")}, nil
}

func repoPublish(ctx context.Context, h *hub, asked rollback) error {
	if err := mayPublish(ctx, h, asked.as); err != nil {
		return err
	}
	held, rev, err := repopublish.Publish(ctx, h.pool, h.client, asked.tag)
	if err != nil {
		return forRepo(asked.tag, err)
	}
	if h.json {
		return writeJSON(h.stdout, map[string]any{"tag": asked.tag, "rev": rev, "was_held": held})
	}
	what := "is made anew"
	if held {
		what = "is held no more, and made of what the tag says"
	}
	_, err = fmt.Fprintf(h.stdout, "%s: the repository %s\n", asked.tag, what)
	return err
}

// mayPublish refuses users who may not tag.
func mayPublish(ctx context.Context, h *hub, as string) error {
	user, err := tags.ReadUser(ctx, h.pool, as)
	if err == nil && !user.Has(tags.PermTag) {
		err = &tags.RefusedError{Fault: tags.FaultNotAllowed, Text: fmt.Sprintf("this requires the permission %s, which %s has not", tags.PermTag, as)}
	}
	return inUsersWords(err, as)
}
