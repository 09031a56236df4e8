package hostqueue

import (
	"fmt"
	"strconv"
	"strings"
)

// maxIdentifier is NAMEDATALEN-1: PostgreSQL would cut longer names, and two
// might become one.
const maxIdentifier = 63

// Names are those of one installation's objects, all made from the name of its
// hub's database: several installations may share a server.
type Names struct {
	// Hub is the hub's database, Database that of the hosts' queues:
	// distbot and distbot_builders.
	Hub, Database string
	// Group is the role that all hosts' roles are members of: distbot_hosts.
	Group string
}

// NamesFor returns the names that go with a hub's database.
func NamesFor(hubDatabase string) (Names, error) {
	n := Names{Hub: hubDatabase, Database: hubDatabase + "_builders", Group: hubDatabase + "_hosts"}
	longest := n.rolePrefix() + strconv.FormatInt(1<<63-1, 10)
	if hubDatabase == "" || len(longest) > maxIdentifier {
		return Names{}, fmt.Errorf("hostqueue: name the hosts' roles: the name of the hub's database %q is empty or longer than %d bytes",
			hubDatabase, maxIdentifier-len(longest)+len(hubDatabase))
	}
	return n, nil
}

func (n Names) rolePrefix() string { return n.Hub + "_host_" }

// Role is the PostgreSQL role of a host: distbot_host_7.
func (n Names) Role(hostID int64) string { return n.rolePrefix() + strconv.FormatInt(hostID, 10) }

// Queue is the River queue of a host: host_7.
func Queue(hostID int64) string { return "host_" + strconv.FormatInt(hostID, 10) }

// hostOf returns the host whose role this is.
func hostOf(role string) (int64, error) {
	i := strings.LastIndex(role, "_host_")
	if i < 0 {
		return 0, fmt.Errorf("%q is not the role of a host", role)
	}
	id, err := strconv.ParseInt(role[i+len("_host_"):], 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%q is not the role of a host", role)
	}
	return id, nil
}
