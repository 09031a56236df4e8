package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

func userCommands() []command {
	return []command{
		{name: "user list", help: "list users and what they may", run: userList, flags: readFlags},
		{name: "user show", args: "USER", help: "show a user: permissions and tokens", run: userShow, flags: readFlags},
		{name: "user add", args: "USER", help: "make a user, who may nothing yet", run: userAdd, flags: changeFlags},
		{name: "user enable", args: "USER", help: "let a user work again", run: userSetEnabled(true), flags: changeFlags},
		{name: "user disable", args: "USER", help: "let a user do nothing any more, tokens included", run: userSetEnabled(false), flags: changeFlags},
	}
}

// userView is a user for people and programs.
type userView struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Enabled bool      `json:"enabled"`
	Created time.Time `json:"created_at"`
	// Permissions are those held at the moment that was asked for.
	Permissions []string    `json:"permissions"`
	Tokens      []tokenView `json:"tokens,omitempty"`
}

func (v userView) state() string {
	if v.Enabled {
		return "enabled"
	}
	return "disabled"
}

func readUsers(ctx context.Context, r tagview.Reader) ([]userView, error) {
	rows, err := db.New(r.Conn).ListUsers(ctx, lastEvent(r))
	if err != nil {
		return nil, err
	}
	views := []userView{}
	for _, row := range rows {
		views = append(views, userView{ID: row.ID, Name: row.Name, Enabled: row.Enabled, Created: row.CreatedAt, Permissions: row.Perms})
	}
	return views, nil
}

func userList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	if _, err := operands(flags, 0, 0, "no argument"); err != nil {
		return err
	}
	return look(ctx, flags, func(r tagview.Reader) error {
		views, err := readUsers(ctx, r)
		if err != nil {
			return err
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, views)
		}
		var table [][]string
		for _, v := range views {
			table = append(table, []string{v.Name, v.state(), dash(strings.Join(v.Permissions, " "))})
		}
		return writeTable(t.stdout, []string{"USER", "STATE", "PERMISSIONS"}, table)
	})
}

func userShow(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of one user")
	if err != nil {
		return err
	}
	return look(ctx, flags, func(r tagview.Reader) error {
		views, err := readUsers(ctx, r)
		if err != nil {
			return err
		}
		for _, v := range views {
			if v.Name != names[0] {
				continue
			}
			if v.Tokens, err = readTokens(ctx, r, &v.Name); err != nil {
				return err
			}
			if wantsJSON(flags) {
				return writeJSON(t.stdout, v)
			}
			fmt.Fprintf(t.stdout, "%s, %s\npermissions: %s\n", v.Name, v.state(), dash(strings.Join(v.Permissions, " ")))
			for _, token := range v.Tokens {
				fmt.Fprintf(t.stdout, "token %s: %s, expires: %s\n", token.Name, token.State, expiry(token.Expires))
			}
			return nil
		}
		return noSuch("user", names[0])
	})
}

func userAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of the new user")
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return "user " + names[0] + " is made; distbot perm grant PERMISSION " + names[0] + " lets the user do something", e.AddUser(ctx, names[0])
	})
}

func userSetEnabled(enabled bool) func(context.Context, terminal, *flag.FlagSet) error {
	return func(ctx context.Context, t terminal, flags *flag.FlagSet) error {
		names, err := operands(flags, 1, 1, "the name of one user")
		if err != nil {
			return err
		}
		return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
			return "user " + names[0] + " is " + userView{Enabled: enabled}.state(), e.SetUserEnabled(ctx, names[0], enabled)
		})
	}
}
