package main

import (
	"context"
	"flag"
	"slices"
	"strings"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

func permCommands() []command {
	return []command{
		{
			name: "perm list", args: "[--user USER]", help: "list permissions and who has them", run: permList,
			flags: func(flags *flag.FlagSet) {
				readFlags(flags)
				flags.String("user", "", "only those of this `user`")
			},
		},
		{
			name: "perm add", args: "PERMISSION [--description TEXT]", help: "make a permission that tags may require", run: permAdd,
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("description", "", "what it allows, a `text`")
			},
		},
		{name: "perm grant", args: "PERMISSION USER...", help: "give users a permission", run: permEach("has", (*tags.Edit).GrantPermission), flags: changeFlags},
		{name: "perm revoke", args: "PERMISSION USER...", help: "take a permission from users", run: permEach("is taken from", (*tags.Edit).RevokePermission), flags: changeFlags},
	}
}

// permView is a permission for people and programs.
type permView struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Users had it at the moment that was asked for.
	Users []string `json:"users"`
}

func permList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	if _, err := operands(flags, 0, 0, "no argument"); err != nil {
		return err
	}
	return look(ctx, flags, func(r tagview.Reader) error {
		user := value(flags, "user")
		users, err := readUsers(ctx, r)
		if err != nil {
			return err
		}
		if user != "" && !slices.ContainsFunc(users, func(v userView) bool { return v.Name == user }) {
			return noSuch("user", user)
		}
		rows, err := db.New(r.Conn).ListPermissions(ctx, lastEvent(r))
		if err != nil {
			return err
		}
		views := []permView{}
		var table [][]string
		for _, row := range rows {
			if user != "" && !slices.Contains(row.Users, user) {
				continue
			}
			views = append(views, permView(row))
			table = append(table, []string{row.Name, dash(strings.Join(row.Users, " ")), row.Description})
		}
		if wantsJSON(flags) {
			return writeJSON(t.stdout, views)
		}
		return writeTable(t.stdout, []string{"PERMISSION", "USERS", "ALLOWS"}, table)
	})
}

func permAdd(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 1, 1, "the name of the new permission")
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return "permission " + names[0] + " is made", e.AddPermission(ctx, names[0], value(flags, "description"))
	})
}

// permEach is a command that does the same to each user.
func permEach(done string, do func(e *tags.Edit, ctx context.Context, perm, user string) error) func(context.Context, terminal, *flag.FlagSet) error {
	return func(ctx context.Context, t terminal, flags *flag.FlagSet) error {
		names, err := operands(flags, 2, -1, "the name of a permission, then those of users")
		if err != nil {
			return err
		}
		perm, users := names[0], names[1:]
		return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
			for _, user := range users {
				if err := do(e, ctx, perm, user); err != nil {
					return "", err
				}
			}
			if done == "has" {
				return strings.Join(users, ", ") + " may: " + perm, nil
			}
			return perm + " " + done + " " + strings.Join(users, ", "), nil
		})
	}
}
