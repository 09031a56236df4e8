package queue

import "github.com/riverqueue/river"

// ChainArgs asks distgit to go on with a chain: to find its commits, to start
// its next group, or to end it. Asking once more than needed does nothing.
type ChainArgs struct {
	ChainID int64 `json:"chain_id"`
}

// Kind implements river.JobArgs.
func (ChainArgs) Kind() string { return "distgit.chain" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ChainArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: endless}
}

// RebuildArgs asks builders to go on with a rebuild: to make its repositories
// and start its build, or to compare what came of it.
type RebuildArgs struct {
	RebuildID int64 `json:"rebuild_id"`
}

// Kind implements river.JobArgs.
func (RebuildArgs) Kind() string { return "builders.rebuild" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (RebuildArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: endless}
}
