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
	// HostRevoked has none either, nor a credential that is in force: it can't
	// come back before it is enrolled again.
	HostRevoked = "revoked"
)

// HostState tells the state of a host from its row: connected is whether a
// process is the host, revoked whether all of its credentials are, unready what
// WhyUnready says, and unseen how long ago it renewed its lease.
func HostState(enabled, connected, revoked bool, unready string, unseen time.Duration) string {
	switch {
	case !connected && revoked:
		return HostRevoked
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
