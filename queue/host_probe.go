package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distbot/distbot/internal/db"
)

// ProbeHost tells what Connect would do for a remote host, and changes nothing.
// It returns why the host would be given no work, "" when it would be, and
// ErrHostTaken and ErrUnknownHost as Connect does.
func ProbeHost(ctx context.Context, pool *pgxpool.Pool, info HostInfo) (string, error) {
	row, err := db.New(pool).ProbeHost(ctx, db.ProbeHostParams{
		Name: info.Name, Seconds: deadAfter.Seconds(), Arches: nonNil(info.Arches), Channels: nonNil(info.Channels),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrUnknownHost
	}
	if err == nil && row.Alive && row.Instance != info.Instance {
		err = ErrHostTaken
	}
	if err != nil {
		return "", fmt.Errorf("queue: probe host %s: %w", info.Name, err)
	}
	return nothingTaken(share{info.Arches, row.ArchesSet, row.TakesArches}, share{info.Channels, row.ChannelsSet, row.TakesChannels}), nil
}

// WhyUnready tells why a host that is connected takes no work: in its own words,
// or since nothing of what it offers is allowed. It is "" for one that takes some.
func WhyUnready(h db.ListHostsRow) string {
	if h.Unready != "" || h.ClientID == nil {
		return h.Unready
	}
	return nothingTaken(share{h.Arches, h.ArchesSet, h.TakesArches}, share{h.Channels, h.ChannelsSet, h.TakesChannels})
}

// share is what a host offers, what it is allowed, and what is both.
type share struct{ offered, allowed, taken []string }

// nothingTaken tells which share leaves a host without work; "" if none does.
func nothingTaken(arches, channels share) string {
	for _, s := range []struct {
		what, key string
		share
	}{{"architecture", "arches", arches}, {"channel", "channels", channels}} {
		if len(s.taken) == 0 {
			return fmt.Sprintf("no %s is both offered (%s) and allowed (%s): change %s in builder.yaml, or distbot host set NAME --%s at the hub",
				s.what, strings.Join(s.offered, ","), strings.Join(s.allowed, ","), s.key, s.key)
		}
	}
	return ""
}
