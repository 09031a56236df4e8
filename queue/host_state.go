package queue

import "time"

// The states of hosts, for people.
const (
	// HostReady takes work.
	HostReady = "ready"
	// HostUnready takes none, see WhyUnready.
	HostUnready = "unready"
	// HostDisabled is given none, and ends what it has.
	HostDisabled = "disabled"
	// HostSilent has not renewed its lease of late: it is given nothing, and
	// soon loses what it has.
	HostSilent = "silent"
	// HostOffline has no process.
	HostOffline = "offline"
)

// HostState tells the state of a host from its row: connected is whether a
// process is the host, unready what WhyUnready says, and unseen how long ago it renewed its lease.
func HostState(enabled, connected bool, unready string, unseen time.Duration) string {
	switch {
	case !connected:
		return HostOffline
	case !enabled:
		return HostDisabled
	case unseen > HostAlive:
		return HostSilent
	case unready != "":
		return HostUnready
	}
	return HostReady
}
