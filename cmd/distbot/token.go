package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/tagview"
	"github.com/distbot/distbot/tags"
)

func tokenCommands() []command {
	return []command{
		{
			name: "token create", args: "USER NAME [--expires 90d]", help: "make an API token that stands for a user, and print it this once", run: tokenCreate,
			flags: func(flags *flag.FlagSet) {
				changeFlags(flags)
				flags.String("expires", "90d", "how `long` it counts: 90d, 12h, or never")
			},
		},
		{
			name: "token list", args: "[--user USER]", help: "list API tokens, but not what they are", run: tokenList,
			flags: func(flags *flag.FlagSet) {
				jsonFlag(flags)
				flags.String("user", "", "only those of this `user`")
			},
		},
		{name: "token revoke", args: "USER NAME", help: "end an API token", run: tokenRevoke, flags: changeFlags},
	}
}

// tokenView is a token for people and programs. Its text is nowhere.
type tokenView struct {
	ID      int64      `json:"id"`
	User    string     `json:"user_name"`
	Name    string     `json:"name"`
	State   string     `json:"state"`
	Created time.Time  `json:"created_at"`
	Expires *time.Time `json:"expires_at"`
	Revoked *time.Time `json:"revoked_at"`
}

// readTokens returns the tokens of a user, or of all when user is nil.
func readTokens(ctx context.Context, r tagview.Reader, user *string) ([]tokenView, error) {
	rows, err := db.New(r.Conn).ListTokens(ctx, user)
	if err != nil {
		return nil, err
	}
	views := []tokenView{}
	for _, row := range rows {
		v := tokenView{ID: row.ID, User: row.UserName, Name: row.Name, State: "in force", Created: row.CreatedAt, Expires: row.ExpiresAt, Revoked: row.RevokedAt}
		switch {
		case row.RevokedAt != nil:
			v.State = "revoked"
		case row.Expired:
			v.State = "expired"
		case !row.Enabled:
			v.State = "of a disabled user"
		}
		views = append(views, v)
	}
	return views, nil
}

// expiry is the end of a token's life for people.
func expiry(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return when(*at)
}

// parseLifetime reads how long a token counts: days, or Go's notation, which
// ends with hours; never is 0.
func parseLifetime(text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 31); err == nil && n > 0 && n < math.MaxInt64/uint64(24*time.Hour) {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, usage("--expires: %q is no time such as 90d or 12h, nor never", text)
}

func tokenCreate(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, 2, "the name of a user, and one for the token")
	if err != nil {
		return err
	}
	lifetime, err := parseLifetime(value(flags, "expires"))
	if err != nil {
		return err
	}
	var token tags.Token
	event, _, err := changeTags(ctx, flags, func(e *tags.Edit) (_ string, err error) {
		token, err = e.CreateToken(ctx, names[0], names[1], lifetime)
		return "", err
	})
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, struct {
			changeView
			Token   string     `json:"token"`
			Expires *time.Time `json:"expires_at"`
		}{changeView{Event: event}, token.Text, token.ExpiresAt})
	}
	// The token alone goes to standard output, for a file or a pipe.
	fmt.Fprintf(t.stderr, "the token %s of %s expires: %s; keep it, it is not shown again (event %d)\n", names[1], names[0], expiry(token.ExpiresAt), event)
	_, err = fmt.Fprintln(t.stdout, token.Text)
	return err
}

func tokenList(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	if _, err := operands(flags, 0, 0, "no argument"); err != nil {
		return err
	}
	h, err := openHub(ctx, flags)
	if err != nil {
		return err
	}
	defer h.close()
	views, err := readTokens(ctx, tagview.Reader{Conn: h.pool}, optional(flags, "user"))
	if err != nil {
		return err
	}
	if wantsJSON(flags) {
		return writeJSON(t.stdout, views)
	}
	var table [][]string
	for _, v := range views {
		table = append(table, []string{v.User, v.Name, v.State, when(v.Created), expiry(v.Expires)})
	}
	return writeTable(t.stdout, []string{"USER", "TOKEN", "STATE", "CREATED", "EXPIRES"}, table)
}

func tokenRevoke(ctx context.Context, t terminal, flags *flag.FlagSet) error {
	names, err := operands(flags, 2, 2, "the name of a user, and that of a token")
	if err != nil {
		return err
	}
	return change(ctx, t, flags, func(e *tags.Edit) (string, error) {
		return "the token " + names[1] + " of " + names[0] + " counts no more", e.RevokeToken(ctx, names[0], names[1])
	})
}
