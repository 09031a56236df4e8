package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/distbot/distbot/internal/db"
	"github.com/distbot/distbot/internal/dbtest"
	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

// whyIdle is what people are told of a host.
func whyIdle(rows []db.ListHostsRow, name string) string {
	for _, row := range rows {
		if row.Name == name {
			return queue.WhyUnready(row)
		}
	}
	return "there is no such host"
}

// TestProbeHost compares what a host is told beforehand with what becomes of it
// once it is connected.
func TestProbeHost(t *testing.T) {
	t.Parallel()
	far := queue.HostInfo{Name: "far", Remote: true, Arches: []string{"x86_64"}, Capacity: 2, Instance: "one"}
	for name, test := range map[string]struct {
		arches, channels, allowedArches, allowedChannels []string
		want                                             string
	}{
		"A new host takes what it offers": {arches: []string{"x86_64"}, allowedChannels: []string{"default"}},
		"A host takes what is offered and allowed": {
			arches: []string{"x86_64", "i686"}, allowedArches: []string{"i686"}, channels: []string{"nope", "kernels"}, allowedChannels: []string{"default", "kernels"},
		},
		"An architecture that is not allowed is no work": {
			arches: []string{"bogus"}, allowedArches: []string{"x86_64", "i686"}, allowedChannels: []string{"default"},
			want: "no architecture is both offered (bogus) and allowed (x86_64,i686): change arches",
		},
		"A channel that is not allowed is no work": {
			arches: []string{"x86_64"}, channels: []string{"nope"}, allowedChannels: []string{"default"},
			want: "no channel is both offered (nope) and allowed (default): change channels",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			queuetest.Exec(t, pool, "insert into hosts (name, remote, arches_set, channels_set) values ('far', true, $1, $2)", test.allowedArches, test.allowedChannels)
			info := far
			info.Arches, info.Channels = test.arches, test.channels
			told, err := queue.ProbeHost(t.Context(), pool, info)
			if err != nil || !strings.HasPrefix(told, test.want) || (told == "") != (test.want == "") {
				t.Errorf("told %q, %v, want %q", told, err, test.want)
			}
			if queuetest.Value[bool](t, pool, "select client_id is not null or seen_at is not null or arches_set is distinct from $1 from hosts", test.allowedArches) {
				t.Error("to ask has changed the host")
			}
			if _, err := queue.Connect(t.Context(), pool, info, "far"); err != nil {
				t.Fatal(err)
			}
			rows, err := db.New(pool).ListHosts(t.Context())
			if got := whyIdle(rows, "far"); got != told || err != nil {
				t.Errorf("once it is connected: %q, %v, was told %q", got, err, told)
			}
		})
	}

	t.Run("Another installation that lives is told", func(t *testing.T) {
		t.Parallel()
		pool := dbtest.New(t)
		first := connect(t, pool, far)
		other := far
		other.Instance = "two"
		if _, err := queue.ProbeHost(t.Context(), pool, other); !errors.Is(err, queue.ErrHostTaken) {
			t.Errorf("got error %v, want ErrHostTaken", err)
		}
		if _, err := queue.ProbeHost(t.Context(), pool, far); err != nil {
			t.Errorf("of the same installation: %v", err)
		}
		if _, err := queue.Heartbeat(t.Context(), pool, first, queue.HostStatus{}); err != nil {
			t.Errorf("the first lost its lease: %v", err)
		}
		silence(t, pool, "far")
		if _, err := queue.ProbeHost(t.Context(), pool, other); err != nil {
			t.Errorf("once the first is silent: %v", err)
		}
	})

	t.Run("A host that was never enrolled is unknown", func(t *testing.T) {
		t.Parallel()
		if _, err := queue.ProbeHost(t.Context(), dbtest.New(t), far); !errors.Is(err, queue.ErrUnknownHost) {
			t.Errorf("got error %v, want ErrUnknownHost", err)
		}
	})
}
