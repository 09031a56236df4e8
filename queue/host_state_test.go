package queue

import (
	"testing"
	"time"
)

func TestHostState(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		enabled, connected, revoked bool
		unready                     string
		unseen                      time.Duration
	}{
		HostReady:    {true, true, false, "", HostAlive},
		HostUnready:  {true, true, false, "the disk is full", time.Second},
		HostDisabled: {false, true, false, "the disk is full", time.Second},
		HostSilent:   {true, true, false, "the disk is full", HostAlive + 1},
		HostOffline:  {false, false, false, "", time.Hour},
		HostRevoked:  {true, false, true, "", time.Hour},
	} {
		if got := HostState(test.enabled, test.connected, test.revoked, test.unready, test.unseen); got != want {
			t.Errorf("HostState(%+v) = %q, want %q", test, got, want)
		}
	}
}
