package remote

import (
	"errors"
	"strings"
	"testing"

	"github.com/distbot/distbot/queue"
	"github.com/distbot/distbot/queue/queuetest"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	l := newLiar(t, b, "far-1")
	client := b.newProcess(t, l.id, l.transport, b.driver(t, nil)).client
	info := queue.HostInfo{Name: "far-2", Arches: []string{"x86_64"}, Capacity: 1, Driver: "scripted", Instance: "another"}
	if _, err := client.Probe(t.Context(), info); !errors.Is(err, queue.ErrHostTaken) {
		t.Errorf("while another process lives: %v, want ErrHostTaken", err)
	}
	if lives := queuetest.Value[bool](t, b.Pool, "select client_id = $1 from hosts where id = $2", l.session, l.id); !lives {
		t.Error("to ask has taken the host from the process that lives")
	}
	l.mustPost(t, Prefix+"disconnect", nil, new(struct{}))
	if why, err := client.Probe(t.Context(), info); why != "" || err != nil {
		t.Errorf("once it has gone: %q, %v", why, err)
	}
	info.Channels = []string{"nope"}
	if why, err := client.Probe(t.Context(), info); !strings.Contains(why, "no channel is both offered (nope) and allowed") || err != nil {
		t.Errorf("with a channel that is not allowed: %q, %v", why, err)
	}
	info.Capacity = -1
	if _, err := client.Probe(t.Context(), info); err == nil || !strings.Contains(err.Error(), "the capacity must be between") {
		t.Errorf("what no host is like is answered with %v", err)
	}
}
