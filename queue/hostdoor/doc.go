// Package hostdoor is the one door by which remote build hosts reach a hub: a
// TLS listener where every connection shows a client certificate, and their side
// of it.
//
// It knows who a certificate belongs to, in a table, and what the connection is
// for, by its ALPN protocol (RFC 7301): http/1.1 goes to an HTTP server,
// distbot-postgres is a tunnel to PostgreSQL. It refuses to know what is said
// over HTTP, and what a host's PostgreSQL role may do (package hostqueue).
//
// # Identity
//
// A host is whose certificate's fingerprint is in host_credentials, not revoked
// and not past its end, looked up once the handshake has shown that the key is
// its own, and again for each HTTP request. Who is nobody is told so in the words
// of the protocol it asked for. Nothing a client sends in a field, header or
// startup message is ever taken for its name: the tunnel puts the role and database of the certificate's
// host in place of what the client asked for.
//
// # Strangers
//
// Connections whose client is not known yet are bounded. A new one is always
// taken: the oldest of those who have most must go for it, so that a crowd of
// silent ones does not keep hosts out.
//
// # Revocation
//
// A revocation is announced in the hub's database; every hub closes the
// connections that it ends at once. Should an announcement be lost, all open
// connections are compared with the table every few seconds.
//
// # The tunnel
//
// After the startup message bytes go both ways as they are, with one exception:
// of the notifications on their way to the host only those pass that a hub sent
// about the host's own queue. PostgreSQL has no privilege for NOTIFY, so without
// that one host could pause or cancel the work of another.
package hostdoor
