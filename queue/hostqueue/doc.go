// Package hostqueue rings the doorbell of remote build hosts: River jobs that
// tell a host which task was given to it, in a database that is made for nothing
// else.
//
// It knows that database, the PostgreSQL roles of hosts and what they may do
// there. It refuses to know what a task is: a job says its number and attempt,
// and everything else is asked for over HTTPS.
//
// # Why a database of its own
//
// PostgreSQL lets every role that is connected to a database LISTEN and NOTIFY
// there on any channel, and there is no privilege that could be revoked. Rows of
// a table can be hidden, notifications can't: in the hub's own database a host
// could follow all that happens, and cancel or pause what it likes, since River's
// clients believe notifications. They do not leave their database, though. So
// hosts have one that the hub keeps nothing in, and may not connect to another.
//
// Within it, one host could still speak to the River client of another. The
// tunnel by which hosts reach PostgreSQL (package hostdoor) lets through only
// notifications of the hub about the host's own queue; and the hub's own client
// here listens to none.
//
// The server must ask hosts' roles for their passwords. The private one does
// (package pglocal); of another, its administrator decides that.
//
// # What a host may do
//
// Its role, a member of one group that owns nothing, sees and changes only the
// jobs of queue host_ID (row-level security by the role's name): the columns that
// River's worker notes the course of a job in, and no others. It can't insert or
// delete jobs, nor change a job's task or queue. See grants.sql for the list.
//
// # What it still can do
//
// Any role of PostgreSQL can keep a processor busy on each connection it has,
// and read the catalogues, where the names of databases and roles are. Hence the
// small limit of connections, the hub's watch on long transactions, and
// revocation, which ends all of it at once.
package hostqueue
