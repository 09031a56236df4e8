package queue

import (
	"testing"
	"time"
)

func TestHostState(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		enabled, connected bool
		unready            string
		unseen             time.Duration
	}{
		HostReady:    {true, true, "", HostAlive},
		HostUnready:  {true, true, "the disk is full", time.Second},
		HostDisabled: {false, true, "the disk is full", time.Second},
		HostSilent:   {true, true, "the disk is full", HostAlive + 1},
		HostOffline:  {false, false, "", time.Hour},
	} {
		if got := HostState(test.enabled, test.connected, test.unready, test.unseen); got != want {
			t.Errorf("HostState(%+v) = %q, want %q", test, got, want)
		}
	}
}
