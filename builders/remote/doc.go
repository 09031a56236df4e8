// Package remote lets a host on another machine build for a hub: Server is the
// hub's side, Client the host's, and RepoProxy gives the host's drivers the hub's
// repositories.
//
// It knows the protocol between the two and refuses to know what a build is:
// package builders decides what becomes of an attempt, package buildhost how one
// is carried out.
//
// # Who may say what
//
// Requests come over TLS with a certificate of the host, and that alone says who
// it is: no name, id or path in a request is believed. What a host says is
// taken for the attempt it was given, by the process that connected last, while
// the attempt is open, and with the attempt's token, which the hub made when it
// began. The hub stores the SHA-256 of the token and nothing else of it, and
// chooses every path itself.
//
// # The protocol, version 1
//
//	POST /builder/v1/connect                         what the host is like → a session
//	POST /builder/v1/heartbeat                       how it is → what to begin and to drop
//	POST /builder/v1/disconnect
//	POST /builder/v1/tasks/T/A/begin                 → the work and the token
//	GET  /builder/v1/tasks/T/A/sources               a tar of the sources, for a source package
//	GET  /builder/v1/tasks/T/A/source-package        what packages are built from
//	GET  /builder/v1/tasks/T/A/repos/K/…             files of the K-th repository of the work
//	POST /builder/v1/tasks/T/A/phase
//	POST /builder/v1/tasks/T/A/logs/NAME?offset=N    bytes of a log → how long it is now
//	PUT  /builder/v1/tasks/T/A/results/NAME          a package; Distbot-SHA256 is its digest
//	POST /builder/v1/tasks/T/A/{finish,fail,release,refuse}
//
// Bodies are JSON but for files. Every request but the first carries the session
// in Distbot-Session, those about an attempt that has begun its token as Bearer.
// All of them may be sent again when the answer was lost: a log is told where
// its bytes belong, a file that is there is not sent again, and the end of an
// attempt that ended so is answered as if it ended now.
//
// # Bounds
//
// A host asks over three sets of connections, one of them for its lease alone,
// and the hub counts the requests of each host that it answers at a time: a few
// for the lease; apart from them Server.MaxRequests messages and logs; and
// Server.MaxFiles files. Of these each attempt has bounds of its own: one
// checkout of sources, 24 files of repositories, 8 results, each name once. One
// end of an attempt is taken at a time, since the hub reads all results for it.
// What is one too many is answered 429, and asked again. So a host that sends
// and fetches as much as it can still renews its lease, and none takes the place
// of another.
//
// The hub speaks HTTP/1.1 only, so that no connection carries more than one
// request, and answers that nobody reads end theirs. What is sent for an attempt
// that is not open any more is not taken to its end.
//
// # Slow lines
//
// A message arrives within 30 seconds. A file or a piece of a log may take any
// time, but something of it must arrive within each minute, and of what the hub
// sends something must be taken within each minute; else the connection ends, and
// the host begins the file again. Once all has arrived the hub may take its time
// to store it: a host waits 15 minutes for an answer, and asks again.
//
// Fields that one side does not know are ignored, so that hub and hosts need not
// be renewed at the same moment.
package remote
