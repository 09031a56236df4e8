// Package report brings commit statuses from the outbox to the forges, with what
// they say besides their line to those that show it.
//
// It knows the outbox's order (what was asked for last is what is sent) and
// the forges' patience, and refuses to know how a build works. A forge that is
// slow, down or out of budget delays reports, never builds.
package report
