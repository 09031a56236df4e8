// Package signer holds the private keys of a distribution in a process of its
// own and signs with them what the hub has recorded, and nothing else.
//
// It knows its key directory, its audit log, the protocol of its socket and the
// two views of the database that say what may be signed. It refuses to know
// tags, builds, who wants a signature and why; it opens no file that a caller
// names, runs no program, and speaks to nobody but the database and those who
// connect to its socket. Package repopublish is its client.
//
// # What may be signed
//
// Two things, and each has to be what it is called: the main header of an RPM
// (it begins with the magic of a header), and a repomd.xml (it is an XML
// document with that root). Both become the same kind of OpenPGP signature, so
// the signer must never sign bytes of a caller's choice: a "document" that is
// the header of a forged package would sign that package.
//
// # Why a signature can be trusted
//
// A caller says which digest it wants signed and hands over the bytes. Neither
// counts by itself:
//
//  1. The signer asks the database, over a connection and with a role of its
//     own, whether the digest is recorded: for a package when its build was
//     imported and verified, for repomd.xml when the publisher made it. The role
//     can read two views and write nothing; with a role that could write the
//     signer does not start, since a program that could be talked into recording
//     a digest would prove nothing by looking it up.
//  2. It hashes the bytes itself, in one pass, and keeps the header of the
//     package from that pass. It compares the digest, and signs what it kept:
//     the file is not looked at again, so exchanging or changing it while it is
//     read changes the digest or nothing.
//  3. The header must hold the SHA-256 of the payload, or the signature would
//     say nothing about the payload.
//  4. The line of the audit log is on the disk before the signature leaves the
//     process.
//
// So who can reach the socket, the store or both gets nothing signed that was
// not imported. The hub's program can't change or remove what is recorded of a
// package, nor move it to another build: triggers keep it, which are for mistakes
// and for whoever can make the hub run a statement. They are none against the
// hub's role itself, which owns the tables and can disable them. What remains is
// that role: who has it can record packages of his own, or others under the name
// of one that was imported, and have them signed. He has no key, can't do it
// without a line in a log that the hub can't write to where the signer is another
// account, and can be told apart afterwards by that log, which has the digests. A
// signer under the hub's own account (see docs/signing.md) guards against
// mistakes and against what is confined to one part of the hub, not against that
// account.
//
// The log tells of what this process signed. Who has a key's file and its
// passphrase, as the signer's account does, signs without it, and without a line:
// the log proves nothing against that account.
//
// # Time
//
// Signatures are dated when the digest was recorded, or when the key was made
// where that is later. A caller can't choose it, and to sign the same thing
// with the same key once more gives the same bytes.
package signer
